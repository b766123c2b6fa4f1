"""Rendered severe cases of anatomies that the shipped ensemble never saw, segmented by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.anatomy.scheme import load_scheme
from musclefm.inference.case import run_case
from musclefm.inference.device import choose_runtime
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.models.registry import find_bundle
from musclefm.phantom.anatomies import load_anatomies
from musclefm.phantom.artefacts import Scanner
from musclefm.phantom.contrast import draw_contrast
from musclefm.phantom.severity import draw_fat_fractions
from musclefm.phantom.volumes import Patient, render_volume
from musclefm.progress import silent
from musclefm.review.regions import Regions, flag_regions
from musclefm.uncertainty.maps import LEFT, EnsembleMaps
from musclefm.volumes.volume import Volume
from musclefm.workflows.evaluate_demo import CONTRASTS, labelled_slices
from musclefm.workflows.train_demo import SCHEME, TEST_SUBJECTS

_PIXEL_MM = 1.4


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


def severe_renderings(folder: Path, seed: int = 0) -> Iterator[Rendering]:
    """Render every anatomy that the ensemble never saw twice, with other patients and contrasts."""
    scheme = load_scheme(SCHEME)
    unseen = [a for a in load_anatomies(folder, scheme) if a.subject in TEST_SUBJECTS]
    for number, anatomy in enumerate([*unseen, *unseen]):
        labelmap = labelled_slices(anatomy.labelmap, _PIXEL_MM)
        rng = np.random.default_rng([seed, number])
        patient = Patient.draw(draw_fat_fractions(scheme, "severe", rng), rng)
        contrast = draw_contrast(CONTRASTS[number % len(CONTRASTS)], rng)
        own = int(rng.integers(2**31))
        (image,) = render_volume(labelmap, scheme, patient, [contrast], Scanner.draw(rng), own)
        yield Rendering(anatomy.subject, own, image, labelmap.array)


def segmented_renderings(folder: Path, model: str) -> Iterator[SegmentedRendering]:
    """Segment the severe renderings."""
    bundle = find_bundle(model)
    predictor = EnsemblePredictor(bundle, choose_runtime("cpu"), silent)
    for rendering in severe_renderings(folder):
        image = rendering.image
        maps = run_case(image.array[None], image.grid, bundle, predictor)
        yield SegmentedRendering(rendering.seed, rendering, maps, flag_regions(maps))
