"""The tables of an evaluation, as CSV: undefined cells are empty."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence

from musclefm.evaluation.calibration import Reliability
from musclefm.evaluation.cohort.scores import scores_of
from musclefm.evaluation.cohort.severity import severity_of
from musclefm.evaluation.cohort.summary import CohortEvaluation, PairedScore
from musclefm.evaluation.statistics import Estimate


def cases_table(cohort: CohortEvaluation) -> str:
    """Return every score of every case."""
    return _csv(
        {
            "case": case.name,
            "subject": case.subject,
            "group": group or "",
            "labelled_slices": case.evaluation.slices,
            "voxels": case.evaluation.voxels,
            "wrong_voxels": case.evaluation.wrong_voxels,
            "fat_fraction": case.evaluation.fat_fraction,
            **scores_of(case.evaluation),
        }
        for case, group in zip(cohort.cases, cohort.case_groups, strict=True)
    )


def muscles_of_cases_table(cohort: CohortEvaluation) -> str:
    """Return what was measured of every muscle and side of every case, and its severity."""
    return _csv(
        {
            "case": case.name,
            **muscle.row,
            "severity": severity_of(muscle.reference_fat_fraction, cohort.limits) or "",
        }
        for case in cohort.cases
        for muscle in case.evaluation.muscles
    )


def groups_table(cohort: CohortEvaluation) -> str:
    """Return the means over subjects of every score and muscle, by group, with intervals."""
    labels = cohort.cases[0].evaluation.scheme.labels
    return _csv(
        {
            "group": group.name,
            "score": name,
            "subjects": estimate.subjects,
            "mean": estimate.mean,
            "low_95": estimate.low,
            "high_95": estimate.high,
        }
        for group in cohort.groups
        for name, estimate in (
            *group.scores.items(),
            (
                "dice_pooled_over_cases",
                Estimate(group.subjects, group.pooled_dice, math.nan, math.nan),
            ),
            *(
                (f"dice_{label.name.replace(' ', '_')}", estimate)
                for label, estimate in zip(labels, group.muscle_dice, strict=True)
            ),
        )
        if estimate.subjects
    )


def reliability_table(cohort: CohortEvaluation) -> str:
    """Return the bins of the reliability diagrams within 10 mm of a muscle, by group."""
    labels = cohort.cases[0].evaluation.scheme.labels
    classes = ("background", *(label.name for label in labels))
    rows: list[dict[str, object]] = []
    for group in cohort.groups:
        if group.near is None:
            continue
        for name, diagram in (
            ("top label", group.near.top_label),
            *zip(classes, group.near.classes, strict=True),
        ):
            rows += [{"group": group.name, "class": name, **row} for row in _bins(diagram)]
    return _csv(rows)


def paired_table(paired: Sequence[PairedScore]) -> str:
    """Return the comparison of two systems: means, difference, interval, corrected p."""
    return _csv(
        {
            "score": row.name,
            "subjects": row.difference.subjects,
            "against": row.first,
            "this": row.second,
            "difference": row.difference.mean,
            "low_95": row.difference.low,
            "high_95": row.difference.high,
            "p_holm": row.p,
        }
        for row in paired
    )


def metrics_table(cohort: CohortEvaluation) -> str:
    """Return Dice by class and pooled, a row a case, as ``metrics.csv`` of the paper's code."""
    labels = cohort.cases[0].evaluation.scheme.labels
    return _csv(
        {
            "case": case.name,
            "group": group or "",
            **{
                f"DSC {label.name}": value
                for label, value in zip(labels, case.evaluation.muscle_dice.tolist(), strict=True)
            },
            "DSC pooled over muscles": case.evaluation.pooled_dice,
            "DSC mean over muscles": case.evaluation.mean_dice,
        }
        for case, group in zip(cohort.cases, cohort.case_groups, strict=True)
    )


def calibration_table(cohort: CohortEvaluation) -> str:
    """Return the calibration as the paper's code computes it: boxes, cases of a group pooled."""
    return _csv(
        {
            "group": group.name,
            "voxels in boxes": group.boxes.voxels,
            "ECE with flipped low bins": group.boxes.top_label.ece_casali,
            "ECE": group.boxes.top_label.ece,
            "NLL": group.boxes.nll,
            "Brier": group.boxes.brier,
        }
        for group in cohort.groups
        if group.boxes
    )


def calibration_by_class_table(cohort: CohortEvaluation) -> str:
    """Return the same for each class against the rest."""
    labels = cohort.cases[0].evaluation.scheme.labels
    names = ("background", *(label.name for label in labels))
    return _csv(
        {
            "group": group.name,
            "class": name,
            "ECE with flipped low bins": entry.ece_casali,
            "ECE": entry.ece,
        }
        for group in cohort.groups
        if group.boxes
        for name, entry in zip(names, group.boxes.classes, strict=True)
    )


def _bins(diagram: Reliability) -> list[dict[str, object]]:
    edges = diagram.edges
    return [
        {
            "bin_from": float(edges[n]),
            "bin_to": float(edges[n + 1]),
            "voxels": int(diagram.counts[n]),
            "confidence": float(diagram.confidence[n]),
            "accuracy": float(diagram.accuracy[n]),
        }
        for n in range(diagram.counts.size)
    ]


def _csv(rows: Iterable[Mapping[str, object]]) -> str:
    """Return rows of the same columns; nothing at all without any row."""
    text = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(text, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def _cell(value: object) -> object:
    """Return six digits of a number, more than any is worth; texts that no sheet computes."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    # A spreadsheet takes a name that begins so for a formula.
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@")):
        return f"'{value}"
    return value
