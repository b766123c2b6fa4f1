"""The slices beside a slice, as a network sees them at a set distance in any volume."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from musclefm.demo.phantom.artefacts import Scanner

Array = npt.NDArray[np.float32]

_MISSING = 0.06
"""Share of neighbours that no slice lies on: at a volume's end, beside a gap."""


@dataclass(frozen=True)
class SliceDistances:
    """How the slices of a volume lie along the leg.

    A network sees its neighbours at a set distance. In a volume with slices
    closer than that they are slices, or lie between two; in one with slices
    further apart the neighbour is a blend of the slice itself and the next.

    Attributes
    ----------
    next_mm : float
        Distance of the slices that the neighbours are taken from.
    weight : float
        Weight of those slices in the neighbours; the slice itself has the rest.
    noise : float
        Noise of those slices, relative: it averages out between two slices.
    overlap : float
        Share of the signal of a slice that comes from as far as either of
        those slices: thick slices reach towards them.
    missing : tuple of bool
        Whether there is no slice below, and above.
    """

    next_mm: float
    weight: float
    noise: float
    overlap: float
    missing: tuple[bool, bool]

    @staticmethod
    def draw(neighbours_mm: float, rng: np.random.Generator, far: float = 0.0) -> SliceDistances:
        """Draw a protocol: slices every 3 to 26 mm, mostly 4 to 12, with gaps or without.

        A share of them, ``far``, has slices every 14 to 26 mm.
        """
        if rng.random() < far:
            slice_mm = rng.uniform(14, 26)
        else:
            usual = rng.random() < 0.7
            slice_mm = rng.uniform(4, 12) if usual else np.exp(rng.uniform(np.log(3), np.log(26)))
        next_mm = max(neighbours_mm, slice_mm)
        between = (neighbours_mm / slice_mm) % 1.0 if slice_mm < neighbours_mm else 0.0
        thickness = min(slice_mm, 12.0) * rng.uniform(0.5, 1.0)
        below, above = rng.random(2) < _MISSING
        return SliceDistances(
            next_mm=float(next_mm),
            weight=float(neighbours_mm / next_mm),
            noise=float(np.hypot(between, 1 - between)),
            # The mean of a signal that changes linearly on either side.
            overlap=float(thickness / (8 * next_mm)),
            missing=(bool(below), bool(above)),
        )

    def images(
        self,
        below: Array | None,
        own: Array,
        above: Array | None,
        scanner: Scanner,
        gain: Array,
        pixel_mm: float,
        rng: np.random.Generator,
    ) -> Array:
        """Return the neighbour below, the slice and the neighbour above, ``(3, J, I) float32``.

        Where there is no neighbour the slice is repeated, as in segmentation.

        Parameters
        ----------
        below, own, above : ndarray or None
            ``(J, I) float32``: noiseless signal of the sections.
        scanner : Scanner
            The one that all slices come from.
        gain : ndarray
            ``(J, I) float32``: sensitivity of the coils.
        pixel_mm : float
            Edge of a pixel in mm.
        rng : numpy.random.Generator
            Source of the noise, which slices do not share.
        """
        beside = [section if section is not None else own for section in (below, above)]
        thick = own + self.overlap * (beside[0] + beside[1] - 2 * own)
        shown = scanner.image(thick, gain, pixel_mm, rng)
        quieter = replace(scanner, noise=scanner.noise * self.noise)
        channels = [shown, shown, shown]
        for place, section, missing in zip((0, 2), (below, above), self.missing, strict=True):
            if section is not None and not missing:
                other = section + self.overlap * (own - section)
                image = quieter.image(other, gain, pixel_mm, rng)
                channels[place] = (1 - self.weight) * shown + self.weight * image
        return np.stack(channels)
