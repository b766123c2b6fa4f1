"""Cases of a cohort together: per patient first, then by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from musclefm.evaluation.calibration import CalibrationMetrics, pooled_calibration
from musclefm.evaluation.cohort.case_evaluation import CaseEvaluation, pooled_dice_of
from musclefm.evaluation.cohort.scores import SCORES, scores_of
from musclefm.evaluation.cohort.severity import (
    DEFAULT_LIMITS,
    SEVERITIES,
    Severity,
    severity_of,
)
from musclefm.evaluation.statistics import (
    Estimate,
    Numbers,
    bootstrap_mean,
    by_subject,
    holm,
    mean_of,
    paired_p,
)

ALL = "all"

BY_FAT_FRACTION = "volume-weighted fat fraction, not the paper's rule"
BY_COLUMN = "as given"
UNGROUPED = "none"

REVIEW_WAYS = ("queue", "best", "slice_by_slice", "random")

PAIRED_SCORES = ("mean_dice", "pooled_dice", "hd95_mm", "assd_mm", "ece", "nll", "brier")
"""Those that two systems are compared by; Holm's correction is over these."""


@dataclass(frozen=True)
class EvaluatedCase:
    """A case of a cohort.

    Attributes
    ----------
    name, subject : str
        Of the case, and of whom it is: cases of one subject are one.
    evaluation : CaseEvaluation
        What was measured.
    group : str or None
        As given; else it follows from the fat fraction.
    notes : tuple of str
        What to know of it, a line each.
    """

    name: str
    subject: str
    evaluation: CaseEvaluation
    group: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class GroupSummary:
    """The cases of a group.

    Attributes
    ----------
    name : str
        ``"all"``, or of the group.
    subjects, cases : int
        How many.
    scores : mapping of str to Estimate
        Means over subjects, by the names of ``SCORES``.
    muscle_dice : tuple of Estimate
        In the scheme's order, both sides of a muscle together.
    curves : mapping of str to ndarray
        ``(101,) float64`` each, means over subjects: ``"retained_errors_total"`` and so on
        by uncertainty, ``"review_queue"`` and so on by way of review.
    pooled_dice : float
        One Dice of all muscles' voxels of all its cases together, to stand beside the paper.
    near, boxes : CalibrationMetrics or None
        All voxels of the group together, for the reliability diagrams: within 10 mm of
        a muscle; and in the boxes of Casali et al. 2025, to stand beside the paper alone.
    """

    name: str
    subjects: int
    cases: int
    scores: Mapping[str, Estimate]
    muscle_dice: tuple[Estimate, ...]
    curves: Mapping[str, Numbers]
    pooled_dice: float
    near: CalibrationMetrics | None
    boxes: CalibrationMetrics | None


@dataclass(frozen=True)
class CohortEvaluation:
    """A cohort against its references.

    Attributes
    ----------
    cases : tuple of EvaluatedCase
        By name.
    case_groups : tuple of str or None
        Of each case.
    group_rule : str
        What the groups follow from.
    limits : tuple of float
        Fat fractions from which on is moderate and severe.
    groups : tuple of GroupSummary
        All cases first.
    dice_of_severity : mapping of str to Estimate
        Of the muscles of each severity, each by its own fat fraction in the reference:
        means over subjects.
    """

    cases: tuple[EvaluatedCase, ...]
    case_groups: tuple[str | None, ...]
    group_rule: str
    limits: tuple[float, float]
    groups: tuple[GroupSummary, ...]
    dice_of_severity: Mapping[Severity, Estimate]


@dataclass(frozen=True)
class PairedScore:
    """One score of two systems on the same subjects.

    Attributes
    ----------
    name : str
        In ``SCORES``.
    first, second : float
        Means over the subjects in whom both are defined.
    difference : Estimate
        Second minus first.
    p : float
        Of the two-sided Wilcoxon signed-rank test after Holm's correction.
    """

    name: str
    first: float
    second: float
    difference: Estimate
    p: float


def summarise_cohort(
    cases: Sequence[EvaluatedCase],
    *,
    limits: tuple[float, float] = DEFAULT_LIMITS,
    seed: int = 0,
) -> CohortEvaluation:
    """Put the cases of a cohort together.

    Where any case has a group, the groups are as given; else they follow from the fat
    fractions, where these are known.

    Parameters
    ----------
    cases : sequence of EvaluatedCase
        At least one; of one label scheme.
    limits : tuple of float
        Fat fractions from which on is moderate and severe.
    seed : int
        Of the bootstrap.
    """
    given = any(case.group for case in cases)
    groups = [
        case.group if given else severity_of(case.evaluation.fat_fraction, limits) for case in cases
    ]
    rule = BY_COLUMN if given else BY_FAT_FRACTION if any(groups) else UNGROUPED
    known = {group for group in groups if group}
    order = [*(x for x in SEVERITIES if x in known), *sorted(known - set(SEVERITIES))]
    members = {ALL: list(cases)} | {
        name: [case for case, group in zip(cases, groups, strict=True) if group == name]
        for name in order
    }
    return CohortEvaluation(
        cases=tuple(cases),
        case_groups=tuple(groups),
        group_rule=rule,
        limits=limits,
        groups=tuple(_summary(name, chosen, seed) for name, chosen in members.items()),
        dice_of_severity={
            severity: bootstrap_mean(
                by_subject(
                    [case.subject for case in cases],
                    [_dice_of(case.evaluation, severity, limits) for case in cases],
                ),
                seed,
            )
            for severity in SEVERITIES
        },
    )


def paired_scores(
    first: CohortEvaluation, second: CohortEvaluation, seed: int = 0
) -> tuple[PairedScore, ...]:
    """Compare two systems, subject by subject, on the cases that both have.

    Parameters
    ----------
    first, second : CohortEvaluation
        Of the same cohort, by the names of its cases.
    seed : int
        Of the bootstrap.
    """
    cases = [{case.name: case for case in cohort.cases} for cohort in (first, second)]
    names = sorted(cases[0].keys() & cases[1].keys())
    subjects = [cases[0][name].subject for name in names]
    rows = []
    for score in PAIRED_SCORES:
        old, new = (
            by_subject(subjects, [SCORES[score].read(side[name].evaluation) for name in names])
            for side in cases
        )
        both = ~np.isnan(old + new)
        rows.append((score, old[both], new[both]))
    rows = [row for row in rows if row[1].size]
    corrected = holm([paired_p(old, new) for _, old, new in rows])
    return tuple(
        PairedScore(score, mean_of(old), mean_of(new), bootstrap_mean(new - old, seed), p)
        for (score, old, new), p in zip(rows, corrected, strict=True)
    )


def _summary(name: str, cases: Sequence[EvaluatedCase], seed: int) -> GroupSummary:
    subjects = [case.subject for case in cases]
    values = [list(scores_of(case.evaluation).values()) for case in cases]
    columns: Numbers = by_subject(subjects, values)
    muscles = by_subject(subjects, [case.evaluation.muscle_dice for case in cases])
    calibrated = [case.evaluation.calibration for case in cases if case.evaluation.calibration]
    return GroupSummary(
        name=name,
        subjects=len(set(subjects)),
        cases=len(cases),
        scores={
            score: bootstrap_mean(column, seed)
            for score, column in zip(SCORES, columns.T, strict=True)
        },
        muscle_dice=tuple(bootstrap_mean(column, seed) for column in muscles.T),
        curves=_mean_curves(subjects, [case.evaluation for case in cases]),
        pooled_dice=pooled_dice_of([case.evaluation for case in cases]),
        near=pooled_calibration([part.near for part in calibrated]) if calibrated else None,
        boxes=pooled_calibration([part.boxes for part in calibrated]) if calibrated else None,
    )


def _dice_of(case: CaseEvaluation, severity: Severity, limits: tuple[float, float]) -> float:
    chosen = [
        muscle.dice
        for muscle in case.muscles
        if severity_of(muscle.reference_fat_fraction, limits) == severity
    ]
    return mean_of(np.array(chosen, float))


def _mean_curves(subjects: Sequence[str], cases: Sequence[CaseEvaluation]) -> dict[str, Numbers]:
    known: dict[str, list[tuple[str, Numbers]]] = {}
    for subject, case in zip(subjects, cases, strict=True):
        for kind, found in case.detection.items():
            known.setdefault(f"retained_errors_{kind}", []).append((subject, found.retained_errors))
        for way in REVIEW_WAYS if case.review else ():
            known.setdefault(f"review_{way}", []).append((subject, getattr(case.review, way)))
    return {
        name: np.nanmean(by_subject(*map(list, zip(*curves, strict=True))), axis=0)
        for name, curves in known.items()
    }
