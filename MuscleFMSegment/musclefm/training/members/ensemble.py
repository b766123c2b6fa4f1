"""From trained members to an ensemble: who stays, at which temperature, and how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.inference.device import Runtime
from musclefm.models.bundle import Bundle
from musclefm.models.member_files import MemberState
from musclefm.networks.network import SegmentationNetwork
from musclefm.progress import Progress, ProgressEvent
from musclefm.training.data.batches import ORIGINAL, Source
from musclefm.training.data.tiles import TileFolder, Tiles, known_labels
from musclefm.training.distributed import SINGLE_PROCESS
from musclefm.training.fitting.checkpoint import MemberProgress
from musclefm.training.fitting.temperature import (
    CalibrationScores,
    calibration_scores,
    fit_temperature,
    pixel_logits,
)
from musclefm.training.fitting.validation import TileScores, score_tiles, upsampled_probabilities
from musclefm.training.members.member import FineTuningJob, trained_member

LARGEST_RATIO = 1.3
"""Of a member's NLL to the best one's."""


@dataclass(frozen=True)
class ValidatedEnsemble:
    """The members that stay, and how good they are on subjects that none of them saw.

    Attributes
    ----------
    states : list of MemberState
        They, with their own scores.
    temperature : float
        Divides the logits of all members.
    before, after : CalibrationScores
        Of the ensemble at temperature 1, and at its own.
    dice : float
        Of the ensemble.
    left_out : int
        Members that do not stay.
    """

    states: list[MemberState]
    temperature: float
    before: CalibrationScores
    after: CalibrationScores
    dice: float
    left_out: int


def validate_members(
    start: Bundle,
    job: FineTuningJob,
    progresses: Sequence[MemberProgress],
    runtime: Runtime,
    progress: Progress,
) -> ValidatedEnsemble:
    """Leave weak members out and fit one temperature to the rest.

    Parameters
    ----------
    start : Bundle
        That the members started from.
    job : FineTuningJob
        Whose members they are.
    progresses : sequence of MemberProgress
        All members, finished.
    runtime : Runtime
        Where they run.
    progress : Progress
        Called for each member.

    Raises
    ------
    MuscleFMError
        No member learned anything.
    """
    tiles = TileFolder(job.tiles)
    unseen = tiles.of(job.split(tiles).validation)
    labels, cases = known_labels(tiles.labels(unseen)), tiles.cases[unseen]
    pixels = tiles.pixel_mm[unseen]

    def score(answers: Sequence[Tensor], temperature: float) -> TileScores:
        def answer(places: Tiles) -> tuple[Tensor, Tensor]:
            size = labels.shape[-1]
            shares = [upsampled_probabilities(x[places], size, temperature) for x in answers]
            return torch.stack(shares).mean(dim=0), labels[places]

        places, cpu = np.arange(len(unseen)), torch.device("cpu")
        return score_tiles(answer, places, cases, start.scheme.class_count, job.recipe.batch, cpu)

    states: list[MemberState] = []
    answers: list[Tensor] = []
    for index, state in enumerate(progresses):
        progress(ProgressEvent("validate", index, len(progresses), "members"))
        member = trained_member(start, job, index, state).to(runtime.device)
        source = job.source(member, tiles, runtime, SINGLE_PROCESS, progress)
        answers.append(_answers(member, source, unseen, job.recipe.batch))
        states.append(_member_state(job, index, state, member, score(answers[-1:], 1.0)))
    stay = select_members([state.metrics.get("validation_nll", np.nan) for state in states])
    kept = [index for index, stays in enumerate(stay) if stays]
    if not kept:
        raise MuscleFMError("no member learned anything", "train with a lower learning rate")
    sampled = [pixel_logits(answers[n], labels, pixels, job.recipe.seed) for n in kept]
    logits, reference = np.stack([answer for answer, _ in sampled]), sampled[0][1]
    temperature = fit_temperature(logits, reference)
    progress(ProgressEvent("validate", len(progresses), len(progresses), "done"))
    return ValidatedEnsemble(
        states=[states[index] for index in kept],
        temperature=temperature,
        before=calibration_scores(logits, reference, 1.0),
        after=calibration_scores(logits, reference, temperature),
        dice=score([answers[index] for index in kept], temperature).dice,
        left_out=len(stay) - len(kept),
    )


def select_members(nlls: Sequence[float]) -> list[bool]:
    """Tell which members may stay: one weak member drags the whole ensemble.

    Left out are those that diverged, and those whose NLL is far above the best
    one's.

    Parameters
    ----------
    nlls : sequence of float
        Of each member, in nats, on the same data that none of them saw; not
        finite where it diverged.
    """
    finite = [nll for nll in nlls if np.isfinite(nll)]
    return [bool(np.isfinite(nll)) and nll <= LARGEST_RATIO * min(finite) for nll in nlls]


@torch.inference_mode()
def _answers(member: SegmentationNetwork, source: Source, tiles: Tiles, batch: int) -> Tensor:
    """Return a member's logits of tiles, ``(n, C, h, w) float16``, on the CPU."""
    parts = np.split(tiles, range(batch, len(tiles), batch))
    return torch.cat([source.answer(member, part, ORIGINAL)[0].half().cpu() for part in parts])


def _member_state(
    job: FineTuningJob,
    index: int,
    state: MemberProgress,
    member: SegmentationNetwork,
    alone: TileScores,
) -> MemberState:
    best = state.history[state.best_epoch]
    metrics = {
        "fold_dsc": best.fold_dice,
        "fold_nll": best.fold_nll,
        "best_epoch": float(best.epoch),
        "validation_dsc": alone.dice,
        "validation_nll": alone.nll,
    }
    known = {name: value for name, value in metrics.items() if np.isfinite(value)}
    weights = {name: tensor.cpu() for name, tensor in member.state_dict().items()}
    return MemberState(weights, job.recipe.seed + index, index, known)
