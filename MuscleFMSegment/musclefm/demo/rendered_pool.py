"""Slices to train on, rendered beforehand by several processes."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt

from musclefm.demo.phantom.fields import StreakTexture
from musclefm.demo.phantom.legs import LegSlice
from musclefm.demo.phantom.parametric import ParametricThigh
from musclefm.demo.rendering import SliceRenderer
from musclefm.labels.scheme import LabelScheme
from musclefm.models.intensity import percentile_scale
from musclefm.progress import Progress, ProgressEvent

_CHUNK = 250


@dataclass(frozen=True)
class SlicePool:
    """Rendered slices.

    Attributes
    ----------
    images : ndarray
        ``(N, S, S) uint8``: intensities scaled to 0..255.
    labels : ndarray
        ``(N, S, S) uint8``: label ids.
    subjects : ndarray
        ``(N,) str``: pseudonym of the subject each slice was rendered from.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    subjects: npt.NDArray[np.str_]

    def without(self, subjects: set[str]) -> SlicePool:
        """Return the slices of all other subjects."""
        return self._take(~np.isin(self.subjects, list(subjects)))

    def only(self, subjects: set[str]) -> SlicePool:
        """Return the slices of these subjects."""
        return self._take(np.isin(self.subjects, list(subjects)))

    def first(self, count: int) -> SlicePool:
        """Return the first slices."""
        return self._take(np.arange(len(self.images)) < count)

    def _take(self, chosen: npt.NDArray[np.bool_]) -> SlicePool:
        return SlicePool(self.images[chosen], self.labels[chosen], self.subjects[chosen])


@dataclass(frozen=True)
class PoolRecipe:
    """How a pool is rendered.

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


def render_pool(
    legs: list[LegSlice],
    scheme: LabelScheme,
    recipe: PoolRecipe,
    seed: int,
    jobs: int,
    progress: Progress,
) -> SlicePool:
    """Render a pool; the same seed gives the same pool with any number of jobs.

    Parameters
    ----------
    legs : list of LegSlice
        Real labelled slices; may be empty.
    scheme : LabelScheme
        Of the labels.
    recipe : PoolRecipe
        How many, how large, how many parametric.
    seed : int
        Of all randomness.
    jobs : int
        Processes.
    progress : Progress
        Called after each chunk.
    """
    chunks = -(-recipe.count // _CHUNK)
    tasks = [
        (legs, scheme, recipe, chunk_seed, min(_CHUNK, recipe.count - index * _CHUNK))
        for index, chunk_seed in enumerate(np.random.SeedSequence(seed).spawn(chunks))
    ]
    rendered = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as workers:
        for done, chunk in enumerate(workers.map(_render_chunk, tasks), start=1):
            rendered.append(chunk)
            progress(ProgressEvent("render", done, chunks, "training slices"))
    images, labels, subjects = zip(*rendered, strict=True)
    return SlicePool(np.concatenate(images), np.concatenate(labels), np.concatenate(subjects))


_Task = tuple[list[LegSlice], LabelScheme, PoolRecipe, np.random.SeedSequence, int]


def _render_chunk(
    task: _Task,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.str_]]:
    legs, scheme, recipe, seed, count = task
    rng = np.random.default_rng(seed)
    renderer = SliceRenderer(scheme, recipe.size, recipe.pixel_mm, StreakTexture(rng))
    thigh = ParametricThigh(scheme)
    # Every subject as often as any other, however finely it was sliced.
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
        else:
            own = known[rng.integers(len(known))]
            leg = own[rng.integers(len(own))]
        image, labels[index] = renderer.render(leg, rng)
        images[index] = np.round(percentile_scale(image) * 255)
        subjects.append(leg.subject)
    return images, labels, np.array(subjects)
