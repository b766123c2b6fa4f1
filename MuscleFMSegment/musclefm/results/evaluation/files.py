"""An evaluation as a folder: the names of its files, and writing them."""

from __future__ import annotations

from pathlib import Path

from musclefm.evaluation.cohort.summary import CohortEvaluation, PairedScore
from musclefm.results.evaluation.document import evaluation_json
from musclefm.results.evaluation.page import render_evaluation
from musclefm.results.evaluation.tables import (
    calibration_by_class_table,
    calibration_table,
    cases_table,
    groups_table,
    metrics_table,
    muscles_of_cases_table,
    paired_table,
    reliability_table,
)
from musclefm.storage.atomic import atomic_text, staged_folder

PAGE_FILE = "evaluation.html"


def write_evaluation(
    out: Path,
    cohort: CohortEvaluation,
    paired: tuple[PairedScore, ...] = (),
    notes: tuple[str, ...] = (),
) -> None:
    """Write an evaluation into a folder, all of it or nothing.

    Three files have the names and the definitions of Casali et al. 2025, to stand beside
    theirs: ``metrics.csv`` and, in ``uncertainty``, ``calibration_score.csv`` and
    ``calibration_score_class.csv``.

    Parameters
    ----------
    out : Path
        New or empty.
    cohort : CohortEvaluation
        What was measured.
    paired : tuple of PairedScore
        Against another system, if any.
    notes : tuple of str
        What to know of the whole, a line each.

    Raises
    ------
    MuscleFMError
        The folder holds something, or cannot be written.
    """
    texts = {
        "cases.csv": cases_table(cohort),
        "muscle_accuracy.csv": muscles_of_cases_table(cohort),
        "groups.csv": groups_table(cohort),
        "reliability.csv": reliability_table(cohort),
        "metrics.csv": metrics_table(cohort),
        "uncertainty/calibration_score.csv": calibration_table(cohort),
        "uncertainty/calibration_score_class.csv": calibration_by_class_table(cohort),
        **({"paired.csv": paired_table(paired)} if paired else {}),
        "evaluation.json": evaluation_json(cohort, paired, notes),
        PAGE_FILE: render_evaluation(cohort, paired, notes),
    }
    with staged_folder(out) as folder:
        (folder / "uncertainty").mkdir()
        for name, text in texts.items():
            atomic_text(folder / name, text)
