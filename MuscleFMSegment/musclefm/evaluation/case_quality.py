"""How good an ensemble is on one case, where its labels are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from torch import Tensor

from musclefm.evaluation.calibration import CalibrationAccumulator
from musclefm.evaluation.dice import dice
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.inference.case import run_case
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.labels.sided import IGNORE
from musclefm.models.bundle import Bundle
from musclefm.models.manifest import WholeSlice
from musclefm.volumes.orientation import canonical_view

# Air is sure and would flatter the calibration: only voxels this near a muscle count.
_NEAR_MM = 10.0

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CaseQuality:
    """Quality on one case; by muscle, both sides together.

    Attributes
    ----------
    muscle_dice, muscle_ece : ndarray
        ``(muscles,)``: NaN for a muscle that neither labels nor reference show;
        the ECE is that of the muscle against all else.
    muscle_expected, muscle_wrong : ndarray
        ``(muscles,)``: of the voxels labelled as the muscle, how many are
        expected to be wrong, and are.
    ece, nll : float
        Of the top label, and in nats per voxel; within 10 mm of a muscle.
    expected, wrong : float
        Voxels of the case that are expected to be wrong, and are.
    """

    muscle_dice: Numbers
    muscle_ece: Numbers
    muscle_expected: Numbers
    muscle_wrong: Numbers
    ece: float
    nll: float
    expected: float
    wrong: float

    @property
    def dice(self) -> float:
        """Mean over muscles."""
        known = self.muscle_dice[~np.isnan(self.muscle_dice)]
        return float(known.mean()) if len(known) else float("nan")


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
    known = reference != IGNORE
    near = known & _near_muscle(reference, grid.spacing)
    framing = bundle.manifest.input.framing
    view = canonical_view(grid)
    stored = isinstance(framing, WholeSlice) and framing.orientation == "stored"
    seen_near, seen_reference = (x if stored else view.apply(x) for x in (near, reference))
    calibration = CalibrationAccumulator(classes)

    def observe(k: int, mean: Tensor) -> None:
        chosen = seen_near[k]
        probabilities = mean.clamp(0, 1).cpu().numpy()[:, chosen]
        calibration.add(probabilities, seen_reference[k][chosen])

    channels = case.channels.provide(bundle.manifest.input.channels)
    maps = run_case(channels, case.channels.grid, bundle, predictor, observe)
    labels, truth, error = maps.labels[known], reference[known], maps.error[known]
    wrong = labels != truth
    overlap = dice(labels, truth, classes)[1:]
    metrics = calibration.metrics()
    shown = ~np.isnan(overlap)
    return CaseQuality(
        muscle_dice=overlap,
        muscle_ece=np.where(shown, [entry.ece for entry in metrics.classes[1:]], np.nan),
        muscle_expected=np.bincount(labels, error, classes)[1:].astype(np.float64),
        muscle_wrong=np.bincount(labels, wrong, classes)[1:].astype(np.float64),
        ece=metrics.top_label.ece,
        nll=metrics.nll,
        expected=float(error.sum()),
        wrong=float(wrong.sum()),
    )


def _near_muscle(
    reference: npt.NDArray[np.uint8], spacing: tuple[float, float, float]
) -> npt.NDArray[np.bool_]:
    """Return the voxels ``(K, J, I)`` within 10 mm of a labelled muscle."""
    away = (reference == 0) | (reference == IGNORE)
    if away.all():
        return ~away
    distance = ndimage.distance_transform_edt(away, sampling=spacing[::-1])
    near: npt.NDArray[np.bool_] = distance <= _NEAR_MM
    return near
