"""Scans without labels as data to learn from: an ensemble labels what it is sure of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from torch import Tensor

from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.inference.case import OrientedCase, load_predictor, run_case
from musclefm.inference.device import Runtime
from musclefm.inference.predictor import EnsemblePredictor, SliceObserver
from musclefm.labels.sided import IGNORE
from musclefm.labels.sides import LEFT, RIGHT
from musclefm.models.bundle import Bundle
from musclefm.models.manifest import BundleCard
from musclefm.progress import Progress, ProgressEvent, silent
from musclefm.training.data.labelled_tiles import cut_tiles
from musclefm.training.data.tiles import CaseTiles, TrainingData
from musclefm.volumes.channels import Channels, read_channels
from musclefm.volumes.volume import Volume

# What the scan is changed by before it is looked at again: its scale, the exponent of its
# intensities. No flips: a thigh is always seen from the same side.
_CHANGES = ((1.0, 1.0), (1.08, 1.0), (1 / 1.08, 1.0), (1.0, 0.7), (1.0, 1.4))
# Of the mean over these and the members; below it the ensemble is not sure.
_LEAST_PROBABILITY = 0.65


@dataclass(frozen=True)
class WithUnlabelledScans:
    """Labelled data, and scans that an ensemble labels where it is sure.

    Attributes
    ----------
    labelled : TrainingData
        What is learned from besides.
    scans : sequence of Path
        Images without labels, a file or DICOM folder each, one image for every channel
        that the ensemble needs.
    teacher : Bundle
        The ensemble.
    runtime : Runtime
        Where it runs.
    """

    labelled: TrainingData
    scans: Sequence[Path]
    teacher: Bundle
    runtime: Runtime

    @property
    def fingerprint(self) -> str:
        """Hash of the labelled data, the paths, which may name a patient, and the ensemble."""
        names = [str(path.resolve()) for path in self.scans]
        parts = (self.labelled.fingerprint, self.teacher.sha256, *names)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def tiles(self, card: BundleCard, progress: Progress) -> Iterator[CaseTiles]:
        """Return the labelled tiles, then those of the scans, see :class:`TrainingData`."""
        yield from self.labelled.tiles(card, progress)
        predictor = load_predictor(self.teacher, self.runtime, silent)
        for number, scan in enumerate(self.scans):
            progress(ProgressEvent("label", number, len(self.scans), "scans without labels"))
            channels = read_channels({"image": scan})
            labels = sure_labels(channels, self.teacher, predictor)
            case = LabelledCase(f"unlabelled-{number}", channels, labels, self.teacher.scheme)
            yield replace(cut_tiles(case, card), self_labelled=True)
        progress(ProgressEvent("label", len(self.scans), len(self.scans), "done"))


def sure_labels(channels: Channels, bundle: Bundle, predictor: EnsemblePredictor) -> Volume:
    """Label a scan by the mean over an ensemble and some changes of the scan.

    Parameters
    ----------
    channels : Channels
        Of the scan.
    bundle : Bundle
        The ensemble.
    predictor : EnsemblePredictor
        The same ensemble, loaded.

    Returns
    -------
    Volume
        ``(K, J, I) uint8`` on the grid of the channels: IGNORE where the likeliest label is
        not sure, in parts that are not joined to the rest of their muscle (fingers), and in
        slices of hip and knee, which hold muscles that no scheme names.
    """
    images, grid = channels.provide(bundle.manifest.input.channels), channels.grid
    total = np.zeros((bundle.scheme.class_count, *grid.shape), np.float32)
    beyond: set[int] = set()
    for scale, exponent in _CHANGES:
        columns_mm, rows_mm, slices_mm = (scale * edge for edge in grid.spacing)
        scaled = replace(grid, spacing=(columns_mm, rows_mm, slices_mm))
        top = np.maximum(images.max(axis=(1, 2, 3), keepdims=True), 1e-6)
        changed = (np.maximum(images, 0) / top) ** exponent
        means: list[npt.NDArray[np.float32]] = []
        cases: list[OrientedCase] = []
        maps = run_case(
            changed.astype(np.float32), scaled, bundle, predictor, _gather(means, cases)
        )
        beyond.update(maps.beyond_thigh)
        for label in range(len(total)):
            total[label] += cases[0].to_input(np.stack([mean[label] for mean in means]))
    labels = total.argmax(axis=0).astype(np.uint8)
    labels[loose_parts(labels, maps.sides)] = IGNORE
    labels[total.max(axis=0) < _LEAST_PROBABILITY * len(_CHANGES)] = IGNORE
    along = cases[0].view.axes[0]
    np.moveaxis(labels, along, 0)[sorted(beyond)] = IGNORE
    return Volume(labels, grid)


def loose_parts(
    labels: npt.NDArray[np.uint8], sides: npt.NDArray[np.uint8]
) -> npt.NDArray[np.bool_]:
    """Return the voxels of muscles that are not of the muscle's largest part on their side."""
    loose = np.zeros(labels.shape, bool)
    for side in (RIGHT, LEFT):
        for label in np.unique(labels[labels > 0]):
            muscle = (labels == label) & (sides == side)
            parts, _ = ndimage.label(muscle)
            sizes = np.bincount(parts[muscle], minlength=2)
            loose |= muscle & (parts != sizes.argmax())
    return loose


def _gather(
    means: list[npt.NDArray[np.float32]], cases: list[OrientedCase]
) -> Callable[[OrientedCase], SliceObserver]:
    """Return an observer that keeps the case and the mean probabilities of its slices."""

    def observer(case: OrientedCase) -> SliceObserver:
        cases.append(case)

        def observe(_: int, mean: Tensor, __: Tensor) -> None:
            means.append(mean.cpu().numpy())

        return observe

    return observer
