"""Everything that is measured of one case against its reference."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.evaluation.accuracy import MuscleAccuracy, muscle_accuracy
from musclefm.evaluation.calibration import near_muscle
from musclefm.evaluation.cohort.case_calibration import CaseCalibration, calibrate_case
from musclefm.evaluation.cohort.case_pair import CasePair, Labels
from musclefm.evaluation.cohort.severity import volume_weighted_fat_fraction
from musclefm.evaluation.dice import dice, dice_of_counts, pooled_counts
from musclefm.evaluation.error_detection import ErrorDetection, aurc, detect_errors
from musclefm.evaluation.review_order import ReviewOrder, possible_looks, review_order
from musclefm.evaluation.scored_voxels import (
    known_reference,
    labelled_slices,
    without_merged,
)
from musclefm.evaluation.statistics import mean_of
from musclefm.labels.scheme import LabelScheme
from musclefm.labels.sided import IGNORE, without_sides


@dataclass(frozen=True)
class CaseEvaluation:
    """One case against its reference, where that tells anything.

    Attributes
    ----------
    scheme : LabelScheme
        What the labels mean.
    judged : tuple of int
        Ids of the muscles that were annotated; of others nothing is measured.
    slices, voxels, wrong_voxels : int
        Slices that show a muscle; voxels that count, and those of another label than the
        reference's.
    muscle_dice : ndarray
        ``(muscles,) float64``: both sides of a muscle together, in the scheme's order;
        NaN for a muscle that neither shows or nobody annotated.
    shared_voxels, labelled_voxels : int
        Of all muscles together: voxels that both give to the same muscle, and voxels that
        each gives to one, in sum.
    muscles : tuple of MuscleAccuracy
        By muscle and side; empty without spacing.
    calibration : CaseCalibration or None
        None without probabilities.
    detection : mapping of str to ErrorDetection
        By uncertainty, within 10 mm of the reference's muscles.
    expected_dice, real_dice : ndarray
        ``(n,)``: of each muscle and side of which the ensemble forecasts a Dice.
    review : ReviewOrder or None
        What the order of the flagged regions is worth.
    fat_fraction : float or None
        Of all muscles of the reference, weighted by volume.
    """

    scheme: LabelScheme
    judged: tuple[int, ...]
    slices: int
    voxels: int
    wrong_voxels: int
    muscle_dice: npt.NDArray[np.float64]
    shared_voxels: int
    labelled_voxels: int
    muscles: tuple[MuscleAccuracy, ...]
    calibration: CaseCalibration | None
    detection: Mapping[str, ErrorDetection]
    expected_dice: npt.NDArray[np.float64]
    real_dice: npt.NDArray[np.float64]
    review: ReviewOrder | None
    fat_fraction: float | None

    @property
    def mean_dice(self) -> float:
        """Mean of ``muscle_dice`` over the muscles that either shows: each counts alike."""
        return mean_of(self.muscle_dice)

    @property
    def pooled_dice(self) -> float:
        """One Dice of all muscles' voxels together: large muscles count for more."""
        return pooled_dice_of([self])

    @property
    def muscle_aurc(self) -> float:
        """Area under the risk-coverage curve of muscles: 1 - expected Dice against 1 - Dice."""
        return aurc(1 - self.expected_dice, 1 - self.real_dice)


def pooled_dice_of(cases: Sequence[CaseEvaluation]) -> float:
    """Return one Dice of the voxels of all muscles of all cases together, as if of one volume.

    So do Casali et al. 2025 for a group of patients: a patient of many slices counts for more.
    NaN where no case shows a muscle.
    """
    counts = np.array([(case.shared_voxels, case.labelled_voxels) for case in cases])
    shared, labelled = counts.sum(axis=0, keepdims=True).T
    return float(dice_of_counts(shared, labelled)[0])


def evaluate_case(
    pair: CasePair,
    *,
    annotated: Collection[int] | None = None,
    merged: Sequence[Collection[int]] = (),
    seed: int = 0,
) -> CaseEvaluation:
    """Measure a case.

    Parameters
    ----------
    pair : CasePair
        The case.
    annotated : collection of int, optional
        Ids of the muscles that the reference would show if they were there; by default
        those that it shows.
    merged : sequence of collections of int
        Ids of muscles that the reference does not tell apart.
    seed : int
        Of the random orders of review.

    Raises
    ------
    MuscleFMError
        The reference has no label, or the probabilities are none.
    """
    scheme, count = pair.scheme, len(pair.scheme.labels)
    scored = _scored(pair, annotated, merged)
    labels, truth = scored.labels, scored.truth
    known = truth != IGNORE
    plain, plain_truth = without_sides(labels, scheme), without_sides(truth, scheme)
    classes = scheme.class_count
    near = near_muscle(plain_truth, pair.spacing or (1.0, 1.0, 1.0))
    wrong = plain != plain_truth
    by_side = dice(labels[known], truth[known], 2 * count + 1)
    # Nothing is forecast of muscles that are taken together.
    apart = scored.values - {value for group in merged for value in _of_both_sides(group, count)}
    forecast = [v for v in pair.expected_dice if v in apart and by_side[v] == by_side[v]]
    shared, labelled = pooled_counts(
        np.where(np.isin(plain[known], list(scored.ids)), plain[known], 0),
        plain_truth[known],
        classes,
    )
    fat = pair.fat_fraction
    return CaseEvaluation(
        scheme=scheme,
        judged=tuple(sorted(scored.ids)),
        slices=int(labelled_slices(truth, pair.slice_axis).sum()),
        voxels=int(known.sum()),
        wrong_voxels=int(wrong[known].sum()),
        muscle_dice=np.where(
            np.isin(np.arange(1, classes), list(scored.ids)),
            dice(plain[known], plain_truth[known], classes)[1:],
            np.nan,
        ),
        shared_voxels=shared,
        labelled_voxels=labelled,
        muscles=muscle_accuracy(
            labels, truth, scheme, pair.spacing,
            sided=pair.sided, fat_fraction=fat, judged=scored.values,
        ) if pair.spacing else (),
        calibration=calibrate_case(pair, plain_truth, near, merged),
        detection={
            name: detect_errors(values[near], wrong[near])
            for name, values in pair.uncertainty.items()
        },
        expected_dice=np.array([pair.expected_dice[v] for v in forecast]),
        real_dice=by_side[forecast],
        review=_review(pair, labels, truth, merged, seed),
        fat_fraction=None if fat is None else volume_weighted_fat_fraction(truth, fat),
    )  # fmt: skip


@dataclass(frozen=True)
class _Scored:
    """What counts of a case: labels, the reference with all that it does not tell as IGNORE,
    ids of the muscles that were annotated, and their values of the sides that were."""

    labels: Labels
    truth: Labels
    ids: frozenset[int]
    values: frozenset[int]


def _scored(
    pair: CasePair, annotated: Collection[int] | None, merged: Sequence[Collection[int]]
) -> _Scored:
    count = len(pair.scheme.labels)
    labels = without_merged(pair.labels, merged, count)
    reference = without_merged(pair.reference, merged, count)
    shown = set(np.unique(reference).tolist()) - {0, IGNORE}
    if not shown:
        raise MuscleFMError(
            "the reference has no label of a muscle", "give one in which muscles are labelled"
        )
    ids = {(value - 1) % count + 1 for value in shown}
    if annotated is not None:
        ids |= {min(next((g for g in merged if i in g), (i,))) for i in annotated}
    other = _unannotated_side(shown, labels, count) if pair.sided else set()
    values = _of_both_sides(ids, count) - other
    spacing = pair.spacing or (1.0, 1.0, 1.0)
    truth = known_reference(reference, labels, values, other, spacing, pair.slice_axis)
    return _Scored(labels, truth, frozenset(ids), frozenset(values))


def _of_both_sides(ids: Collection[int], count: int) -> set[int]:
    return {value for label_id in ids for value in (label_id, label_id + count)}


def _unannotated_side(shown: set[int], labels: Labels, count: int) -> set[int]:
    """Return the values of the side that the segmentation alone shows, beside the other one."""
    right, left = set(range(1, count + 1)), set(range(count + 1, 2 * count + 1))
    found = set(np.unique(labels).tolist())
    if not (found & right and found & left):
        return set()
    return next((side for side in (right, left) if not shown & side), set())


def _review(
    pair: CasePair,
    labels: Labels,
    truth: Labels,
    merged: Sequence[Collection[int]],
    seed: int,
) -> ReviewOrder | None:
    if pair.regions is None:
        return None
    count = len(pair.scheme.labels)
    regions = [
        (first, last, without_merged(np.array(sorted(values), np.uint8), merged, count).tolist())
        for first, last, values in pair.regions
    ]
    return review_order(possible_looks(labels, truth, pair.slice_axis), regions, seed)
