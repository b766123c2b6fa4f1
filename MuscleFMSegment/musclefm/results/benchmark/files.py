"""A benchmark as files: table, JSON, page, and of each ensemble its whole evaluation."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from musclefm.results.benchmark.calibration_plots import write_calibration_plots
from musclefm.results.benchmark.page import render_benchmark
from musclefm.results.benchmark.table import MEASURES, Benchmark, benchmark_table
from musclefm.results.evaluation.document import plain_json
from musclefm.results.evaluation.files import write_evaluation
from musclefm.storage.atomic import atomic_text, writing_errors

BENCHMARK_PAGE = "benchmark.html"
SYSTEMS_FOLDER, SCORES_FOLDER = "systems", "scores"
"""What systems keep, and what was measured of them, a folder each."""

_EVALUATIONS_FOLDER = "evaluations"


def write_benchmark(out: Path, benchmark: Benchmark) -> None:
    """Write a benchmark into its folder; what an earlier run left of it is replaced.

    Of each system ``evaluations/NAME`` holds its ensemble as ``musclefm evaluate`` writes
    it, and the calibration plots under the names of Casali et al. 2025.

    Parameters
    ----------
    out : Path
        The benchmark's folder.
    benchmark : Benchmark
        What was measured.

    Raises
    ------
    MuscleFMError
        It cannot be written.
    """
    for system in benchmark.systems:
        folder = out / _EVALUATIONS_FOLDER / system.key
        with writing_errors():
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(exist_ok=True)
        write_evaluation(folder, system.ensemble, system.paired)
        write_calibration_plots(folder / "uncertainty", system.ensemble)
    document = {
        "schema_version": 1,
        **benchmark.facts,
        "notes": benchmark.notes,
        "definitions": {name: measure.title for name, measure in MEASURES.items()},
        "rows": [asdict(row) for row in benchmark.rows],
        "systems": [
            {
                "key": system.key,
                "title": system.title,
                **system.facts,
                "against_the_first": [asdict(row) for row in system.paired],
            }
            for system in benchmark.systems
        ],
    }
    atomic_text(out / "benchmark.csv", benchmark_table(benchmark))
    text = json.dumps(plain_json(document), indent=1, allow_nan=False)
    atomic_text(out / "benchmark.json", text + "\n")
    atomic_text(out / BENCHMARK_PAGE, render_benchmark(benchmark))


def kept_benchmark(out: Path) -> str:
    """Return what is kept of a benchmark that was interrupted, or an empty text for nothing."""
    scores = out / SCORES_FOLDER
    folds = sum('"finished": true' in path.read_text() for path in scores.glob("*/fold-*.json"))
    cases = len(list(scores.glob("*/case-*.json")))
    if not (folds or cases or any((out / SYSTEMS_FOLDER).glob("*/member-*.pt"))):
        return ""
    return (
        f"finished epochs, {folds} finished folds and {cases} measured cases are kept; run the"
        " same command again to resume"
    )
