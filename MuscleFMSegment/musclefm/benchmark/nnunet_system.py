"""nnU-Net as a system of the comparison: its own planning, training and prediction."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from musclefm.benchmark.nnunet_process import DATASET_ID, STEP
from musclefm.benchmark.plan import SystemEntry
from musclefm.benchmark.study import Probabilities, Study
from musclefm.benchmark.timing import (
    STEPS_TO_TIME,
    TimedError,
    step_seconds,
    write_step_seconds,
)
from musclefm.errors import MuscleFMError
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.exchange.nnunet import write_nnunet
from musclefm.exchange.training_case import TrainingCase
from musclefm.inference.case import load_predictor, run_case
from musclefm.inference.kept_probabilities import KeptProbabilities
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.models.bundle import MANIFEST_FILE, Bundle, open_bundle
from musclefm.models.imports.checkpoint import import_checkpoint
from musclefm.networks.nnunet import nnunet_is_missing
from musclefm.plain_text import printable
from musclefm.progress import Progress, ProgressEvent, silent
from musclefm.storage.atomic import atomic_text
from musclefm.storage.regular_file import is_file
from musclefm.storage.work_folder import claim_work_folder
from musclefm.training.data.dataset import UnreadCase
from musclefm.volumes.volume import Volume

_PACKAGES = ("nnunetv2", "dynamic_network_architectures", "batchgeneratorsv2")
# What a patch takes of GPU memory: nnU-Net's own target, and where a CPU has to do.
_MEMORY_GB, _CPU_MEMORY_GB = 8, 0.25
_PROCESS = "musclefm.benchmark.nnunet_process"
_PATIENCE_S = 2.0
_NAME = f"Dataset{DATASET_ID:03d}_Study"


class NnUNetSystem:
    """See :class:`musclefm.benchmark.study.System`.

    Under a budget of epochs they are nnU-Net's own, of 250 steps. A finished fold is a bundle
    of one member, ``fold-N``, imported from nnU-Net's results; all prediction is without
    mirroring. Chosen is the last checkpoint, as nnU-Net chooses.

    Raises
    ------
    MuscleFMError
        nnU-Net is not installed, or the plan asks for what it has not.
    """

    averages_logits = True

    def __init__(
        self,
        configuration: Literal["2d", "3d_fullres"],
        study: Study,
        entry: SystemEntry,
        folder: Path,
    ) -> None:
        for package in _PACKAGES:
            if find_spec(package) is None:
                raise nnunet_is_missing(ImportError(name=package))
        if entry.slice_size is not None or entry.start not in (None, "scratch"):
            raise MuscleFMError(
                f"'{entry.key}' plans its patches itself and learns from scratch",
                'leave "slice_size" and "start" out of its entry in the plan',
            )
        self._configuration, self._study, self._entry = configuration, study, entry
        self._folder = folder
        self._cpu = study.runtime.device.type == "cpu"

    @property
    def title(self) -> str:
        """For the table."""
        planned = f", planned for {_CPU_MEMORY_GB} GB" if self._cpu else ""
        return f"nnU-Net {self._configuration[:2].upper()}{planned}"

    def prepare(self, progress: Progress) -> None:
        """Write the data set, plan, preprocess, and split as the study does."""
        claim_work_folder(self._folder)
        splits = self._folder / "preprocessed" / _NAME / "splits_final.json"
        if is_file(splits):
            self._time_steps(progress)
            return
        if not (self._folder / "raw" / _NAME).is_dir():
            write_nnunet(
                self._cases(progress),
                self._folder / "raw",
                dataset_id=DATASET_ID,
                name=_NAME.partition("_")[2],
            )
        memory = _CPU_MEMORY_GB if self._cpu else _MEMORY_GB
        self._run({"memory_gb": memory}, "prepare", progress)
        known = [
            {"train": self._keys(fold.learns_from), "val": self._keys(fold.stops_by)}
            for fold in self._study.folds
        ]
        # The last to be written: it says that all is there.
        atomic_text(splits, json.dumps(known))
        self._time_steps(progress)

    def trained(self, fold: int) -> bool:
        """Tell whether a fold is finished."""
        return is_file(self._fold_folder(fold) / MANIFEST_FILE)

    def train_fold(self, fold: int, progress: Progress) -> None:
        """Train the network of a fold, or resume it."""
        if self.trained(fold):
            return
        epochs, steps = self._study.plan.budget.epochs_and_steps(step_seconds(self._folder))
        results = self._folder / f"results-{fold}"
        if not list(results.glob("*/*/fold_*/checkpoint_final.pth")):
            self._run(self._settings(fold, epochs, steps), f"fold-{fold}", progress)
        (found,) = results.glob("*/*/plans.json")
        import_checkpoint(
            found.parent,
            f"fold-{fold}",
            self._folder,
            self._study.scheme.name,
            channels=self._channels,
        )

    def predict(self, case: LabelledCase) -> Iterator[Probabilities]:
        """Segment a case by the network of each fold."""
        channels = case.channels.provide(self._channels)
        for bundle, predictor in self._loaded:
            kept = KeptProbabilities(bundle.manifest.temperature)
            run_case(channels, case.channels.grid, bundle, predictor, kept)
            yield kept.of_case().mean.astype(np.float32)

    def hashes(self) -> Mapping[str, str]:
        """Return the hash of each fold's bundle."""
        return {
            f"fold-{fold}": open_bundle(self._fold_folder(fold), verify=False).sha256
            for fold in range(len(self._study.folds))
        }

    @property
    def _channels(self) -> tuple[str, ...]:
        return self._study.plan.channels or ("image",)

    @property
    def _learned(self) -> tuple[UnreadCase, ...]:
        return tuple(case for fold in self._study.folds for case in fold.stops_by)

    def _keys(self, cases: tuple[UnreadCase, ...]) -> list[str]:
        numbers = {case.labels: number for number, case in enumerate(self._learned)}
        return [f"case-{numbers[case.labels]}" for case in cases]

    def _settings(self, fold: int, epochs: int, steps: int | None) -> dict[str, object]:
        runtime = self._study.runtime
        return {
            "fold": fold,
            "epochs": epochs,
            "steps": steps,
            "batch": self._entry.batch,
            "learning_rate": self._entry.learning_rate,
            "seed": self._study.plan.seed,
            "device": runtime.device.type,
            "bf16": self._cpu and runtime.bf16,
        }

    def _time_steps(self, progress: Progress) -> None:
        """Measure what a step takes where the budget asks for it and nobody has yet."""
        if not self._study.plan.budget.seconds or step_seconds(self._folder):
            return
        clocks: list[float] = []

        def watch(event: ProgressEvent) -> None:
            progress(replace(event, message=f"{self.title}: steps to time"))
            if len(clocks) == STEPS_TO_TIME:
                raise TimedError

        with contextlib.suppress(TimedError):
            # An epoch that does not end leaves nothing to resume.
            self._run(self._settings(0, 1, STEPS_TO_TIME + 2), "timing", watch, clocks)
        write_step_seconds(self._folder, clocks)

    def _cases(self, progress: Progress) -> Iterator[TrainingCase]:
        for number, unread in enumerate(self._learned):
            case = unread.read()
            seen = case.channels.provide(self._channels)
            images = zip(self._channels, seen, strict=True)
            yield TrainingCase(
                key=f"case-{number}",
                subject=case.subject,
                channels={name: Volume(image, case.channels.grid) for name, image in images},
                labels=case.labels,
                scheme=case.scheme,
            )
            progress(ProgressEvent("read", number + 1, len(self._learned), "cases"))

    def _fold_folder(self, fold: int) -> Path:
        return self._folder / f"fold-{fold}"

    @cached_property
    def _loaded(self) -> list[tuple[Bundle, EnsemblePredictor]]:
        folders = [self._fold_folder(fold) for fold in range(len(self._study.folds))]
        bundles = [open_bundle(folder) for folder in folders]
        return [(x, load_predictor(x, self._study.runtime, silent)) for x in bundles]

    def _run(
        self,
        settings: Mapping[str, object],
        what: str,
        progress: Progress,
        clocks: list[float] | None = None,
    ) -> None:
        """Run nnU-Net with settings, its words going to a log; end it when progress raises.

        ``clocks`` is given the clock after each step.
        """
        given = json.dumps({"configuration": self._configuration, **settings})
        environment = os.environ | {
            "nnUNet_raw": str(self._folder / "raw"),
            "nnUNet_preprocessed": str(self._folder / "preprocessed"),
            "nnUNet_results": str(self._folder / f"results-{settings.get('fold', 'none')}"),
            "nnUNet_compile": "f",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONUNBUFFERED": "1",
        }
        if (index := self._study.runtime.device.index) is not None:
            environment["CUDA_VISIBLE_DEVICES"] = str(index)
        log = self._folder / f"{what}.log"
        lines: queue.Queue[str | None] = queue.Queue()
        with (
            log.open("a", encoding="utf-8") as file,
            subprocess.Popen(
                [sys.executable, "-m", _PROCESS, given],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                encoding="utf-8",
                errors="replace",
                # With the processes that it starts it is ended at once.
                start_new_session=True,
            ) as process,
        ):
            threading.Thread(target=_pass_on, args=(process, lines), daemon=True).start()
            last, event = "", ProgressEvent("train", 0, 0, f"nnU-Net, {what}")
            try:
                while True:
                    try:
                        line = lines.get(timeout=_PATIENCE_S)
                    except queue.Empty:
                        line = ""
                    if line is None:
                        break
                    words = line.split()
                    if words[:1] == [STEP]:
                        event = ProgressEvent("train", int(words[1]), int(words[2]), "steps")
                        if clocks is not None:
                            clocks.append(float(words[3]))
                    elif words:
                        last = line.strip()
                        file.write(line)
                    progress(event)
            except BaseException:
                _end(process)
                raise
        if process.returncode:
            raise MuscleFMError(
                f"nnU-Net ended with an error ({printable(last, 200)})",
                f"read {log.name} in the folder of '{self._entry.key}'",
            )


def _end(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _pass_on(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)
