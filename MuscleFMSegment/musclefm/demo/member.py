"""Training one member of the demo ensemble from rendered slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from musclefm.demo.augmentation import augment
from musclefm.demo.rendered_pool import SlicePool
from musclefm.evaluation.calibration import SMALLEST_PROBABILITY
from musclefm.evaluation.dice import dice
from musclefm.networks.architecture import SamArchitecture
from musclefm.networks.sam import MultiClassSam
from musclefm.progress import Progress, ProgressEvent

# Of soft Dice: a muscle that neither has is no error.
_SMOOTH = 1e-5


@dataclass(frozen=True)
class MemberRecipe:
    """How a member is trained.

    Attributes
    ----------
    steps : int
        Optimiser steps.
    batch : int
        Slices a step.
    learning_rate : float
        Peak of AdamW's learning rate: linear warm-up over 5 %, cosine decay.
    weight_decay : float
        AdamW's.
    averaging : float
        Decay of the moving average of the weights, which is what is kept.
    """

    steps: int = 7000
    batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    averaging: float = 0.998


def train_member(
    architecture: SamArchitecture,
    class_count: int,
    pool: SlicePool,
    recipe: MemberRecipe,
    seed: int,
    progress: Progress,
) -> MultiClassSam:
    """Train a model from scratch; the same seed and pool give the same member.

    Returns
    -------
    MultiClassSam
        In evaluation mode, with averaged weights.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = MultiClassSam(architecture, class_count).to(memory_format=torch.channels_last)
    averaged = AveragedModel(
        model, multi_avg_fn=get_ema_multi_avg_fn(recipe.averaging), use_buffers=True
    )
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.05
    )
    model.train()
    running = 0.0
    for step, (images, labels) in enumerate(_batches(pool, recipe, generator), start=1):
        images, labels = augment(images, labels, generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(((images - 0.5) / 0.25).contiguous(memory_format=torch.channels_last))
        loss = dice_and_cross_entropy(
            logits.float(), _soft_targets(labels, class_count, logits.shape[-1])
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        averaged.update_parameters(model)
        running = loss.item() if step == 1 else 0.98 * running + 0.02 * loss.item()
        progress(ProgressEvent("train", step, recipe.steps, f"loss {running:.3f}"))
    member = averaged.module
    assert isinstance(member, MultiClassSam)
    return member.eval()


def dice_and_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy, mean over pixels, plus half of 1 - soft Dice, mean over muscles.

    Dice is over the whole batch, as a single slice often lacks a muscle.

    Parameters
    ----------
    logits : Tensor
        ``(N, C, h, w) float32``, background first.
    targets : Tensor
        ``(N, C, h, w) float32``, the share of each class in a pixel.
    """
    probabilities, shares = logits.softmax(dim=1)[:, 1:], targets[:, 1:]
    over = (0, 2, 3)
    shared = (probabilities * shares).sum(over)
    masses = probabilities.sum(over) + shares.sum(over)
    missed = 1 - (2 * shared + _SMOOTH) / (masses + _SMOOTH)
    return functional.cross_entropy(logits, targets) + 0.5 * missed.mean()


def _batches(
    pool: SlicePool, recipe: MemberRecipe, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches without end of epoch, each slice once before any twice."""
    order = torch.empty(0, dtype=torch.long)
    for _ in range(recipe.steps):
        while len(order) < recipe.batch:
            order = torch.cat([order, torch.randperm(len(pool.images), generator=generator)])
        chosen, order = order[: recipe.batch].numpy(), order[recipe.batch :]
        images = torch.from_numpy(pool.images[chosen]).float()[:, None] / 255
        yield images, torch.from_numpy(pool.labels[chosen])


def _soft_targets(labels: Tensor, class_count: int, size: int) -> Tensor:
    """Return the share of each class in every pixel of the logits, ``(N, C, size, size)``."""
    one_hot = functional.one_hot(labels.long(), class_count).permute(0, 3, 1, 2).float()
    return functional.adaptive_avg_pool2d(one_hot, size)


@dataclass(frozen=True)
class SliceScores:
    """Quality on a pool.

    Attributes
    ----------
    dice : float
        Mean Dice over the muscles present, per slice, then over slices.
    nll : float
        Negative log-likelihood in nats per pixel.
    """

    dice: float
    nll: float


@torch.inference_mode()
def score_members(members: list[MultiClassSam], pool: SlicePool, batch: int = 64) -> SliceScores:
    """Score the mean of the members' probabilities on a pool."""
    dices, log_likelihood = [], 0.0
    for start in range(0, len(pool.images), batch):
        images = torch.from_numpy(pool.images[start : start + batch]).float()[:, None] / 255
        labels = torch.from_numpy(pool.labels[start : start + batch]).long()
        images = ((images - 0.5) / 0.25).contiguous(memory_format=torch.channels_last)
        mean = torch.stack([member_probabilities(m, images) for m in members]).mean(0)
        reference = mean.gather(1, labels[:, None]).clamp(min=SMALLEST_PROBABILITY)
        log_likelihood += float(reference.log().mean((1, 2, 3)).sum())
        predicted = mean.argmax(1)
        for answer, truth in zip(predicted.numpy(), labels.numpy(), strict=True):
            present = np.unique(truth[truth > 0])
            if len(present):
                dices.append(np.mean(dice(answer, truth, mean.shape[1])[present]))
    return SliceScores(float(np.mean(dices)), -log_likelihood / len(pool.images))


def member_probabilities(member: MultiClassSam, images: Tensor) -> Tensor:
    """Return softmax ``(N, C, S, S) float32`` at the size of the images."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = member(images)
    upsampled = functional.interpolate(
        logits.float(), size=images.shape[-2:], mode="bilinear", align_corners=False
    )
    return upsampled.softmax(dim=1)
