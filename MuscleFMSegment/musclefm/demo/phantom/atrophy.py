"""Muscles that became thinner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.demo.phantom.fields import smooth_field

_LABELS = 256
# Share of atrophied thighs that have lost half of their muscles or more.
_SEVERE = 0.12


@dataclass(frozen=True)
class Atrophy:
    """How much thinner each muscle of a thigh is, the same in all its sections.

    Attributes
    ----------
    shares : ndarray
        ``(256,)``: share of its depth that a muscle loses, by label id.
    uneven : ndarray
        ``(J, I) float32``: muscles shrink from some sides more than from others.
    """

    shares: npt.NDArray[np.float64]
    uneven: npt.NDArray[np.float32]

    @staticmethod
    def draw(shape: tuple[int, int], pixel_mm: float, rng: np.random.Generator) -> Atrophy:
        """Draw the atrophy of a thigh: little or much as a whole, its muscles differ."""
        thigh = rng.uniform(0.35, 0.5) if rng.random() < _SEVERE else rng.uniform(0.0, 0.35)
        shares = np.clip(thigh + rng.normal(0.0, 0.12, _LABELS), 0.0, 0.65)
        return Atrophy(shares, np.exp(0.4 * smooth_field(shape, 25.0 / pixel_mm, rng)))

    def thinned(self, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return labels ``(J, I) uint8`` of thinner muscles.

        What a muscle loses is left unlabelled, as fat fills the place of atrophied
        muscle.
        """
        thinner = labels.copy()
        for label, box in enumerate(ndimage.find_objects(labels), start=1):
            if box is None:
                continue
            # One pixel around it: a muscle ends at its box.
            mask = np.pad(labels[box] == label, 1)
            depth = ndimage.distance_transform_edt(mask)[1:-1, 1:-1]
            lost = self.shares[label] * self.uneven[box] * depth.max()
            thinner[box][mask[1:-1, 1:-1] & (depth < lost)] = 0
        return thinner
