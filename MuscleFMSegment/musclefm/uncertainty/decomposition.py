"""Uncertainty of an ensemble, split by what it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Decomposition:
    """What the members of an ensemble say together, per voxel of a slice.

    Attributes
    ----------
    mean : Tensor
        ``(C, H, W) float32``: mean of the members' probabilities.
    total : Tensor
        ``(H, W) float32``: predictive entropy H(mean) in nats.
    aleatoric : Tensor
        ``(H, W) float32``: mean of the members' entropies in nats.
    epistemic : Tensor
        ``(H, W) float32``: mutual information, total - aleatoric, in nats.
    variance : Tensor
        ``(H, W) float32``: population variance over members, averaged over classes.
    """

    mean: Tensor
    total: Tensor
    aleatoric: Tensor
    epistemic: Tensor
    variance: Tensor


def decompose(member_probabilities: Tensor) -> Decomposition:
    """Decompose the predictive entropy of an ensemble.

    With p_m the members' probabilities, H(mean p_m) is the total uncertainty,
    the mean of H(p_m) the aleatoric part, and their difference, the mutual
    information between the label and the member, the epistemic part
    (Depeweg et al. 2018, "Decomposition of uncertainty in Bayesian deep
    learning"; for deep ensembles, Lakshminarayanan et al. 2017). The variance
    is the measure of Casali et al. 2025.

    Parameters
    ----------
    member_probabilities : Tensor
        ``(M, C, H, W)``, floating point of any precision, on any device.
        Rounding and interpolation may have left values just below 0 or sums
        just off 1: they are clipped and normalised again.

    Returns
    -------
    Decomposition
        On the same device. ``total = aleatoric + epistemic``, each between 0
        and ln C, up to float32 rounding.

    Raises
    ------
    ValueError
        The tensor is not four-dimensional.
    """
    if member_probabilities.ndim != 4:
        raise ValueError(f"(M, C, H, W) expected, got {tuple(member_probabilities.shape)}")
    members = member_probabilities.to(torch.float32).clamp_min(0)
    members.div_(members.sum(dim=1, keepdim=True))
    mean = members.mean(dim=0)
    most = math.log(members.shape[1])
    total = _surprise(mean).sum(dim=0).clamp_(0, most)
    aleatoric = _surprise(members).flatten(0, 1).sum(dim=0).div_(len(members)).clamp_(0, most)
    return Decomposition(
        mean=mean,
        total=total,
        aleatoric=aleatoric,
        epistemic=(total - aleatoric).clamp_min(0),
        # As var(dim=0, unbiased=False).mean(dim=0), which takes 20 times as long on a CPU.
        variance=(members - mean).square_().flatten(0, 1).mean(dim=0),
    )


def _surprise(probabilities: Tensor) -> Tensor:
    """Return -p log p, as ``torch.special.entr``, which takes three times as long on a CPU."""
    least = torch.finfo(probabilities.dtype).tiny
    return probabilities.clamp_min(least).log_().mul_(probabilities).neg_()
