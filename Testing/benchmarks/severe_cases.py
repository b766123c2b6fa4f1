"""Rendered severe cases of anatomies that the shipped ensemble never saw, segmented by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.demo.evaluate import CONTRASTS
from musclefm.demo.phantom.anatomies import Anatomy, labelled_slices, load_anatomies
from musclefm.demo.phantom.artefacts import Scanner
from musclefm.demo.phantom.contrast import draw_contrast
from musclefm.demo.phantom.parametric import parametric_labelmap
from musclefm.demo.phantom.severity import draw_fat_fractions
from musclefm.demo.phantom.volumes import Patient, render_volume
from musclefm.demo.train import SCHEME, TEST_SUBJECTS
from musclefm.inference.case import run_case
from musclefm.inference.device import choose_runtime
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.labels.sides import LEFT
from musclefm.models.bundle import Bundle
from musclefm.progress import silent
from musclefm.review.regions import Regions, flag_regions
from musclefm.uncertainty.maps import EnsembleMaps
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

_PIXEL_MM = 1.4
DRAWN_GRID = Grid(
    shape=(14, 144, 288),
    spacing=(_PIXEL_MM, _PIXEL_MM, 24.0),
    origin=(-0.5 * 287 * _PIXEL_MM, 0.0, 0.0),
    direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
)
# Keeps the seeds of anatomies apart from those of patients.
_DRAWN = 1


@dataclass(frozen=True)
class Rendering:
    """A rendered severe case.

    Attributes
    ----------
    subject : str
        Pseudonym of the anatomy's subject.
    seed : int
        Of the rendering.
    image : Volume
        ``(K, J, I) float32``.
    reference : ndarray
        ``(K, J, I) uint8``: the scheme's ids.
    """

    subject: str
    seed: int
    image: Volume
    reference: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class SegmentedRendering:
    """A rendered severe case and what the ensemble says of it.

    Attributes
    ----------
    seed : int
        Of the rendering.
    rendering : Rendering
        The case.
    maps : EnsembleMaps
        Labels and uncertainty.
    regions : Regions
        The reader's queue.
    """

    seed: int
    rendering: Rendering
    maps: EnsembleMaps
    regions: Regions

    @property
    def sided_model(self) -> npt.NDArray[np.uint8]:
        """The model's labels, ``(K, J, I)`` sided values."""
        return self._sided(self.maps.labels)

    @property
    def sided_reference(self) -> npt.NDArray[np.uint8]:
        """The reference, ``(K, J, I)`` sided values."""
        return self._sided(self.rendering.reference)

    def _sided(self, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        left = (self.maps.sides == LEFT) & (labels > 0)
        return labels + np.where(left, np.uint8(len(self.maps.scheme.labels)), np.uint8(0))


def unseen_renderings(
    folder: Path, seed: int = 0, times: int = 2, scanner: Scanner | None = None
) -> Iterator[Rendering]:
    """Render the real anatomies held out, each time as another patient and contrast.

    Without a scanner each has one of its own, as in training.
    """
    scheme = load_scheme(SCHEME)
    unseen = [a for a in load_anatomies(folder, scheme) if a.subject in TEST_SUBJECTS]
    for number, anatomy in enumerate(unseen * times):
        yield _anatomy_rendering(anatomy, scheme, scanner, seed, number)


def seen_renderings(
    folder: Path, seed: int = 0, scanner: Scanner | None = None, every: int = 1
) -> Iterator[Rendering]:
    """Render every n-th real anatomy that the ensemble was trained on, as another patient."""
    scheme = load_scheme(SCHEME)
    seen = [a for a in load_anatomies(folder, scheme) if a.subject not in TEST_SUBJECTS]
    for number in range(0, len(seen), every):
        yield _anatomy_rendering(seen[number], scheme, scanner, seed, number)


def drawn_renderings(
    seed: int, count: int, scanner: Scanner | None = None, grid: Grid = DRAWN_GRID
) -> Iterator[Rendering]:
    """Render persons drawn at random, whom nobody saw before."""
    scheme = load_scheme(SCHEME)
    for number in range(count):
        rng = np.random.default_rng([seed, number, _DRAWN])
        labelmap = parametric_labelmap(scheme, rng, grid=grid)
        yield _rendering(f"drawn-{seed}-{number}", labelmap, scheme, scanner, seed, number)


def _anatomy_rendering(
    anatomy: Anatomy, scheme: LabelScheme, scanner: Scanner | None, seed: int, number: int
) -> Rendering:
    labelmap = labelled_slices(anatomy.labelmap, _PIXEL_MM)
    return _rendering(anatomy.subject, labelmap, scheme, scanner, seed, number)


def _rendering(
    subject: str,
    labelmap: Volume,
    scheme: LabelScheme,
    scanner: Scanner | None,
    seed: int,
    number: int,
) -> Rendering:
    rng = np.random.default_rng([seed, number])
    patient = Patient.draw(draw_fat_fractions(scheme, "severe", rng), rng)
    contrast = draw_contrast(CONTRASTS[number % len(CONTRASTS)], rng)
    own = int(rng.integers(2**31))
    drawn = Scanner.draw(rng)
    (image,) = render_volume(labelmap, scheme, patient, [contrast], scanner or drawn, own)
    return Rendering(subject, own, image, labelmap.array)


def segmented(renderings: Iterable[Rendering], bundle: Bundle) -> Iterator[SegmentedRendering]:
    """Segment renderings."""
    predictor = EnsemblePredictor(bundle, choose_runtime("cpu"), silent)
    for rendering in renderings:
        image = rendering.image
        maps = run_case(image.array[None], image.grid, bundle, predictor)
        yield SegmentedRendering(rendering.seed, rendering, maps, flag_regions(maps))
