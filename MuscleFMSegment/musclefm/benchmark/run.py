"""Runs a benchmark: every fold of every system, then every test case by every system."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from musclefm import __version__
from musclefm.benchmark.cases import data_of, open_study
from musclefm.benchmark.folds import (
    FoldTrainer,
    fold_record,
    train_folds,
)
from musclefm.benchmark.plan import BenchmarkPlan, Renderings, SystemEntry
from musclefm.benchmark.records import (
    CaseRecord,
    read_examples,
    read_record,
    write_record,
    write_slice,
)
from musclefm.benchmark.scoring import (
    Temperatures,
    annotated_muscles,
    fit_temperatures,
    score_case,
)
from musclefm.benchmark.study import Study, System
from musclefm.benchmark.systems import open_system, require_system
from musclefm.benchmark.timing import step_seconds
from musclefm.errors import MuscleFMError
from musclefm.evaluation.cohort.summary import (
    CohortEvaluation,
    EvaluatedCase,
    paired_scores,
    summarise_cohort,
)
from musclefm.inference.device import Runtime
from musclefm.progress import Progress, ProgressEvent
from musclefm.results.benchmark.files import SCORES_FOLDER, SYSTEMS_FOLDER, write_benchmark
from musclefm.results.benchmark.table import Benchmark, ComparedSystem
from musclefm.storage.atomic import atomic_text
from musclefm.storage.regular_file import read_regular
from musclefm.storage.targets import ANOTHER_FOLDER
from musclefm.storage.work_folder import claim_work_folder
from musclefm.training.data.dataset import UnreadCase

_RECORD_FILE = "plan.json"
_TEMPERATURES_FILE = "temperatures.json"
_LARGEST_FILE = 64 << 20
_LIBRARIES = ("torch", "numpy", "scipy", "monai", "nnunetv2")


def run_benchmark(
    plan: BenchmarkPlan,
    out: Path,
    runtime: Runtime,
    progress: Progress,
    jobs: int = 1,
    cluster: str | None = None,
) -> Benchmark:
    """Run a benchmark, or resume it, and write its tables and its page.

    Finished folds and finished cases are not done again. Systems may be added to the plan of
    a benchmark that is there, or left out of it.

    Parameters
    ----------
    plan : BenchmarkPlan
        What is compared.
    out : Path
        The benchmark's folder: new, empty, or of the same benchmark.
    runtime : Runtime
        Where all systems run.
    progress : Progress
        Called at all stages.
    jobs : int
        Folds that are trained at a time.
    cluster : str or None
        Address of a Ray cluster, see :func:`musclefm.benchmark.folds.train_folds`.

    Raises
    ------
    MuscleFMError
        A system cannot run, there are too few subjects, the folder is of another
        benchmark, or something cannot be read or written.
    """
    # Before anything is rendered.
    for entry in plan.systems:
        require_system(entry.system)
    data = data_of(plan, out, progress)
    study = open_study(plan, data, runtime)

    systems = [
        (entry, open_system(study, entry, out / SYSTEMS_FOLDER / entry.key))
        for entry in plan.systems
    ]
    _claim(plan, data, out)
    train_folds(FoldTrainer(plan, data, out, ()), systems, runtime, jobs, cluster, progress)
    compared: list[ComparedSystem] = []
    # Opened anew, one by one: what a system loads goes with it.
    for number, (entry, _) in enumerate(systems):
        system = open_system(study, entry, out / SYSTEMS_FOLDER / entry.key)
        message = f"{number + 1} of {len(systems)}: {system.title}"
        first = compared[0].ensemble if compared else None
        compared.append(_measured(system, entry, study, out, first, message, progress))
    benchmark = Benchmark(
        tuple(compared),
        _facts(plan, study, runtime),
        _notes(plan, study),
        read_examples(study, out, compared),
    )
    write_benchmark(out, benchmark)
    return benchmark


def _claim(plan: BenchmarkPlan, data: Path, out: Path) -> None:
    """Begin a benchmark's folder, or require that it is of the same one; add new systems."""
    claim_work_folder(out)
    content = read_regular(data, _LARGEST_FILE)
    shared = plan.model_dump(mode="json", exclude={"systems", "data"})
    shared["data_sha256"] = hashlib.sha256(content).hexdigest()
    entries = {entry.key: entry.model_dump(mode="json") for entry in plan.systems}
    file = out / _RECORD_FILE
    if file.is_file():
        try:
            known = json.loads(read_regular(file, _LARGEST_FILE))
            before, others = known["shared"], dict(known["systems"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MuscleFMError("the benchmark's plan.json is damaged", ANOTHER_FOLDER) from error
        same = before == shared and all(
            others.get(key, entry) == entry for key, entry in entries.items()
        )
        if not same:
            raise MuscleFMError(
                "the folder holds a benchmark of another plan",
                "give another folder, or the system that differs another name",
            )
        entries = others | entries
    record = {"shared": shared, "systems": entries}
    atomic_text(file, json.dumps(record, indent=2) + "\n")


def _measured(
    system: System,
    entry: SystemEntry,
    study: Study,
    out: Path,
    first: CohortEvaluation | None,
    message: str,
    progress: Progress,
) -> ComparedSystem:
    """Measure a trained system on all test cases that it was not measured on yet."""
    folder = out / SCORES_FOLDER / entry.key
    temperatures = _temperatures(system, study, folder, message, progress)
    records: list[CaseRecord] = []
    annotated: frozenset[int] | None = None
    for number, case in enumerate(study.test):
        file = folder / f"case-{number}.json"
        record = read_record(file)
        if record is None:
            progress(ProgressEvent("score", number, len(study.test), message))
            annotated = annotated_muscles(study.test) if annotated is None else annotated
            record, answer = score_case(system, case.read(), annotated, temperatures)
            write_slice(file.with_suffix(".npz"), answer)
            write_record(file, record)
        records.append(record)
    progress(ProgressEvent("score", len(study.test), len(study.test), message))

    def cohort(kind: str, place: int) -> CohortEvaluation:
        names = _names(study.test)
        return summarise_cohort(
            [
                EvaluatedCase(name, case.subject, record[kind][place], case.severity)
                for name, case, record in zip(names, study.test, records, strict=True)
            ],
            seed=study.plan.seed,
        )

    folds = range(len(study.folds))
    ensemble = cohort("ensemble", 0)
    return ComparedSystem(
        entry.key,
        system.title,
        tuple(cohort("folds", fold) for fold in folds),
        ensemble,
        cohort("logits", 0) if "logits" in records[0] else None,
        paired_scores(first, ensemble, study.plan.seed) if first else (),
        {
            "entry": entry.model_dump(mode="json"),
            "steps": _steps(study.plan, out / SYSTEMS_FOLDER / entry.key),
            "training": [fold_record(out, entry.key, fold) for fold in folds],
            "temperatures": asdict(temperatures) if temperatures else None,
            "sha256": dict(system.hashes()),
        },
    )


def _steps(plan: BenchmarkPlan, folder: Path) -> int | None:
    """Return the steps of a fold; None where they follow from the cases."""
    epochs, steps = plan.budget.epochs_and_steps(step_seconds(folder))
    return steps and epochs * steps


def _temperatures(
    system: System, study: Study, folder: Path, message: str, progress: Progress
) -> Temperatures | None:
    if not study.plan.temperature:
        return None
    file = folder / _TEMPERATURES_FILE
    if not file.is_file():
        fitted = fit_temperatures(system, study, message, progress)
        atomic_text(file, json.dumps(asdict(fitted)) + "\n")
    try:
        known = json.loads(read_regular(file, _LARGEST_FILE))
        return Temperatures(tuple(map(float, known["folds"])), float(known["ensemble"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MuscleFMError(
            "the temperatures of a system are damaged", f"remove {folder.name}/{file.name}"
        ) from error


def _names(cases: Sequence[UnreadCase]) -> list[str]:
    """Return a name for each case: its subject's, with a number where there are several."""
    subjects = [case.subject for case in cases]
    names = []
    for place, subject in enumerate(subjects):
        several = subjects.count(subject) > 1
        names.append(f"{subject}-{subjects[:place].count(subject) + 1}" if several else subject)
    return names


def _facts(plan: BenchmarkPlan, study: Study, runtime: Runtime) -> dict[str, Any]:
    def subjects(cases: Sequence[UnreadCase]) -> list[str]:
        return sorted({case.subject for case in cases})

    return {
        "plan": plan.model_dump(mode="json", exclude={"data"}),
        "split": {
            "test": subjects(study.test),
            "validation": subjects(study.validation),
            "folds": [subjects(fold.stops_by) for fold in study.folds],
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {runtime.description}",
        "versions": {
            "musclefm": __version__,
            "python": platform.python_version(),
            **{name: found for name in _LIBRARIES if (found := _version(name))},
        },
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _notes(plan: BenchmarkPlan, study: Study) -> tuple[str, ...]:
    lines = []
    if isinstance(plan.data, Renderings):
        lines.append("The cases are renderings with known truth: they say nothing of patients.")
    if not any(case.severity for case in study.test):
        lines.append(
            "The data list says no severity: where fat and water are there, it follows from the fat"
            " fraction, which is not the paper's rule."
        )
    if plan.temperature:
        lines.append(
            "All calibration is after one temperature, fitted on subjects not learned from, but"
            " where 'before temperature' stands. The paper has none."
        )
    return tuple(lines)
