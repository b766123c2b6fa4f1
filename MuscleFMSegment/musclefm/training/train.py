"""From labelled tiles to an ensemble."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from musclefm.errors import MuscleFMError
from musclefm.inference.device import Runtime
from musclefm.models.bundle import Bundle, save_bundle
from musclefm.models.manifest import BundleCard
from musclefm.progress import Progress
from musclefm.storage.atomic import atomic_text
from musclefm.storage.work_folder import START_FOLDER, TRAINING_RECORD, claim_work_folder
from musclefm.training.data.tiles import TileFolder, write_tiles
from musclefm.training.distributed import SINGLE_PROCESS, DistributedContext
from musclefm.training.fitting.checkpoint import MemberProgress
from musclefm.training.fitting.initial_weights import trained_architecture
from musclefm.training.fitting.log import draw_losses
from musclefm.training.members.ensemble import LARGEST_RATIO, ValidatedEnsemble, validate_members
from musclefm.training.members.member import FineTuningJob, train_member
from musclefm.training.members.ray_cluster import train_on_cluster
from musclefm.training.plan import TrainingPlan

_PLAN_FILE = "plan.json"
_DRAFT_FOLDER = "draft"
LOSSES_FILE = "losses.png"


def train_ensemble(
    plan: TrainingPlan,
    runtime: Runtime,
    progress: Progress,
    context: DistributedContext = SINGLE_PROCESS,
) -> Bundle | None:
    """Train an ensemble and write it as a bundle with its card.

    Parameters
    ----------
    plan : TrainingPlan
        What is to be trained.
    runtime : Runtime
        Device and precision.
    progress : Progress
        Called at all stages.
    context : DistributedContext
        Processes that train each member together.

    Returns
    -------
    Bundle or None
        The new ensemble; None in all processes but the leading one.

    Raises
    ------
    MuscleFMError
        The data cannot be used, there are too few subjects, the work folder is of
        another training, or something cannot be written.
    """
    if plan.recipe.batch < context.size:
        raise MuscleFMError(
            f"{context.size} processes cannot share {plan.recipe.batch} tiles a step",
            "raise --batch, or start fewer processes",
        )
    if plan.cluster and context.size > 1:
        raise MuscleFMError(
            "torchrun and a Ray cluster were both asked for", "start --cluster without torchrun"
        )
    job = FineTuningJob(plan.start.folder, plan.recipe, plan.work)
    if context.is_main_process:
        _begin(plan, job, progress)
    context.barrier()
    count = job.member_count()
    if plan.cluster:
        progresses = train_on_cluster(job, plan.cluster, runtime, progress)
    else:
        progresses = [
            train_member(job, member, runtime, progress, context) for member in range(count)
        ]
    if not context.is_main_process:
        return None
    bundle = finish_ensemble(plan, progresses, runtime, progress)
    under_way = (plan.work / name for name in (_DRAFT_FOLDER, START_FOLDER))
    for folder in (job.tiles, job.embeddings, *under_way):
        shutil.rmtree(folder, ignore_errors=True)
    for member in range(count):
        job.state_file(member).unlink(missing_ok=True)
    (plan.work / _PLAN_FILE).unlink(missing_ok=True)
    return bundle


def check_model_folder(out: Path) -> None:
    """Require that a new model can be put into a folder, before work is spent on it.

    Raises
    ------
    MuscleFMError
        Something is there already.
    """
    if os.path.lexists(out):
        raise MuscleFMError(f"'{out.name}' exists already", "choose another name or folder")


def _begin(plan: TrainingPlan, job: FineTuningJob, progress: Progress) -> None:
    """Set the work folder up, or make sure that it is of this training."""
    check_model_folder(plan.out)
    claim_work_folder(plan.work)
    card = plain_card(plan)
    settings = {
        "start": plan.start.sha256,
        "data": plan.data.fingerprint,
        "recipe": asdict(plan.recipe) | {"lora": plan.recipe.lora.model_dump()},
        "channels": plan.channels,
    }
    text = json.dumps(settings, indent=2) + "\n"
    file = plan.work / _PLAN_FILE
    if not file.is_file():
        write_tiles(plan.data.tiles(card, progress), job.tiles)
        job.split(TileFolder(job.tiles))
        # From here on the cases stay as they are.
        atomic_text(file, text)
    elif file.read_text("utf-8") != text:
        raise MuscleFMError(
            "the work folder holds another training that has not ended",
            "resume it by the same options, give another --work, or remove the folder",
        )


def finish_ensemble(
    plan: TrainingPlan, progresses: Sequence[MemberProgress], runtime: Runtime, progress: Progress
) -> Bundle:
    """Leave weak members out, fit the temperature, and write the bundle.

    Parameters
    ----------
    plan : TrainingPlan
        What was trained.
    progresses : sequence of MemberProgress
        All members, finished.
    runtime : Runtime
        Where the members are validated.
    progress : Progress
        Called for each member.

    Raises
    ------
    MuscleFMError
        No member learned anything, or something cannot be written.
    """
    job = FineTuningJob(plan.start.folder, plan.recipe, plan.work)
    draw_losses([state.history for state in progresses], plan.work / LOSSES_FILE)
    validated = validate_members(plan.start, job, progresses, runtime, progress)
    _write_record(plan, job, progresses, validated)
    card, states = _card(plan, job, validated), [*plan.kept, *validated.states]
    if plan.describe:
        draft = save_bundle(plan.work / _DRAFT_FOLDER, card, states, replace=True)
        card = plan.describe(draft)
    return save_bundle(plan.out, card, states)


def plain_card(plan: TrainingPlan) -> BundleCard:
    """Return what is known of an ensemble before it is trained.

    Parameters
    ----------
    plan : TrainingPlan
        What is to be trained.

    Raises
    ------
    MuscleFMError
        An ensemble is to see other channels than it has learned to see.
    """
    start = plan.start.manifest
    changes: dict[str, object] = {}
    if plan.channels:
        if start.role != "start":
            raise MuscleFMError(
                f"model '{start.name}' has learned to see {' and '.join(start.input.channels)}",
                "choose other channels for a pretrained checkpoint only",
            )
        changes["channels"] = plan.channels
    known = {name: getattr(start, name) for name in BundleCard.model_fields}
    return BundleCard.model_validate(
        known
        | {
            "name": plan.name,
            "version": plan.version,
            "role": "ensemble",
            "temperature": 1.0,
            "metrics": {},
            "architecture": trained_architecture(plan.start, plan.recipe),
            "input": start.input.model_copy(update=changes),
        }
    )


def _card(plan: TrainingPlan, job: FineTuningJob, validated: ValidatedEnsemble) -> BundleCard:
    """Return what the bundle says of itself."""
    tiles, start, recipe = TileFolder(job.tiles), plan.start.manifest, plan.recipe
    split = job.split(tiles)
    subjects = frozenset().union(split.validation, *split.folds)
    cases = len(np.unique(tiles.cases[tiles.of(subjects)]))
    done, learned = "fine-tuned", f"{start.training_data} Then fine-tuned"
    if recipe.trained == "scratch":
        done, learned = "trained from scratch", "Trained from scratch"
    parts = {"decoder": " (decoder only)", "lora": " (LoRA)", "full": " (all weights)"}
    description = (
        f"{start.title} {start.version}, {done}{parts.get(recipe.trained, '')}. One temperature,"
        f" {validated.temperature:.3f}, was fitted on {_number(split.validation)} that no"
        f" member was trained on; near muscles it took the NLL from {validated.before.nll:.4f} to"
        f" {validated.after.nll:.4f} and the ECE from {validated.before.ece:.2%} to"
        f" {validated.after.ece:.2%}."
    )
    if validated.left_out:
        some = "member was" if validated.left_out == 1 else "members were"
        description += (
            f" {validated.left_out} {some} left out: diverged, or an NLL on these subjects of more"
            f" than {LARGEST_RATIO} times the best member's."
        )
    figures = {
        "validation_dsc": validated.dice,
        "validation_nll_at_temperature_1": validated.before.nll,
        "validation_nll": validated.after.nll,
        "validation_ece_at_temperature_1": validated.before.ece,
        "validation_ece": validated.after.ece,
        "validation_subjects": float(len(split.validation)),
        "members_left_out": float(validated.left_out),
    }
    return plain_card(plan).model_copy(
        update={
            "title": f"{start.title.removesuffix(f', {done}')}, {done}",
            "description": description,
            "temperature": validated.temperature,
            "training_data": (
                f"{learned} on {cases} labelled cases of {_number(subjects)},"
                f" by {len(split.folds)} folds of subjects; seed {recipe.seed}."
            ),
            "metrics": {name: value for name, value in figures.items() if np.isfinite(value)},
        }
    )


def _write_record(
    plan: TrainingPlan,
    job: FineTuningJob,
    progresses: Sequence[MemberProgress],
    validated: ValidatedEnsemble,
) -> None:
    """Write down who was learned from, and how it went, for a later look."""
    split = job.split(TileFolder(job.tiles))
    record = {
        "subjects": {
            "held_out": sorted(split.held_out),
            "validation": sorted(split.validation),
            "folds": [sorted(fold) for fold in split.folds],
        },
        "members": [
            [
                {name: value if np.isfinite(value) else None for name, value in asdict(x).items()}
                for x in state.history
            ]
            for state in progresses
        ],
        "kept": [state.fold for state in validated.states],
        "temperature": validated.temperature,
        "before": asdict(validated.before),
        "after": asdict(validated.after),
    }
    atomic_text(plan.work / TRAINING_RECORD, json.dumps(record, indent=2) + "\n")


def _number(subjects: frozenset[str]) -> str:
    return f"{len(subjects)} subject{'' if len(subjects) == 1 else 's'}"
