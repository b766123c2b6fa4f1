"""A model learns from corrections, and is held against what it was."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from pydantic import ValidationError

from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError
from musclefm.evaluation.comparison import Comparison, compare_models
from musclefm.inference.device import Runtime
from musclefm.models.bundle import Bundle, open_bundle
from musclefm.progress import Progress
from musclefm.storage.atomic import atomic_text
from musclefm.storage.regular_file import read_regular
from musclefm.storage.work_folder import TRAINING_RECORD
from musclefm.training.data.dataset import read_cases
from musclefm.training.data.labelled_tiles import LabelledCases
from musclefm.training.learning.folder import LearningFolder, LearningPlan
from musclefm.training.learning.samples import (
    damaged_samples,
    note_learned,
    samples_learned_from,
    trainable_samples,
)
from musclefm.training.plan import TrainingPlan
from musclefm.training.recipe import FineTuning
from musclefm.training.train import train_ensemble

# Of a hundred thousand subjects.
_LARGEST_RECORD = 16 << 20


def learn(
    store: CorrectionStore,
    model: Bundle,
    recipe: FineTuning,
    folder: LearningFolder,
    runtime: Runtime,
    progress: Progress,
) -> Comparison:
    """Train a new version of a model on all reviewed samples but some, and compare on these.

    Nothing is installed. Stopped at any moment, it is resumed from there when it is
    called with the same model, recipe and samples; of others it begins anew.

    Parameters
    ----------
    store : CorrectionStore
        Holds the samples.
    model : Bundle
        The version in use.
    recipe : FineTuning
        How it is trained, and the share of the subjects that is held out.
    folder : LearningFolder
        For what is under way and what comes of it.
    runtime : Runtime
        Device and precision.
    progress : Progress
        Called at all stages of training, then of the comparison.

    Returns
    -------
    Comparison
        Old against new; it is in the folder, too.

    Raises
    ------
    MuscleFMError
        The model cannot segment, there is too little to learn from, or something
        cannot be read or written.
    """
    model.require_ready()
    samples = tuple(sample.id for sample in trainable_samples(store, model.scheme))
    if not samples:
        raise MuscleFMError(
            "there is no reviewed correction to learn from", "correct and save some cases first"
        )
    left_out = tuple(damaged_samples(store, samples))
    samples = tuple(name for name in samples if name not in left_out)
    settings = asdict(recipe) | {"lora": recipe.lora.model_dump()}
    folder.begin(
        LearningPlan(start=model.sha256, samples=samples, recipe=settings, left_out=left_out)
    )
    if folder.comparison.is_file():
        return _read_comparison(folder)
    record = folder.work / TRAINING_RECORD
    # It is written last; without it, training was killed just before.
    if not record.is_file():
        folder.discard_candidate()
        train_ensemble(_training(store, model, recipe, folder), runtime, progress)
    candidate = open_bundle(folder.candidate)
    # Training recorded whom the candidate has not seen: the store may hold more by now.
    held_out = _held_out(record)
    # Training has said what is left out.
    known = read_cases(store.folder, model.scheme, lambda _: None)
    cases = (case for case in known if case.subject in held_out)
    comparison = compare_models(model, candidate, cases, runtime, progress)
    note_learned(candidate.sha256, samples_learned_from(model.sha256).union(samples))
    atomic_text(folder.comparison, comparison.model_dump_json(indent=2) + "\n")
    return comparison


def _read_comparison(folder: LearningFolder) -> Comparison:
    try:
        return Comparison.model_validate_json(read_regular(folder.comparison, _LARGEST_RECORD))
    except (OSError, ValidationError) as error:
        raise MuscleFMError(
            f"{folder.comparison.name} of the learning is damaged",
            "remove it and give the command again: only the comparison is made anew",
        ) from error


def _held_out(record: Path) -> frozenset[str]:
    """Return the subjects that a training has not seen."""
    try:
        document = json.loads(read_regular(record, _LARGEST_RECORD))
        return frozenset(map(str, document["subjects"]["held_out"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise MuscleFMError(
            f"{record.name} of the learning is damaged",
            "remove it and give the command again: the training is done anew",
        ) from error


def _training(
    store: CorrectionStore, model: Bundle, recipe: FineTuning, folder: LearningFolder
) -> TrainingPlan:
    return TrainingPlan(
        start=model,
        data=LabelledCases(store.folder),
        recipe=recipe,
        out=folder.candidate,
        work=folder.work,
        name=model.manifest.name,
        version=f"{datetime.now(timezone.utc):%Y-%m-%d}",
    )
