"""How good answers to tiles are, where the labels are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from musclefm.evaluation.calibration import SMALLEST_PROBABILITY
from musclefm.evaluation.dice import dice_of_counts
from musclefm.evaluation.statistics import mean_of
from musclefm.labels.sided import IGNORE
from musclefm.training.data.tiles import Tiles
from musclefm.training.distributed import SINGLE_PROCESS, DistributedContext

Answer = Callable[[Tiles], tuple[Tensor, Tensor]]
"""Takes numbers of tiles; returns probabilities ``(n, C, S, S)`` and labels ``(n, S, S)``."""


@dataclass(frozen=True)
class TileScores:
    """Quality over cases.

    Attributes
    ----------
    dice : float
        Mean over the muscles that a case shows, then over cases; NaN without
        any.
    nll : float
        Negative log-likelihood in nats per pixel.
    """

    dice: float
    nll: float


@torch.inference_mode()
def score_tiles(
    answer: Answer,
    tiles: Tiles,
    cases: Tiles,
    class_count: int,
    batch: int,
    device: torch.device,
    context: DistributedContext = SINGLE_PROCESS,
) -> TileScores:
    """Score answers to tiles.

    Parameters
    ----------
    answer : callable
        Of a network or an ensemble.
    tiles, cases : ndarray
        ``(n,)``: numbers of the tiles, and of their cases.
    class_count : int
        Number of classes with background.
    batch : int
        Tiles at once.
    device : torch.device
        Of the answers.
    context : DistributedContext
        Shares the tiles out.
    """
    names, places = np.unique(cases, return_inverse=True)
    # Shared, predicted and reference pixels of each class, case by case.
    counts = torch.zeros(len(names), 3, class_count, dtype=torch.float64, device=device)
    likelihood = torch.zeros(2, dtype=torch.float64, device=device)
    mine = np.arange(len(tiles))[context.rank :: context.size]
    for start in range(0, len(mine), batch):
        chosen = mine[start : start + batch]
        probabilities, labels = answer(tiles[chosen])
        known = labels != IGNORE
        reference = torch.where(known, labels, torch.zeros_like(labels)).long()
        certain = probabilities.gather(1, reference[:, None])[:, 0]
        logs = certain.clamp(min=SMALLEST_PROBABILITY).log()[known]
        # A network that diverged must not look like one that is merely unsure.
        likelihood += torch.stack([logs.double().sum(), known.sum().double()])
        predicted = probabilities.argmax(dim=1)
        for row, place in enumerate(places[chosen]):
            here = known[row]
            found, true = predicted[row][here], reference[row][here]
            for which, values in enumerate((found[found == true], found, true)):
                counts[place, which] += torch.bincount(values, minlength=class_count)
    counts, likelihood = context.all_reduce_sum(counts), context.all_reduce_sum(likelihood)
    shared, predicted, present = np.moveaxis(counts[:, :, 1:].cpu().numpy(), 1, 0)
    by_muscle = np.where(present > 0, dice_of_counts(shared, predicted + present), np.nan)
    by_case = np.array([mean_of(case) for case in by_muscle])
    return TileScores(dice=mean_of(by_case), nll=-float(likelihood[0] / likelihood[1].clamp(min=1)))


def upsampled_probabilities(logits: Tensor, size: int, temperature: float = 1.0) -> Tensor:
    """Return softmax ``(n, C, S, S) float32`` of logits ``(n, C, h, w)``, at the tiles' size."""
    upsampled = functional.interpolate(
        logits.float() / temperature, size=(size, size), mode="bilinear", align_corners=False
    )
    return upsampled.softmax(dim=1)
