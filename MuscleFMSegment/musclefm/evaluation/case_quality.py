"""How good an ensemble is on one case, where its labels are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from musclefm.evaluation.calibration import CalibrationAccumulator, near_muscle
from musclefm.evaluation.dice import dice, pooled_dice
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.evaluation.statistics import Numbers, mean_of
from musclefm.inference.case import OrientedCase, run_case
from musclefm.inference.predictor import EnsemblePredictor, SliceObserver
from musclefm.labels.sided import IGNORE
from musclefm.models.bundle import Bundle
from musclefm.volumes.orientation import canonical_view


@dataclass(frozen=True)
class CaseQuality:
    """Quality on one case; by muscle, both sides together.

    Attributes
    ----------
    muscle_dice, muscle_ece : ndarray
        ``(muscles,)``: NaN for a muscle that neither labels nor reference show;
        the ECE is that of the muscle against all else.
    muscle_expected_ml : ndarray
        ``(muscles,)``: of what is labelled as the muscle, how many mL are expected to be wrong.
    ece, nll : float
        Of the top label, and in nats per voxel; within 10 mm of a muscle.
    expected_ml, wrong_ml : float
        Volume of the case that is expected to be wrong, and is.
    slice_dice : float
        Mean over slices of the mean Dice of the muscles that the reference shows
        there, as in Casali et al. 2025; NaN without any.
    pooled_dice : float
        Of all muscles' voxels together; NaN without any.
    """

    muscle_dice: Numbers
    muscle_ece: Numbers
    muscle_expected_ml: Numbers
    ece: float
    nll: float
    expected_ml: float
    wrong_ml: float
    slice_dice: float
    pooled_dice: float

    @property
    def dice(self) -> float:
        """Mean over muscles."""
        return mean_of(self.muscle_dice)


def case_quality(case: LabelledCase, bundle: Bundle, predictor: EnsemblePredictor) -> CaseQuality:
    """Segment a case the user's whole way, and hold it against its known labels.

    Parameters
    ----------
    case : LabelledCase
        Of the bundle's label scheme.
    bundle : Bundle
        The ensemble.
    predictor : EnsemblePredictor
        The same ensemble, loaded.

    Raises
    ------
    MuscleFMError
        The case lacks a channel that the ensemble needs.
    """
    classes = bundle.scheme.class_count
    reference, grid = case.labels.array, case.labels.grid
    near = near_muscle(reference, grid.spacing[::-1])
    calibration = CalibrationAccumulator(classes)

    def observer(oriented: OrientedCase) -> SliceObserver:
        chosen, truth = oriented.from_input(near), oriented.from_input(reference)

        def observe(k: int, mean: Tensor, _: Tensor) -> None:
            probabilities = mean.clamp(0, 1).cpu().numpy()[:, chosen[k]]
            calibration.add(probabilities, truth[k][chosen[k]])

        return observe

    channels = case.channels.provide(bundle.manifest.input.channels)
    maps = run_case(channels, case.channels.grid, bundle, predictor, observer)
    view = canonical_view(grid)
    known = reference != IGNORE
    labels, truth, error = maps.labels[known], reference[known], maps.least_confidence[known]
    voxel_ml = grid.voxel_volume_mm3 / 1000
    overlap = dice(labels, truth, classes)[1:]
    metrics = calibration.metrics()
    shown = ~np.isnan(overlap)
    return CaseQuality(
        muscle_dice=overlap,
        muscle_ece=np.where(shown, [entry.ece for entry in metrics.classes[1:]], np.nan),
        muscle_expected_ml=(np.bincount(labels, error, classes)[1:] * voxel_ml).astype(np.float64),
        ece=metrics.top_label.ece,
        nll=metrics.nll,
        expected_ml=float(error.sum()) * voxel_ml,
        wrong_ml=float((labels != truth).sum()) * voxel_ml,
        slice_dice=_slice_dice(view.apply(maps.labels), view.apply(reference), classes),
        pooled_dice=pooled_dice(labels, truth, classes),
    )


def _slice_dice(
    labels: npt.NDArray[np.uint8], reference: npt.NDArray[np.uint8], class_count: int
) -> float:
    """Return the mean over slices ``(K, J, I)`` of the mean Dice of the muscles shown."""
    means = []
    for found, truth in zip(labels, reference, strict=True):
        known = truth != IGNORE
        shown = np.isin(np.arange(1, class_count), truth)
        if shown.any():
            means.append(dice(found[known], truth[known], class_count)[1:][shown].mean())
    return mean_of(np.array(means))
