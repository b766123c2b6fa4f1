"""Training slices rendered from labelled thighs: a new body, patient and scanner each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.demo.phantom.artefacts import Scanner
from musclefm.demo.phantom.atrophy import Atrophy
from musclefm.demo.phantom.fields import StreakTexture, smooth_field
from musclefm.demo.phantom.legs import Labels, Sections
from musclefm.demo.phantom.neighbours import SliceDistances
from musclefm.demo.phantom.section.anatomy import Mask, ThighAnatomy
from musclefm.demo.phantom.section.appearance import Appearance, draw_scanner
from musclefm.demo.phantom.section.plain import PlainThigh, draw_plain_appearance
from musclefm.demo.phantom.slices import Fractions
from musclefm.evaluation.cohort.severity import SEVERITIES
from musclefm.labels.scheme import LabelScheme

_MARGIN_PX = 14
# Half of the slices are of atrophied thighs; the rest keep the size of their anatomy.
_ATROPHIED = 0.5
# What is hard to see is shown more often: shares of SEVERITIES.
_SHARES = (0.25, 0.35, 0.4)
# Length of the labelled part of a usual thigh.
_THIGH_MM = 310.0

Images = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SliceRecipe:
    """How slices are rendered.

    Attributes
    ----------
    count : int
        Slices.
    size : int
        Edge of a slice in pixels.
    pixel_mm : float
        Edge of a pixel in mm.
    parametric : float
        Share of slices of parametric thighs; all where there are no others.
    neighbours_mm : float or None
        Distance along the leg, to either side, at which neighbours are shown;
        None shows every slice alone.
    plain : float
        Share of slices as whole volumes are rendered: without the muscles, vessels and
        bones that the scheme does not name, and more often in slices far apart.
    """

    count: int = 18000
    size: int = 128
    pixel_mm: float = 1.4
    parametric: float = 0.2
    neighbours_mm: float | None = 6.0
    plain: float = 0.5

    @property
    def channels(self) -> int:
        """Images of each slice: with its neighbours three."""
        return 1 if self.neighbours_mm is None else 3


@dataclass(frozen=True)
class SliceRenderer:
    """Renders training slices as the network sees them: one thigh, centred.

    Attributes
    ----------
    scheme : LabelScheme
        Of the labels.
    size : int
        Edge of a slice in pixels.
    pixel_mm : float
        Edge of a pixel in mm.
    streaks : StreakTexture
        Shared texture.
    """

    scheme: LabelScheme
    size: int
    pixel_mm: float
    streaks: StreakTexture

    def render(
        self,
        sections: Sections,
        distances: SliceDistances | None,
        rng: np.random.Generator,
        plain: bool = False,
    ) -> tuple[Images, Labels]:
        """Return images of a section and its neighbours, and its labels.

        Parameters
        ----------
        sections : Sections
            Of a leg.
        distances : SliceDistances or None
            How slices follow each other; None shows the section alone.
        rng : numpy.random.Generator
            Of the person, the scanner and the noise.
        plain : bool
            Whether it is shown as whole volumes are rendered.

        Returns
        -------
        images : ndarray
            ``(3, S, S) float32``: the neighbour towards the feet, the slice, the
            neighbour towards the head; ``(1, S, S)`` without neighbours.
        labels : ndarray
            ``(S, S) uint8``.
        """
        labels, below, above = self._deform(sections, rng)
        if not labels.any():
            return self.render(sections, distances, rng, plain)
        shape = (labels.shape[0], labels.shape[1])
        section, appearance, scanner = self._draw(labels, sections, rng, plain)
        gain = scanner.gain(shape, self.pixel_mm, rng)
        filled, body = section(labels, sections.height)
        own = appearance.signal(filled, rng)
        if distances is None:
            images = scanner.image(own, gain, self.pixel_mm, rng)[None]
            return self._cut(images, labels, body, rng)
        step = distances.next_mm / _THIGH_MM
        beside = []
        for other, missing, side in zip((below, above), distances.missing, (-1, 1), strict=True):
            signal = None
            if other is not None and not missing:
                filled, _ = section(other, sections.height + side * step)
                signal = appearance.signal(filled, rng)
            beside.append(signal)
        images = distances.images(beside[0], own, beside[1], scanner, gain, self.pixel_mm, rng)
        return self._cut(images, labels, body, rng)

    def _draw(
        self, labels: Labels, sections: Sections, rng: np.random.Generator, plain: bool
    ) -> tuple[Callable[[Labels, float], tuple[Fractions, Mask]], Appearance, Scanner]:
        """Draw a person, whose sections are filled by their labels and height, and a scanner."""
        severity = SEVERITIES[rng.choice(len(SEVERITIES), p=_SHARES)]
        if plain:
            thigh = PlainThigh.draw(self.scheme, severity, self.pixel_mm, self.streaks, rng)
            return thigh.section, draw_plain_appearance(rng), Scanner.draw(rng)
        shape = (labels.shape[0], labels.shape[1])
        anatomy = ThighAnatomy.draw(
            self.scheme, severity, shape, self.pixel_mm, sections.height, self.streaks, rng
        )
        femur = anatomy.find_femur(labels)

        def section(labels: Labels, height: float) -> tuple[Fractions, Mask]:
            return anatomy.section(labels, height, sections.size, femur)

        return section, Appearance.draw(self.pixel_mm, rng), draw_scanner(rng)

    def _deform(
        self, sections: Sections, rng: np.random.Generator
    ) -> tuple[Labels, Labels | None, Labels | None]:
        """Return the section, and those below and above it, on the canvas.

        All are turned, scaled, sheared, bent and atrophied in the same random way.
        """
        canvas = self.size + 2 * _MARGIN_PX
        axis = (np.arange(canvas, dtype=np.float32) - canvas / 2) * self.pixel_mm
        row, column = np.meshgrid(axis, axis, indexing="ij")
        for scale, strength in ((45.0, 6.0), (18.0, 2.0)):
            amplitude = rng.uniform(0, strength)
            row = row + amplitude * smooth_field(row.shape, scale / self.pixel_mm, rng)
            column = column + amplitude * smooth_field(row.shape, scale / self.pixel_mm, rng)
        angle = np.deg2rad(rng.normal(0, 10))
        scale = np.exp(rng.normal(0, 0.11))
        stretch = np.exp(rng.normal(0, 0.08))
        shear = rng.normal(0, 0.05)
        turned_row = (np.cos(angle) * row - np.sin(angle) * column) / (scale * stretch)
        turned_column = (np.sin(angle) * row + np.cos(angle) * column) / (scale / stretch)
        turned_column = turned_column + shear * turned_row
        found = np.nonzero(sections.labels)
        places = [
            np.rint(turned / edge + used.mean()).astype(np.intp)
            for turned, edge, used in zip(
                (turned_row, turned_column), sections.spacing_mm, found, strict=True
            )
        ]
        atrophy = Atrophy.draw((canvas, canvas), self.pixel_mm, rng)
        thin = rng.random() < _ATROPHIED

        def moved(labels: Labels | None) -> Labels | None:
            if labels is None:
                return None
            inside = np.ones(places[0].shape, bool)
            for place, count in zip(places, labels.shape, strict=True):
                inside &= (place >= 0) & (place < count)
            picked = np.zeros(inside.shape, np.uint8)
            picked[inside] = labels[places[0][inside], places[1][inside]]
            thinner = atrophy.thinned(picked) if thin else picked
            return thinner if thinner.any() else None

        own = moved(sections.labels)
        empty = np.zeros((canvas, canvas), np.uint8)
        return empty if own is None else own, moved(sections.below), moved(sections.above)

    def _cut(
        self,
        images: Images,
        labels: Labels,
        body: Mask,
        rng: np.random.Generator,
    ) -> tuple[Images, Labels]:
        """Cut the tile around the body as inference would, give or take."""
        found = np.nonzero(body)
        if rng.random() < 0.3:
            # The neighbouring thigh touches: its half is masked away by a straight cut.
            medial = int(found[1].max() - rng.integers(0, 6))
            images = images.copy()
            images[..., medial:] = 0
        start = []
        for places in found:
            corner = round(places.mean() - self.size / 2 + rng.normal(0, 3.5))
            start.append(min(max(corner, 0), 2 * _MARGIN_PX))
        rows, columns = (slice(corner, corner + self.size) for corner in start)
        return images[:, rows, columns], labels[rows, columns]
