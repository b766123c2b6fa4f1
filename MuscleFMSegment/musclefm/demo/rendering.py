"""Training slices rendered from labelled thighs: a new body, patient and scanner each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.demo.phantom.artefacts import Scanner
from musclefm.demo.phantom.contrast import ContrastName, draw_contrast
from musclefm.demo.phantom.fields import StreakTexture, smooth_field
from musclefm.demo.phantom.legs import LegSlice
from musclefm.demo.phantom.parametric import ParametricThigh
from musclefm.demo.phantom.severity import SEVERITIES, draw_fat_fractions
from musclefm.demo.phantom.slices import fill_fractions
from musclefm.demo.phantom.tissues import UNLABELLED_MUSCLE, Body, build_tissues, femur_labels
from musclefm.labels.scheme import LabelScheme
from musclefm.models.intensity import percentile_scale

_CONTRASTS: tuple[ContrastName, ...] = (
    "t1",
    "t2",
    "pd",
    "in-phase",
    "out-of-phase",
    "water",
    "random",
    "random",
)
_MARGIN_PX = 14
# Half of the slices are of atrophied thighs; the rest keep the size of their anatomy.
_ATROPHIED = 0.5
# Persons drawn at random are split as if they were so many subjects.
_DRAWN_SUBJECTS = 60


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
    """

    count: int = 24000
    size: int = 128
    pixel_mm: float = 1.4
    parametric: float = 0.2


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
        self, leg: LegSlice, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        """Return an image ``(S, S) float32`` and its labels ``(S, S) uint8``."""
        labels = self._deform(leg, rng)
        if rng.random() < _ATROPHIED:
            labels = atrophied(labels, self.pixel_mm, rng)
        if not labels.any():
            return self.render(leg, rng)
        severity = SEVERITIES[rng.integers(len(SEVERITIES))]
        fractions = draw_fat_fractions(self.scheme, severity, rng)
        fractions[UNLABELLED_MUSCLE] = float(np.mean(list(fractions.values())))
        tissues = build_tissues(
            labels,
            self.pixel_mm,
            Body.draw(rng),
            rng,
            femur_near=femur_labels(self.scheme),
            distal=leg.height < 0.25 and rng.random() < 0.8,
            proximal=leg.height > 0.65 and rng.random() < 0.7,
            adductors=leg.height > rng.uniform(0.35, 0.55),
        )
        filled = fill_fractions(
            tissues,
            fractions,
            self.streaks,
            rng,
            patchiness=rng.uniform(0.1, 0.9),
            streakiness=rng.uniform(0.05, 0.6),
            slope_px=rng.uniform(0.3, 1.8) if rng.random() < 0.5 else 0.0,
        )
        contrast = draw_contrast(_CONTRASTS[rng.integers(len(_CONTRASTS))], rng)
        scanner = Scanner.draw(rng)
        gain = scanner.gain((labels.shape[0], labels.shape[1]), self.pixel_mm, rng)
        image = scanner.image(filled.signal(contrast), gain, self.pixel_mm, rng)
        return self._cut(image, labels, tissues.body, rng)

    def _deform(self, leg: LegSlice, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        """Return the labels on the canvas, turned, scaled, sheared and bent at random."""
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
        rows, columns = np.nonzero(leg.labels)
        points = [
            turned_row / leg.spacing_mm[0] + rows.mean(),
            turned_column / leg.spacing_mm[1] + columns.mean(),
        ]
        labels: npt.NDArray[np.uint8] = ndimage.map_coordinates(leg.labels, points, order=0)
        return labels

    def _cut(
        self,
        image: npt.NDArray[np.float32],
        labels: npt.NDArray[np.uint8],
        body: npt.NDArray[np.bool_],
        rng: np.random.Generator,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        """Cut the tile around the body as inference would, give or take."""
        rows, columns = np.nonzero(body)
        if rng.random() < 0.3:
            # The neighbouring thigh touches: its half is masked away by a straight cut.
            medial = int(columns.max() - rng.integers(0, 6))
            image = image.copy()
            image[:, medial:] = 0
        start = []
        for middle in (rows.mean(), columns.mean()):
            corner = round(middle - self.size / 2 + rng.normal(0, 3.5))
            start.append(min(max(corner, 0), 2 * _MARGIN_PX))
        window = tuple(slice(corner, corner + self.size) for corner in start)
        return image[window], labels[window]


def atrophied(
    labels: npt.NDArray[np.uint8], pixel_mm: float, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Return labels ``(J, I) uint8`` whose muscles are thinner, each by its own share.

    What a muscle loses is left unlabelled, as fat fills the place of atrophied
    muscle. A thigh as a whole is atrophied a little or much; its muscles differ.

    Parameters
    ----------
    labels : ndarray
        ``(J, I) uint8``.
    pixel_mm : float
        Edge of a pixel in mm.
    rng : numpy.random.Generator
        Source of randomness.
    """
    thinner = labels.copy()
    thigh = rng.uniform(0.0, 0.35)
    # Muscles shrink unevenly around: from some sides more than from others.
    uneven = np.exp(0.4 * smooth_field(labels.shape, 25.0 / pixel_mm, rng))
    for label in np.unique(labels[labels > 0]):
        depth = ndimage.distance_transform_edt(labels == label)
        share = np.clip(thigh + rng.normal(0.0, 0.12), 0.0, 0.6)
        thinner[(labels == label) & (depth < share * uneven * depth.max())] = 0
    return thinner


ChunkTask = tuple[Sequence[LegSlice], LabelScheme, SliceRecipe, np.random.SeedSequence, int, int]


def render_chunk(
    task: ChunkTask,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.str_]]:
    """Render some slices: images and labels ``(n, S, S) uint8``, and whom they show.

    A process that renders imports this file alone, and thus not torch.
    """
    legs, scheme, recipe, seed, start, count = task
    rng = np.random.default_rng(seed)
    renderer = SliceRenderer(scheme, recipe.size, recipe.pixel_mm, StreakTexture(rng))
    thigh = ParametricThigh(scheme)
    by_subject: dict[str, list[LegSlice]] = {}
    for leg in legs:
        by_subject.setdefault(leg.subject, []).append(leg)
    known = [by_subject[subject] for subject in sorted(by_subject)]
    images = np.empty((count, recipe.size, recipe.size), np.uint8)
    labels = np.empty_like(images)
    subjects = []
    for index in range(count):
        if not legs or rng.random() < recipe.parametric:
            leg = thigh.leg_slice(rng, scheme)
            subjects.append(f"drawn-{(start + index) % _DRAWN_SUBJECTS}")
        else:
            own = known[rng.integers(len(known))]
            leg = own[rng.integers(len(own))]
            subjects.append(leg.subject)
        image, labels[index] = renderer.render(leg, rng)
        images[index] = np.round(percentile_scale(image) * 255)
    return images, labels, np.array(subjects)
