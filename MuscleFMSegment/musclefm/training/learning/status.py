"""What there is to learn from, and how far a learning is: for programs like the Slicer module."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from musclefm.corrections.store import CorrectionStore
from musclefm.models.bundle import Bundle
from musclefm.models.registry import former_version, list_bundles
from musclefm.training.data.dataset import data_notes
from musclefm.training.learning.folder import LearningFolder
from musclefm.training.learning.samples import (
    damaged_samples,
    samples_learned_from,
    subject_of,
    trainable_samples,
)

LEAST_SUBJECTS = 4
"""One is held out for the comparison, one validates all members, and two make two folds."""


class LearningStatus(BaseModel):
    """How things stand between a model and a store.

    Attributes
    ----------
    schema_version : int
        Raised when a field changes its meaning.
    model : str
        Name of the model.
    installed_version, former_version : str
        Ids of its version in use and of the one that going back leads to; empty where
        there is none.
    samples, subjects : int
        Reviewed samples of the model's scheme, the newest of every case, and whom they show.
    new : int
        Samples that the model in use has not learned from.
    needed_subjects : int
        Fewer cannot be learned from.
    state : str
        ``"none"``; ``"under way"``: the learning was stopped and can be resumed;
        ``"finished"``: it has been compared, and is not in use yet.
    up_to_date : bool
        Whether that learning is one from all samples that there are now.
    abbreviations : dict of str to str
        Short forms of the muscles' names.
    left_out : tuple of str
        Damaged samples that keep their case out of all these numbers, a line each.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    model: str
    installed_version: str
    former_version: str
    samples: int
    subjects: int
    new: int
    needed_subjects: int = LEAST_SUBJECTS
    state: Literal["none", "under way", "finished"]
    up_to_date: bool
    abbreviations: dict[str, str]
    left_out: tuple[str, ...] = ()


def learning_status(
    store: CorrectionStore, model: Bundle, folder: LearningFolder
) -> LearningStatus:
    """Return what there is to learn from, and the state of the learning.

    Parameters
    ----------
    store : CorrectionStore
        It may not exist yet.
    model : Bundle
        The version in use.
    folder : LearningFolder
        Of its learning.

    Raises
    ------
    MuscleFMError
        The store cannot be read.
    """
    samples = trainable_samples(store, model.scheme)
    plan = folder.plan()
    # Only those of which a learning has found it are read again: the answer has to be quick.
    damaged = damaged_samples(store, plan.left_out) if plan else {}
    samples = tuple(sample for sample in samples if sample.id not in damaged)
    name = model.manifest.name
    in_use = [entry.version for entry in list_bundles() if entry.name == name and not entry.fault]
    if plan is not None and plan.start != model.sha256:
        plan = None
    up_to_date = plan is not None and plan.samples == tuple(sample.id for sample in samples)
    state: Literal["none", "under way", "finished"] = "none"
    if plan and folder.comparison.is_file():
        state = "finished"
    elif up_to_date:
        state = "under way"
    return LearningStatus(
        model=name,
        installed_version="".join(in_use[:1]),
        former_version=former_version(name),
        samples=len(samples),
        subjects=len({subject_of(sample) for sample in samples}),
        new=len({sample.id for sample in samples} - samples_learned_from(model.sha256)),
        state=state,
        up_to_date=up_to_date,
        abbreviations={label.name: label.abbreviation for label in model.scheme.labels},
        left_out=(*data_notes(store.folder), *damaged.values()),
    )
