"""An evaluation as JSON: every number that was measured, undefined ones as null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from musclefm import __version__
from musclefm.evaluation.calibration import BIN_COUNT, NEAR_MUSCLE_MM, CalibrationMetrics
from musclefm.evaluation.cohort.scores import SCORES, scores_of
from musclefm.evaluation.cohort.summary import CohortEvaluation, GroupSummary, PairedScore
from musclefm.evaluation.statistics import CONFIDENCE, RESAMPLES


def evaluation_json(
    cohort: CohortEvaluation, paired: Sequence[PairedScore], notes: Sequence[str]
) -> str:
    """Return the text of the file; what a score is stands beside its name."""
    scheme = cohort.cases[0].evaluation.scheme
    document = {
        "schema_version": 1,
        "musclefm": __version__,
        "label_scheme": scheme.name,
        "definitions": {
            "scores": {name: score.title for name, score in SCORES.items()},
            "near_muscle_mm": NEAR_MUSCLE_MM,
            "ece_bins": BIN_COUNT,
            "interval": f"bootstrap over subjects, {CONFIDENCE:.0%}, {RESAMPLES} resamples",
            "paired_p": "two-sided Wilcoxon signed-rank test, Holm's correction over the scores",
            "casali2025": "in boxes, cases of a group pooled; only to stand beside the paper",
        },
        "group_rule": cohort.group_rule,
        "fat_fraction_limits": cohort.limits,
        "notes": notes,
        "groups": [_group(group) for group in cohort.groups],
        "dice_of_muscle_severity": {
            severity: asdict(estimate) for severity, estimate in cohort.dice_of_severity.items()
        },
        "paired": [asdict(row) for row in paired],
        "cases": [
            {
                "name": case.name,
                "subject": case.subject,
                "group": group,
                "notes": case.notes,
                "labelled_slices": case.evaluation.slices,
                "voxels": case.evaluation.voxels,
                "wrong_voxels": case.evaluation.wrong_voxels,
                "judged_label_ids": case.evaluation.judged,
                "scores": scores_of(case.evaluation),
                "muscles": [muscle.row for muscle in case.evaluation.muscles],
            }
            for case, group in zip(cohort.cases, cohort.case_groups, strict=True)
        ],
    }
    return json.dumps(plain_json(document), indent=1, allow_nan=False) + "\n"


def _group(group: GroupSummary) -> dict[str, Any]:
    return {
        "name": group.name,
        "subjects": group.subjects,
        "cases": group.cases,
        "scores": {name: asdict(x) for name, x in group.scores.items() if x.subjects},
        "dice_pooled_over_muscles_and_cases": group.pooled_dice,
        "muscle_dice": [asdict(x) for x in group.muscle_dice],
        "curves": group.curves,
        "reliability": _reliability(group.near) if group.near else None,
        "casali2025": _casali(group.boxes) if group.boxes else None,
    }


def _reliability(metrics: CalibrationMetrics) -> dict[str, Any]:
    diagrams = {"top_label": metrics.top_label} | {
        str(label): diagram for label, diagram in enumerate(metrics.classes)
    }
    return {
        name: {"counts": x.counts, "confidence": x.confidence, "accuracy": x.accuracy}
        for name, x in diagrams.items()
    }


def _casali(metrics: CalibrationMetrics) -> dict[str, float]:
    return {
        "ece_flipped_low_bins": metrics.top_label.ece_casali,
        "classwise_ece_flipped_low_bins": metrics.classwise_ece_casali,
        "nll": metrics.nll,
        "brier": metrics.brier,
    }


def plain_json(value: Any) -> Any:
    """Return a value of JSON's types, with null for NaN, and six digits of every number."""
    if isinstance(value, Mapping):
        return {key: plain_json(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return plain_json(value.tolist())
    if isinstance(value, list | tuple):
        return [plain_json(entry) for entry in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
