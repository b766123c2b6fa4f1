"""How far the probabilities of one case can be believed, in several places."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.evaluation.calibration import CalibrationAccumulator, CalibrationMetrics
from musclefm.evaluation.cohort.case_pair import CasePair, Labels, Probabilities
from musclefm.evaluation.scored_voxels import casali_boxes
from musclefm.labels.sided import IGNORE

# Thirteen classes in float16, each rounded, are off by less.
_SUM_TOLERANCE = 0.02


@dataclass(frozen=True)
class CaseCalibration:
    """How far the probabilities of a case can be believed.

    Attributes
    ----------
    near : CalibrationMetrics
        Within 10 mm of the reference's muscles: the primary figure.
    everywhere : CalibrationMetrics
        In all voxels of which the reference tells anything.
    boxes : CalibrationMetrics
        In the boxes of Casali et al. 2025, to stand beside the paper alone.
    untempered : CalibrationMetrics or None
        As ``near``, before the ensemble's temperature; None where there is none.
    """

    near: CalibrationMetrics
    everywhere: CalibrationMetrics
    boxes: CalibrationMetrics
    untempered: CalibrationMetrics | None


def calibrate_case(
    pair: CasePair,
    truth: Labels,
    near: npt.NDArray[np.bool_],
    merged: Sequence[Collection[int]],
) -> CaseCalibration | None:
    """Measure the calibration of a case; slices are taken one by one, as probabilities are large.

    Parameters
    ----------
    pair : CasePair
        The case.
    truth : ndarray
        ``(K, J, I) uint8``: ids of the scheme, IGNORE where nothing is known.
    near : ndarray
        ``(K, J, I) bool``: within 10 mm of a muscle.
    merged : sequence of collections of int
        Ids of muscles that are taken together.

    Returns
    -------
    CaseCalibration or None
        None without probabilities.

    Raises
    ------
    MuscleFMError
        The probabilities do not sum to 1.
    """
    if pair.probabilities is None:
        return None
    classes = pair.scheme.class_count
    gathered = [CalibrationAccumulator(classes) for _ in range(4)]
    in_near, in_all, in_boxes, before = gathered
    planes, near_planes = (
        np.moveaxis(truth, pair.slice_axis, 0),
        np.moveaxis(near, pair.slice_axis, 0),
    )
    for k in range(len(planes)):
        chosen, known = near_planes[k], planes[k] != IGNORE
        p = _slice_of(pair.probabilities, pair.slice_axis, k, merged)
        in_near.add(p[:, chosen], planes[k][chosen])
        in_all.add(p[:, known], planes[k][known])
        if pair.untempered is not None:
            q = _slice_of(pair.untempered, pair.slice_axis, k, merged)
            before.add(q[:, chosen], planes[k][chosen])
        for _, rows, columns in casali_boxes(planes[None, k]):
            box, inside = planes[k][rows, columns], known[rows, columns]
            in_boxes.add(p[:, rows, columns][:, inside], box[inside])
    near_metrics, all_metrics, box_metrics, untempered = (x.metrics() for x in gathered)
    return CaseCalibration(
        near_metrics, all_metrics, box_metrics, untempered if pair.untempered is not None else None
    )


def _slice_of(
    probabilities: Probabilities, slice_axis: int, k: int, merged: Sequence[Collection[int]]
) -> npt.NDArray[np.float32]:
    """Return one slice ``(C, rows, columns)``, checked, summing to 1 exactly."""
    p = np.moveaxis(probabilities, slice_axis + 1, 0)[k].astype(np.float32)
    total = p.sum(axis=0)
    if not (np.all(p >= 0) and np.all(np.abs(total - 1) <= _SUM_TOLERANCE)):
        raise MuscleFMError(
            "the probabilities do not sum to 1 in every voxel",
            "give those of all classes, background first, after the softmax",
        )
    for group in merged:
        others = sorted(set(group) - {min(group)})
        p[min(group)] += p[others].sum(axis=0)
        p[others] = 0
    return np.asarray(np.minimum(p / total, 1))
