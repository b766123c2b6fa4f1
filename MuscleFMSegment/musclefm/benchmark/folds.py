"""Trains the folds of all systems: one by one, side by side, or on a Ray cluster."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from pathlib import Path

import torch

from musclefm.benchmark.cases import open_study
from musclefm.benchmark.plan import BenchmarkPlan, SystemEntry
from musclefm.benchmark.study import System
from musclefm.benchmark.systems import open_system
from musclefm.errors import MuscleFMError
from musclefm.inference.device import Runtime
from musclefm.progress import Progress, ProgressEvent, silent
from musclefm.results.benchmark.files import SCORES_FOLDER, SYSTEMS_FOLDER
from musclefm.storage.atomic import atomic_text, writing_errors
from musclefm.storage.regular_file import read_regular
from musclefm.training.members.ray_cluster import run_on_cluster

_LARGEST_FILE = 1 << 16
_CHECK_EVERY_S = 0.5


@dataclass(frozen=True)
class FoldTrainer:
    """Trains any fold of a benchmark in any process; can be pickled.

    Attributes
    ----------
    plan : BenchmarkPlan
        Of the benchmark.
    data, out : Path
        Its data list, and its folder.
    pending : tuple
        Systems and numbers of the folds that are left.
    threads : int or None
        Of the processor, for each fold; None leaves torch's own number.
    """

    plan: BenchmarkPlan
    data: Path
    out: Path
    pending: tuple[tuple[SystemEntry, int], ...]
    threads: int | None = None

    def __call__(self, number: int, runtime: Runtime, progress: Progress = silent) -> None:
        """Train one of the pending folds, or resume it, and note how long it took."""
        if self.threads:
            torch.set_num_threads(self.threads)
        entry, fold = self.pending[number]
        study = open_study(self.plan, self.data, runtime)
        system = open_system(study, entry, self.out / SYSTEMS_FOLDER / entry.key)
        file = fold_file(self.out, entry.key, fold)
        resumed = file.is_file()
        with writing_errors():
            file.parent.mkdir(parents=True, exist_ok=True)
        atomic_text(file, json.dumps({"finished": False}) + "\n")
        began, spent = time.monotonic(), _processor_seconds()

        def report(event: ProgressEvent) -> None:
            message = f"{system.title}: {event.message}"
            progress(replace(event, stage="train", message=message))

        system.train_fold(fold, report)
        # The time before a resumption is not known.
        record = {
            "finished": True,
            "seconds": None if resumed else round(time.monotonic() - began, 1),
            "processor_seconds": None if resumed else round(_processor_seconds() - spent, 1),
            "device": runtime.description,
        }
        atomic_text(file, json.dumps(record) + "\n")


def fold_file(out: Path, key: str, fold: int) -> Path:
    """Return the file that says how long a fold of a system took."""
    return out / SCORES_FOLDER / key / f"fold-{fold}.json"


def fold_record(out: Path, key: str, fold: int) -> dict[str, object]:
    """Return what was noted of a fold; the seconds are None where it was resumed."""
    record: dict[str, object] = {}
    with suppress(OSError, ValueError):
        record = json.loads(read_regular(fold_file(out, key, fold), _LARGEST_FILE))
    return {name: record.get(name) for name in ("seconds", "processor_seconds", "device")}


def _processor_seconds() -> float:
    """Return what this process and those that it started took of all cores."""
    return sum(os.times()[:4])


def train_folds(
    trainer: FoldTrainer,
    systems: Sequence[tuple[SystemEntry, System]],
    runtime: Runtime,
    jobs: int,
    cluster: str | None,
    progress: Progress,
) -> None:
    """Train all folds that are not finished.

    Parameters
    ----------
    trainer : FoldTrainer
        Of the benchmark; its ``pending`` is set here.
    systems : sequence of tuple
        Entries of the plan and their systems.
    runtime : Runtime
        Where folds are trained.
    jobs : int
        Folds at a time.
    cluster : str or None
        Address of a Ray cluster, whose machines reach the benchmark's folder and its data
        by the same paths.
    progress : Progress
        Called for every step of a fold, or for every fold where several run at a time.

    Raises
    ------
    MuscleFMError
        A training failed, or something cannot be written.
    """
    for entry, system in systems:
        if not all(system.trained(fold) for fold in range(trainer.plan.folds)):
            progress(ProgressEvent("prepare", 0, 0, f"{entry.key}: the cases to learn from"))
            system.prepare(progress)
    pending = tuple(
        (entry, fold)
        for entry, system in systems
        for fold in range(trainer.plan.folds)
        if not (system.trained(fold) and fold_file(trainer.out, entry.key, fold).is_file())
    )
    trainer = replace(trainer, pending=pending)
    if cluster and pending:
        run_on_cluster(trainer, len(pending), cluster, runtime, progress)
    elif jobs > 1 and pending:
        threads = max((os.cpu_count() or 1) // jobs, 1)
        _side_by_side(replace(trainer, threads=threads), runtime, jobs, progress)
    else:
        for number in range(len(pending)):
            trainer(number, runtime, progress)


def _side_by_side(trainer: FoldTrainer, runtime: Runtime, jobs: int, progress: Progress) -> None:
    count = len(trainer.pending)
    with get_context("spawn").Pool(min(jobs, count)) as pool:
        waiting = [pool.apply_async(_in_child, (trainer, n, runtime)) for n in range(count)]
        done = -1
        while done < count:
            finished = [answer.get() for answer in waiting if answer.ready()]
            for fault in filter(None, finished):
                raise MuscleFMError(*fault)
            done = len(finished)
            progress(ProgressEvent("train", done, count, f"folds, {jobs} at a time"))
            if done < count:
                time.sleep(_CHECK_EVERY_S)


def _in_child(trainer: FoldTrainer, number: int, runtime: Runtime) -> tuple[str, str] | None:
    """Train a fold, and return what is wrong; it ends with the process that asked for it."""
    parent = parent_process()

    def watch(event: ProgressEvent) -> None:
        if parent is not None and not parent.is_alive():
            raise SystemExit

    try:
        trainer(number, runtime, watch)
    except MuscleFMError as error:
        # It has two arguments, which pickle forgets.
        return error.cause, error.remedy
    return None
