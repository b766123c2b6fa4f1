"""Cross-entropy and Dice, over all pixels of a batch whose label is known.

Both are made from sums over pixels. A batch may thus be shared out among
processes: the sums are added up, and the loss is that of the whole batch.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from musclefm.labels.sided import IGNORE

_SMOOTH = 1e-5


def loss_sums(logits: Tensor, labels: Tensor) -> Tensor:
    """Return what the loss is made from.

    Parameters
    ----------
    logits : Tensor
        ``(N, C, h, w)``.
    labels : Tensor
        ``(N, S, S) uint8``, S a multiple of h and w; IGNORE is left out.

    Returns
    -------
    Tensor
        ``(3 C + 2,) float32``: by class the shared, the predicted and the
        reference mass; then the cross-entropy and the number of pixels.
    """
    targets, weights = soft_targets(labels, logits.shape[1], logits.shape[-1])
    log_probabilities = logits.float().log_softmax(dim=1)
    probabilities = log_probabilities.exp() * weights
    entropy = -(targets * log_probabilities * weights).sum()
    targets = targets * weights
    over = (0, 2, 3)
    shared = (log_probabilities.exp() * targets).sum(dim=over)
    masses = torch.cat([shared, probabilities.sum(dim=over), targets.sum(dim=over)])
    return torch.cat([masses, entropy[None], weights.sum()[None]])


def loss_of(sums: Tensor) -> Tensor:
    """Return cross-entropy plus 1 - Dice, the mean over muscles that the batch shows.

    Parameters
    ----------
    sums : Tensor
        As :func:`loss_sums` returns them, added up over the batch.
    """
    shared, predicted, reference = sums[:-2].reshape(3, -1)[:, 1:]
    shown = reference > 0
    dice = (2 * shared + _SMOOTH) / (predicted + reference + _SMOOTH)
    missed = ((1 - dice) * shown).sum() / shown.sum().clamp(min=1)
    return sums[-2] / sums[-1].clamp(min=1) + missed


def soft_targets(labels: Tensor, class_count: int, size: int) -> tuple[Tensor, Tensor]:
    """Return the share of each class in every pixel of the logits, and that of known labels.

    Returns
    -------
    targets : Tensor
        ``(N, C, size, size) float32``: shares among the known labels, 0 where
        there is none.
    weights : Tensor
        ``(N, 1, size, size) float32`` in [0, 1].
    """
    known = labels != IGNORE
    classes = torch.where(known, labels, torch.zeros_like(labels)).long()[:, None]
    shape = (len(labels), class_count, *labels.shape[1:])
    marks = torch.zeros(shape, device=labels.device).scatter_(1, classes, known[:, None].float())
    shares = functional.adaptive_avg_pool2d(marks, size)
    weights = shares.sum(dim=1, keepdim=True)
    return shares / weights.clamp(min=_SMOOTH), weights
