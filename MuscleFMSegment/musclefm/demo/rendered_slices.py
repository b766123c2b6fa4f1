"""Slices rendered by several processes, as data to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt

from musclefm.demo.chunks import render_chunk
from musclefm.demo.phantom.between_slices import densely_labelled
from musclefm.demo.phantom.legs import Leg
from musclefm.demo.rendering import SliceRecipe
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.models.manifest import BundleCard
from musclefm.progress import Progress, ProgressEvent
from musclefm.training.data.tiles import CaseTiles

_CHUNK = 250


@dataclass(frozen=True)
class RenderedSlices:
    """Training data rendered from labelled thighs; the same from a seed with any number of jobs.

    Every subject is shown as often as any other, however finely it was sliced. Each
    slice of a parametric thigh is of a person of its own.

    Attributes
    ----------
    legs : sequence of Leg
        Real labelled thighs; may be empty.
    recipe : SliceRecipe
        How many, how large, how many parametric.
    seed : int
        Of all randomness.
    jobs : int
        Processes.
    """

    legs: Sequence[Leg]
    recipe: SliceRecipe
    seed: int
    jobs: int

    @property
    def fingerprint(self) -> str:
        """Hash of all that the slices follow from."""
        digest = hashlib.sha256(repr((self.recipe, self.seed)).encode())
        for leg in self.legs:
            digest.update(repr((leg.subject, leg.spacing_mm)).encode())
            digest.update(np.ascontiguousarray(leg.labels).tobytes())
        return digest.hexdigest()

    def tiles(self, card: BundleCard, progress: Progress) -> Iterator[CaseTiles]:
        """Return the slices of each subject, see :class:`TrainingData`."""
        images, labels, subjects = self.rendered(load_scheme(card.scheme), progress)
        if card.architecture.input_channels == 1:
            # A network of one channel sees every slice alone.
            own = images.shape[1] // 2
            images = images[:, own : own + 1]
        pixel_mm = (self.recipe.pixel_mm, self.recipe.pixel_mm)
        for subject in np.unique(subjects):
            mine = subjects == subject
            scaled = images[mine].astype(np.float32) / np.float32(255)
            shown = card.input.intensity.normalise(scaled)
            yield CaseTiles(str(subject), shown, labels[mine], pixel_mm)

    def rendered(
        self, scheme: LabelScheme, progress: Progress
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.str_]]:
        """Render all slices.

        Parameters
        ----------
        scheme : LabelScheme
            Of the labels.
        progress : Progress
            Called after each chunk.

        Returns
        -------
        images : ndarray
            ``(N, 3, S, S) uint8``: the neighbour towards the feet, the slice, the
            neighbour towards the head, scaled to 0..255 by the percentiles of
            the slice; ``(N, 1, S, S)`` where the recipe has no neighbours.
        labels : ndarray
            ``(N, S, S) uint8``: label ids of the slice.
        subjects : ndarray
            ``(N,) str``: pseudonym of the subject that each slice shows.
        """
        starts = range(0, self.recipe.count, _CHUNK)
        seeds = np.random.SeedSequence(self.seed).spawn(len(starts))
        dense = [densely_labelled(leg) for leg in self.legs]
        tasks = [
            (dense, scheme, self.recipe, seed, start, min(_CHUNK, self.recipe.count - start))
            for seed, start in zip(seeds, starts, strict=True)
        ]
        chunks = []
        with ProcessPoolExecutor(self.jobs, mp_context=get_context("spawn")) as workers:
            for done, chunk in enumerate(workers.map(render_chunk, tasks), start=1):
                chunks.append(chunk)
                progress(ProgressEvent("render", done, len(tasks), "training slices"))
        images, labels, subjects = zip(*chunks, strict=True)
        return np.concatenate(images), np.concatenate(labels), np.concatenate(subjects)
