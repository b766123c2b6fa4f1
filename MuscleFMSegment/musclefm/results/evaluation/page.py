"""The page of an evaluation: one HTML file that needs nothing but a browser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from musclefm import __version__
from musclefm.evaluation.cohort.scores import SCORES, UNCERTAINTIES
from musclefm.evaluation.cohort.summary import CohortEvaluation, PairedScore
from musclefm.evaluation.statistics import Estimate
from musclefm.plain_text import figures
from musclefm.results.evaluation.charts import (
    SIZE,
    Chart,
    forecast_chart,
    reliability_chart,
    retention_chart,
    review_chart,
)
from musclefm.results.report.page_template import page_template

_DASH = "—"

_ACCURACY = (
    "mean_dice", "pooled_dice", "hd95_mm", "assd_mm", "missed", "volume_error_ml",
    "volume_error_percent", "fat_fraction_error_percent",
)  # fmt: skip
_CALIBRATION = (
    "ece", "nll", "brier", "classwise_ece", "ece_before_temperature", "nll_before_temperature",
    "ece_everywhere", "nll_everywhere", "brier_everywhere",
)  # fmt: skip
_TRUST = (
    *(f"{name}_{kind}" for kind in UNCERTAINTIES for name in (
        "auroc", "auprc", "errors_in_1_percent", "errors_in_5_percent", "errors_in_10_percent",
        "aurc",
    )),
    "expected_dice_error", "muscle_aurc", "review_worth",
)  # fmt: skip

PRINTED = {
    "early": ("0.925", "comparable", _DASH, _DASH),
    "moderate": ("0.886", "0.883", "3.6 %", "5.1 %"),
    "severe": ("0.857", "0.850", "3.3 %", "7.1 %"),
}
"""Printed by Casali et al. 2025, by group: DSC of SAM (encoder and decoder) and of nnU-Net 3D,
and their ECE."""


@dataclass(frozen=True)
class ScoreRow:
    """A line of a table of scores.

    Attributes
    ----------
    title : str
        What the score is.
    cells : tuple of str
        For each group its mean and interval.
    """

    title: str
    cells: tuple[str, ...]


def render_evaluation(
    cohort: CohortEvaluation, paired: Sequence[PairedScore], notes: Sequence[str]
) -> str:
    """Return the page as HTML.

    Style and plots are inside, there is no script, and its content security policy
    forbids every request.

    Parameters
    ----------
    cohort : CohortEvaluation
        What was measured.
    paired : sequence of PairedScore
        Against another system, if any.
    notes : sequence of str
        What to know of the whole, a line each.
    """
    scheme = cohort.cases[0].evaluation.scheme
    everyone = cohort.groups[0]
    judged = {label_id for case in cohort.cases for label_id in case.evaluation.judged}
    return page_template("evaluation").render(
        cohort=cohort,
        everyone=everyone,
        version=__version__,
        scheme=scheme,
        notes=[*notes, *_of_cases(cohort)],
        missing=_not_computed(cohort),
        unjudged=[label.name for label in scheme.labels if label.id not in judged],
        tables=[
            (title, rows)
            for title, names in (
                ("Accuracy", _ACCURACY),
                ("Calibration", _CALIBRATION),
                ("Uncertainty", _TRUST),
            )
            if (rows := _score_rows(cohort, names))
        ],
        muscles=[
            ScoreRow(label.name, tuple(_cell(g.muscle_dice[n]) for g in cohort.groups))
            for n, label in enumerate(scheme.labels)
            if label.id in judged
        ],
        severities=[
            (severity, _cell(x)) for severity, x in cohort.dice_of_severity.items() if x.subjects
        ],
        paired=[(SCORES[row.name].title, row, _cell(row.difference)) for row in paired],
        paper=[
            (group.name, group.scores["pooled_dice"].mean, group.boxes, *PRINTED[group.name])
            for group in cohort.groups
            if group.name in PRINTED
        ],
        reliability=_reliability_charts(cohort),
        curves=[
            chart
            for chart in (retention_chart(everyone), forecast_chart(cohort), review_chart(everyone))
            if chart
        ],
        size=SIZE,
    )


def _score_rows(cohort: CohortEvaluation, names: Sequence[str]) -> list[ScoreRow]:
    """Return the rows of the scores that any subject has."""
    return [
        ScoreRow(SCORES[name].title, tuple(_cell(group.scores[name]) for group in cohort.groups))
        for name in names
        if cohort.groups[0].scores[name].subjects
    ]


def _cell(estimate: Estimate) -> str:
    if not estimate.subjects:
        return _DASH
    mean = short(estimate.mean)
    if math.isnan(estimate.low):
        return mean
    return f"{mean} ({short(estimate.low)} to {short(estimate.high)})"


def short(value: float) -> str:
    """Return three decimals below 10, and four significant digits from there on."""
    return f"{value:.3f}" if abs(value) < 10 else figures(value)


def _of_cases(cohort: CohortEvaluation) -> list[str]:
    """Return the notes of the cases, each once, with how many cases it is of."""
    counts: dict[str, int] = {}
    for case in cohort.cases:
        for line in dict.fromkeys(case.notes):
            counts[line] = counts.get(line, 0) + 1
    if len(cohort.cases) == 1:
        return list(counts)
    return [f"{line} (in {count} of {len(cohort.cases)} cases)" for line, count in counts.items()]


def _not_computed(cohort: CohortEvaluation) -> list[str]:
    """Return what could not be measured, and what it would take."""
    cases = [case.evaluation for case in cohort.cases]
    lines = {
        "calibration (ECE, NLL, Brier): there are no probabilities; segment with"
        " --save-probabilities, or put nnU-Net's NAME.npz beside NAME.nii.gz": any(
            case.calibration for case in cases
        ),
        "error detection, expected Dice and the order of review: files of labels say nothing of"
        " uncertainty; give results folders": any(case.detection for case in cases),
        "error detection by the variance over members: segment with --save-probabilities": any(
            "variance" in case.detection for case in cases
        ),
        "fat fractions and severity: there is no fat fraction; give results of scans with fat and"
        " water": any(case.fat_fraction is not None for case in cases),
    }
    return [line for line, known in lines.items() if not known]


def _reliability_charts(cohort: CohortEvaluation) -> list[Chart]:
    near = cohort.groups[0].near
    if near is None:
        return []
    labels = cohort.cases[0].evaluation.scheme.labels
    shown = [
        reliability_chart(diagram, label.name, "rgb({},{},{})".format(*label.colour))
        for label, diagram in zip(labels, near.classes[1:], strict=True)
        if diagram.counts[1:].any()
    ]
    return [reliability_chart(near.top_label, "top label, all classes"), *shown]
