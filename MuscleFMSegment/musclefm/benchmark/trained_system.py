"""Systems on this library's own training: SAM, MedSAM, a U-Net, the shipped architecture."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from musclefm.benchmark.plan import SystemEntry
from musclefm.benchmark.rows import Row
from musclefm.benchmark.study import Probabilities, Study
from musclefm.benchmark.timing import (
    STEPS_TO_TIME,
    TimedError,
    clock,
    step_seconds,
    write_step_seconds,
)
from musclefm.errors import MuscleFMError
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.inference.case import run_case
from musclefm.inference.kept_probabilities import KeptProbabilities
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.models.bundle import MANIFEST_FILE, Bundle, open_bundle, save_bundle
from musclefm.models.manifest import BundleCard, ModelInput, ThighTiles
from musclefm.models.member_files import MemberState
from musclefm.models.registry import find_bundle, list_bundles
from musclefm.networks.families import build
from musclefm.networks.without_weights import build_without_weights
from musclefm.progress import Progress, ProgressEvent, silent
from musclefm.storage.regular_file import is_file
from musclefm.storage.work_folder import START_FOLDER, claim_work_folder
from musclefm.training.data.dataset import UnreadCase
from musclefm.training.data.labelled_tiles import cut_tiles
from musclefm.training.data.tiles import INDEX_FILE, CaseTiles, TileFolder, write_tiles
from musclefm.training.members.member import FineTuningJob, train_member, trained_member
from musclefm.training.plan import TrainingPlan
from musclefm.training.recipe import RECIPES, FineTuning, RecipeName
from musclefm.training.train import plain_card

SCRATCH = "scratch"

_TILE_MM = 1.4


@dataclass(frozen=True)
class _StudyCases:
    """The cases that the folds of a study learn from, as data to train on."""

    cases: tuple[UnreadCase, ...]

    @property
    def fingerprint(self) -> str:
        names = "\n".join(str(case.labels) for case in self.cases)
        return hashlib.sha256(names.encode()).hexdigest()

    def tiles(self, card: BundleCard, progress: Progress) -> Iterator[CaseTiles]:
        for number, case in enumerate(self.cases, start=1):
            yield cut_tiles(case.read(), card)
            progress(ProgressEvent("read", number, len(self.cases), "cases"))


class TrainedSystem:
    """See :class:`musclefm.benchmark.study.System`.

    The network of a fold is a bundle of one member, ``fold-N``, which every command takes.
    """

    averages_logits = False

    def __init__(self, row: Row, study: Study, entry: SystemEntry, folder: Path) -> None:
        self._row, self._study, self._entry, self._folder = row, study, entry, folder
        self._given = None if self._scratch else self._pretrained()
        if self._given is None:
            self._card = self._card_of_scratch()
            # A package that lacks is found before any work.
            build_without_weights(self._card.architecture, study.scheme.class_count)
        else:
            self._card = plain_card(self._plan(self._given))

    @property
    def title(self) -> str:
        """For the table."""
        if self._given is None:
            # All weights are trained then, and neither SAM's nor MedSAM's are in it.
            what = "SAM's design, small" if self._row.pretrained else self._row.title
            return f"{what}, from scratch"
        if self._entry.start is None:
            return self._row.title
        return f"{self._row.title}, from {self._given.manifest.name} {self._given.manifest.version}"

    def prepare(self, progress: Progress) -> None:
        """Write what is started from, and all tiles."""
        claim_work_folder(self._folder)
        start = self._folder / START_FOLDER
        if self._given is None and not start.is_dir():
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self._recipe.seed)
                network = build(self._card.architecture, self._study.scheme.class_count)
            card = self._card.model_copy(update={"role": "start"})
            save_bundle(start, card, [MemberState(network.state_dict())])
        if not (self._job.tiles / INDEX_FILE).is_file():
            write_tiles(self._cases.tiles(self._card, progress), self._job.tiles)
        learned = self._job.split(TileFolder(self._job.tiles))
        known = [frozenset(x.subject for x in fold.stops_by) for fold in self._study.folds]
        if list(learned.folds) != known:
            raise MuscleFMError(
                "a subject to learn from shows no labelled thigh",
                "leave subjects without labels out of the data list",
            )
        if self._study.plan.budget.seconds and not step_seconds(self._folder):
            self._time_steps(progress)

    def trained(self, fold: int) -> bool:
        """Tell whether a fold is finished."""
        return is_file(self._fold_folder(fold) / MANIFEST_FILE)

    def train_fold(self, fold: int, progress: Progress) -> None:
        """Train the network of a fold, or resume it."""
        if self.trained(fold):
            return
        start, job = self._start, self._job
        state = train_member(job, fold, self._study.runtime, progress)
        if not any(math.isfinite(record.loss) for record in state.history):
            raise MuscleFMError(
                f"'{self._entry.key}' diverged", "give it a lower learning_rate in the plan"
            )
        weights = trained_member(start, job, fold, state).state_dict()
        best = state.history[state.best_epoch]
        metrics = {"fold_dsc": best.fold_dice, "best_epoch": float(best.epoch)}
        member = MemberState(weights, self._recipe.seed + fold, fold, metrics)
        save_bundle(self._fold_folder(fold), self._card, [member], precision="fp32")
        job.state_file(fold).unlink()

    def predict(self, case: LabelledCase) -> Iterator[Probabilities]:
        """Segment a case by the network of each fold."""
        channels = case.channels.provide(self._card.input.channels)
        for bundle, predictor in self._loaded:
            kept = KeptProbabilities(bundle.manifest.temperature)
            run_case(channels, case.channels.grid, bundle, predictor, kept)
            yield kept.of_case().mean.astype(np.float32)

    def hashes(self) -> Mapping[str, str]:
        """Return the hashes of the bundle that was started from, and of each fold's."""
        started = {} if self._given is None else {"start": self._given.sha256}
        return started | {
            f"fold-{fold}": open_bundle(self._fold_folder(fold), verify=False).sha256
            for fold in range(len(self._study.folds))
        }

    def _time_steps(self, progress: Progress) -> None:
        """Measure what a step takes, in an epoch that does not end and leaves nothing."""
        recipe = replace(self._recipe, epochs=1, steps=STEPS_TO_TIME + 1)
        runtime, clocks = self._study.runtime, list[float]()

        def watch(event: ProgressEvent) -> None:
            progress(replace(event, message=f"{self.title}: steps to time"))
            clocks.append(clock(runtime.device.type))
            if len(clocks) > STEPS_TO_TIME:
                raise TimedError

        with suppress(TimedError):
            train_member(replace(self._job, recipe=recipe), 0, runtime, watch)
        write_step_seconds(self._folder, clocks[1:])

    @property
    def _scratch(self) -> bool:
        return (self._entry.start or self._row.pretrained or SCRATCH) == SCRATCH

    def _pretrained(self) -> Bundle:
        entry, scheme = self._entry, self._study.scheme
        name = entry.start or self._row.pretrained
        if entry.start is None and all(known.name != name for known in list_bundles()):
            raise MuscleFMError(
                f"'{entry.key}' starts from {name}, which is not installed",
                f"get it with 'musclefm models download {name} --scheme {scheme.name}', or give the"
                f' system another "start" in the plan: a model, or "{SCRATCH}"',
            )
        bundle = find_bundle(str(name))
        if bundle.scheme != scheme:
            raise MuscleFMError(
                f"'{entry.key}' starts from a model of the label scheme '{bundle.scheme.name}',"
                f" not '{scheme.name}'",
                "start from another model, or give the plan its scheme",
            )
        return bundle

    def _card_of_scratch(self) -> BundleCard:
        row = self._row
        if row.trained == "decoder":
            raise MuscleFMError(
                f"'{self._entry.key}' trains a decoder alone: its encoder would never learn",
                'give it another "start" in the plan: a model',
            )
        channels = self._study.plan.channels or ("image",)
        framing = ThighTiles(
            spacing_mm=_TILE_MM, neighbours_mm=row.neighbours_mm, smoothing_mm=row.smoothing_mm
        )
        seen = {"input_channels": len(channels) * framing.images}
        return BundleCard(
            name=self._name,
            title=self.title,
            version="1",
            description="A fold of a benchmark.",
            architecture=row.small.model_copy(update=seen),
            scheme=self._study.scheme.name,
            input=ModelInput(channels=channels, framing=framing),
            training_data="The cases of a benchmark.",
            licence="As that of the cases.",
        )

    @property
    def _name(self) -> str:
        return self._entry.key.lower()

    @property
    def _start(self) -> Bundle:
        return self._given or open_bundle(self._folder / START_FOLDER, verify=False)

    def _plan(self, start: Bundle) -> TrainingPlan:
        channels = self._study.plan.channels if start.manifest.role == "start" else None
        out = self._folder / "fold"
        return TrainingPlan(
            start, self._cases, self._recipe, out, self._folder, self._name, "1", channels
        )

    @property
    def _cases(self) -> _StudyCases:
        folds = self._study.folds
        return _StudyCases(
            (*self._study.validation, *(case for fold in folds for case in fold.stops_by))
        )

    @property
    def _recipe(self) -> FineTuning:
        """The recipe of the row, with the split and the budget of the plan."""
        plan, entry = self._study.plan, self._entry
        base: RecipeName = "scratch" if self._scratch else "paper"
        recipe = RECIPES[base]
        epochs, steps = plan.budget.epochs_and_steps(step_seconds(self._folder))
        given = {
            name: value
            for name in ("learning_rate", "batch", "slice_size")
            if (value := getattr(entry, name)) is not None
        }
        if not self._scratch:
            given["trained"] = self._row.trained
        if steps is not None:
            total = epochs * steps
            # All of them are to count, and the average to be of the last ones.
            given |= {
                "patience": epochs,
                "warm_up": min(recipe.warm_up, total // 20),
                "averaging": min(recipe.averaging, max(1 - 14 / total, 0.0)),
            }
        return replace(
            recipe,
            members=len(self._study.folds),
            folds=len(self._study.folds),
            held_out=0.0,
            validation=plan.validation,
            epochs=epochs,
            steps=steps,
            seed=plan.seed,
            **given,
        )

    @property
    def _job(self) -> FineTuningJob:
        start = self._given.folder if self._given else self._folder / START_FOLDER
        return FineTuningJob(start, self._recipe, self._folder)

    def _fold_folder(self, fold: int) -> Path:
        return self._folder / f"fold-{fold}"

    @cached_property
    def _loaded(self) -> list[tuple[Bundle, EnsemblePredictor]]:
        folders = [self._fold_folder(fold) for fold in range(len(self._study.folds))]
        bundles = [open_bundle(folder) for folder in folders]
        return [(x, EnsemblePredictor(x, self._study.runtime, silent)) for x in bundles]
