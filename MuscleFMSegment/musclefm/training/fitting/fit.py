"""Trains one member, from where it stopped."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from musclefm.inference.device import Runtime
from musclefm.networks.network import SegmentationNetwork
from musclefm.networks.trainable import freeze_for
from musclefm.training.data.batches import ORIGINAL, Source
from musclefm.training.data.tiles import Tiles, known_labels
from musclefm.training.distributed import DistributedContext
from musclefm.training.fitting.checkpoint import (
    EpochRecord,
    MemberProgress,
    read_progress,
    write_progress,
)
from musclefm.training.fitting.loss import loss_of, loss_sums
from musclefm.training.fitting.validation import TileScores, score_tiles, upsampled_probabilities
from musclefm.training.recipe import FineTuning

# Of the gradient.
_LARGEST_NORM = 1.0


@dataclass(frozen=True)
class MemberTiles:
    """Numbers of the tiles of one member.

    Attributes
    ----------
    trained_on : ndarray
        ``(n,)``: that it learns from.
    fold : ndarray
        ``(n,)``: by which it stops early.
    fold_cases : ndarray
        ``(n,)``: the number of the case of each of these.
    """

    trained_on: Tiles
    fold: Tiles
    fold_cases: Tiles


def fit_member(
    model: SegmentationNetwork,
    source: Source,
    tiles: MemberTiles,
    recipe: FineTuning,
    seed: int,
    runtime: Runtime,
    context: DistributedContext,
    state_file: Path,
    on_epoch: Callable[[EpochRecord | None, int, int], None],
) -> MemberProgress:
    """Train a network until its DSC on its fold no longer rises, and leave the best in it.

    Everything that is drawn at random follows from the seed, the epoch and the
    tile. A training that is resumed from the last epoch after a kill thus ends as
    it would have without. Where no epoch is better than the start, the start
    stays. Batch normalisation keeps the statistics of the start where the recipe
    learns no others.

    Parameters
    ----------
    model : SegmentationNetwork
        On the runtime's device; changed in place.
    source : Source
        Shows it tiles.
    tiles : MemberTiles
        What the member is trained and scored on.
    recipe : FineTuning
        How it is trained.
    seed : int
        Of the order of its tiles.
    runtime : Runtime
        Device and precision.
    context : DistributedContext
        Processes that share each batch.
    state_file : Path
        Its state, after every epoch.
    on_epoch : callable
        After each step: the record where an epoch ended there (else None), and
        how many of how many steps are done.

    Raises
    ------
    MuscleFMError
        The state is damaged, or cannot be written.
    """
    freeze_for(model, recipe.trained)
    trained = _trained_tensors(model, recipe)
    optimiser = torch.optim.AdamW(
        [tensor for tensor in trained.values() if tensor.requires_grad],
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
    )
    # They share the memory of the network's own tensors.
    watched = nn.ParameterList(trained.values())
    average = AveragedModel(watched, multi_avg_fn=get_ema_multi_avg_fn(recipe.averaging))
    average.update_parameters(watched)
    averaged = dict(zip(trained, average.module.parameters(), strict=True))
    steps = recipe.steps or -(-len(tiles.trained_on) // recipe.batch)
    total = steps * recipe.epochs

    def scored() -> TileScores:
        """Score the averaged weights."""
        _swap(trained, averaged)
        scores = _score(model, source, tiles, recipe, runtime, context)
        _swap(trained, averaged)
        return scores

    progress = read_progress(state_file)
    if progress is None:
        first = scored()
        record = EpochRecord(0, math.nan, 0.0, first.dice, first.nll)
        progress = MemberProgress([record], best=_copied(trained))
        on_epoch(record, 0, total)
    else:
        _restore(trained, progress.trained)
        _restore(averaged, progress.averaged)
        optimiser.load_state_dict(progress.optimiser)
    for epoch in range(len(progress.history), recipe.epochs + 1):
        if progress.finished:
            break
        _prepare(model, recipe)
        losses = []
        done = (epoch - 1) * steps
        for step, batch in enumerate(_batches(tiles.trained_on, recipe.batch, steps, seed, epoch)):
            rate = _learning_rate(recipe, done + step, total)
            for group in optimiser.param_groups:
                group["lr"] = rate
            losses.append(_step(model, source, batch, epoch - 1, optimiser, context))
            _share_statistics(trained, context)
            average.update_parameters(watched)
            if step < steps - 1:
                on_epoch(None, done + step + 1, total)
        scores = scored()
        record = EpochRecord(epoch, float(np.mean(losses)), rate, scores.dice, scores.nll)
        progress.history.append(record)
        progress.trained, progress.averaged = _copied(trained), _copied(averaged)
        progress.optimiser = optimiser.state_dict()
        if progress.best_epoch == epoch:
            progress.best = progress.averaged
        waited = epoch - progress.best_epoch
        diverged = not math.isfinite(record.loss)
        progress.finished = epoch == recipe.epochs or waited >= recipe.patience or diverged
        if context.is_main_process:
            write_progress(state_file, progress)
        on_epoch(record, done + steps, total)
    _restore(trained, progress.best)
    model.eval()
    return progress


def _trained_tensors(model: SegmentationNetwork, recipe: FineTuning) -> dict[str, Tensor]:
    """Return all that training changes: parameters, and statistics where they are learned."""
    statistics = model.named_buffers() if recipe.learns_statistics else ()
    return {
        **{name: p for name, p in model.named_parameters() if p.requires_grad},
        **{name: tensor for name, tensor in statistics if tensor.is_floating_point()},
    }


def _prepare(model: SegmentationNetwork, recipe: FineTuning) -> None:
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not recipe.learns_statistics:
            module.eval()


def _batches(trained_on: Tiles, batch: int, steps: int, seed: int, epoch: int) -> list[Tiles]:
    """Return the batches of an epoch, all of one size: what lacks is taken from the first."""
    order = np.random.default_rng([seed, epoch]).permutation(trained_on)
    return np.split(np.resize(order, steps * batch), steps)


def _learning_rate(recipe: FineTuning, step: int, total: int) -> float:
    warm_up = min(recipe.warm_up, total // 2)
    if step < warm_up:
        return recipe.learning_rate * (step + 1) / warm_up
    return recipe.learning_rate * (1 - (step - warm_up) / (total - warm_up)) ** recipe.power


def _step(
    model: SegmentationNetwork,
    source: Source,
    batch: Tiles,
    epoch: int,
    optimiser: torch.optim.Optimizer,
    context: DistributedContext,
) -> float:
    mine = batch[context.rank :: context.size]
    logits, labels = source.answer(model, mine, source.version(epoch))
    sums = loss_sums(logits, labels, source.absent(mine))
    # The value is that of the whole batch, the gradient this process's share of it.
    loss = loss_of(sums + (context.all_reduce_sum(sums) - sums.detach()))
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    gradients = [p.grad for p in parameters if p.grad is not None]
    if context.size > 1:
        # Not by torch's parameters_to_vector: it fails where channels come last.
        whole = context.all_reduce_sum(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        parts = whole.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
    nn.utils.clip_grad_norm_(parameters, _LARGEST_NORM)
    optimiser.step()
    return loss.item()


def _score(
    model: SegmentationNetwork,
    source: Source,
    tiles: MemberTiles,
    recipe: FineTuning,
    runtime: Runtime,
    context: DistributedContext,
) -> TileScores:
    model.eval()

    def answer(chosen: Tiles) -> tuple[Tensor, Tensor]:
        logits, labels = source.answer(model, chosen, ORIGINAL)
        return upsampled_probabilities(logits, labels.shape[-1]), known_labels(labels)

    return score_tiles(
        answer,
        tiles.fold,
        tiles.fold_cases,
        model.class_count,
        recipe.batch,
        runtime.device,
        context,
    )


def _share_statistics(trained: Mapping[str, Tensor], context: DistributedContext) -> None:
    """Set the statistics of batch normalisation to their mean over all processes."""
    if context.size > 1:
        for tensor in trained.values():
            if not tensor.requires_grad:
                tensor.copy_(context.all_reduce_sum(tensor) / context.size)


def _swap(trained: Mapping[str, Tensor], averaged: Mapping[str, Tensor]) -> None:
    for name, parameter in trained.items():
        parameter.data, averaged[name].data = averaged[name].data, parameter.data


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}


@torch.no_grad()
def _restore(tensors: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        tensor.copy_(kept[name])
