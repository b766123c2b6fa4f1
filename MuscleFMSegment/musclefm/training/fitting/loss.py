"""Cross-entropy and Dice, over all pixels of a batch of whose label anything is known.

Both are made from sums over pixels. A batch may thus be shared out among
processes: the sums are added up, and the loss is that of the whole batch.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from musclefm.labels.sided import IGNORE
from musclefm.training.data.tiles import NONE_OF_ABSENT, known_labels

_SMOOTH = 1e-5


def loss_sums(logits: Tensor, labels: Tensor, absent: Tensor | None = None) -> Tensor:
    """Return what the loss is made from.

    Where it is only known which muscles a pixel does not show, its cross-entropy is that
    of the classes left together, and what it predicts of absent muscles counts in Dice.

    Parameters
    ----------
    logits : Tensor
        ``(N, C, h, w)``.
    labels : Tensor
        ``(N, S, S) uint8``, S a multiple of h and w; IGNORE is left out.
    absent : Tensor, optional
        ``(N, C) bool``: classes that no pixel labelled NONE_OF_ABSENT shows.

    Returns
    -------
    Tensor
        ``(3 C + 2,) float32``: by class the shared, the predicted and the
        reference mass; then the cross-entropy and the number of pixels.
    """
    size = logits.shape[-1]
    targets, weights = soft_targets(known_labels(labels), logits.shape[1], size)
    log_probabilities = logits.float().log_softmax(dim=1)
    probabilities = log_probabilities.exp()
    predicted = probabilities * weights
    entropy = -(targets * log_probabilities * weights).sum()
    pixels = weights.sum()
    targets = targets * weights
    if absent is not None:
        partly = (labels == NONE_OF_ABSENT).float()[:, None]
        shares, ruled_out = functional.adaptive_avg_pool2d(partly, size), absent[..., None, None]
        left = log_probabilities.masked_fill(ruled_out, -torch.inf).logsumexp(dim=1, keepdim=True)
        entropy = entropy - (left * shares).sum()
        pixels = pixels + shares.sum()
        predicted = predicted + probabilities * shares * ruled_out
    over = (0, 2, 3)
    shared = (probabilities * targets).sum(dim=over)
    masses = torch.cat([shared, predicted.sum(dim=over), targets.sum(dim=over)])
    return torch.cat([masses, entropy[None], pixels[None]])


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
