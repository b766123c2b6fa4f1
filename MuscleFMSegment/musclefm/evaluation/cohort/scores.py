"""The numbers that stand for a case: one table, read by every list, page and statistic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from musclefm.evaluation.cohort.case_evaluation import CaseEvaluation
from musclefm.evaluation.statistics import mean_of

UNCERTAINTIES = ("total", "aleatoric", "epistemic", "variance")


@dataclass(frozen=True)
class Score:
    """One number of a case.

    Attributes
    ----------
    title : str
        For people, with what it is over and its unit.
    better : str
        Whether high or low values are better.
    read : callable
        Takes a :class:`CaseEvaluation`; NaN where it is undefined.
    """

    title: str
    better: Literal["high", "low"]
    read: Callable[[CaseEvaluation], float]


def _of_muscles(name: str) -> Callable[[CaseEvaluation], float]:
    """Return the mean over muscles and sides, of an error its size."""
    return lambda case: mean_of(np.array([abs(getattr(x, name)) for x in case.muscles], float))


def _calibrated(place: str, name: str) -> Callable[[CaseEvaluation], float]:
    def read(case: CaseEvaluation) -> float:
        metrics = getattr(case.calibration, place, None)
        if metrics is None:
            return float("nan")
        return float(getattr(metrics.top_label if name.startswith("ece") else metrics, name))

    return read


def _detected(kind: str, name: str, place: int | None = None) -> Callable[[CaseEvaluation], float]:
    def read(case: CaseEvaluation) -> float:
        if kind not in case.detection:
            return float("nan")
        value = getattr(case.detection[kind], name)
        return float(value if place is None else value[place])

    return read


def _missed(case: CaseEvaluation) -> float:
    return float(sum(x.dice == 0 for x in case.muscles)) if case.muscles else float("nan")


def _expected_dice_error(case: CaseEvaluation) -> float:
    return mean_of(np.abs(case.expected_dice - case.real_dice))


SCORES: dict[str, Score] = {
    "mean_dice": Score("Dice, mean over muscles", "high", lambda case: case.mean_dice),
    "pooled_dice": Score("Dice, pooled over muscles", "high", lambda case: case.pooled_dice),
    "hd95_mm": Score("HD95, mean over muscles and sides, mm", "low", _of_muscles("hd95_mm")),
    "assd_mm": Score("ASSD, mean over muscles and sides, mm", "low", _of_muscles("assd_mm")),
    "missed": Score("Muscles of a side that only one of the two shows", "low", _missed),
    "volume_error_ml": Score("Volume error, mL", "low", _of_muscles("volume_error_ml")),
    "volume_error_percent": Score("Volume error, %", "low", _of_muscles("volume_error_percent")),
    "fat_fraction_error_percent": Score(
        "Fat fraction error, percentage points", "low", _of_muscles("fat_fraction_error_percent")
    ),
    "ece": Score("ECE, top label, within 10 mm", "low", _calibrated("near", "ece")),
    "nll": Score("NLL within 10 mm, nats", "low", _calibrated("near", "nll")),
    "brier": Score("Brier score within 10 mm, 0-2", "low", _calibrated("near", "brier")),
    "classwise_ece": Score(
        "ECE, mean over classes, within 10 mm", "low", _calibrated("near", "classwise_ece")
    ),
    "ece_before_temperature": Score(
        "ECE within 10 mm before temperature", "low", _calibrated("untempered", "ece")
    ),
    "nll_before_temperature": Score(
        "NLL within 10 mm before temperature, nats", "low", _calibrated("untempered", "nll")
    ),
    "ece_everywhere": Score("ECE, top label, all voxels", "low", _calibrated("everywhere", "ece")),
    "nll_everywhere": Score("NLL, all voxels, nats", "low", _calibrated("everywhere", "nll")),
    "brier_everywhere": Score("Brier score, all voxels", "low", _calibrated("everywhere", "brier")),
    "expected_dice_error": Score(
        "Expected against real Dice of muscles, mean difference", "low", _expected_dice_error
    ),
    "muscle_aurc": Score("AURC of muscles by expected Dice", "low", lambda case: case.muscle_aurc),
    "review_worth": Score(
        "Worth of the order of review, 0 random, 1 best",
        "high",
        lambda case: case.review.worth if case.review else float("nan"),
    ),
    **{
        f"{name}_{kind}": score
        for kind in UNCERTAINTIES
        for name, score in {
            "auroc": Score(f"AUROC of errors, {kind}", "high", _detected(kind, "auroc")),
            "auprc": Score(f"AUPRC of errors, {kind}", "high", _detected(kind, "auprc")),
            "errors_in_1_percent": Score(
                f"Share of errors in the top 1 %, {kind}", "high", _detected(kind, "found", 0)
            ),
            "errors_in_5_percent": Score(
                f"Share of errors in the top 5 %, {kind}", "high", _detected(kind, "found", 1)
            ),
            "errors_in_10_percent": Score(
                f"Share of errors in the top 10 %, {kind}", "high", _detected(kind, "found", 2)
            ),
            "aurc": Score(f"AURC of voxels, {kind}", "low", _detected(kind, "aurc")),
        }.items()
    },
}


def scores_of(case: CaseEvaluation) -> dict[str, float]:
    """Return every score of a case by its name in ``SCORES``; NaN where undefined."""
    return {name: score.read(case) for name, score in SCORES.items()}
