"""The networks that a training of the demo ensemble starts from: a trained ensemble's, widened."""

from __future__ import annotations

import torch
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.models.bundle import Bundle
from musclefm.models.manifest import BundleCard
from musclefm.models.member_files import MemberState

_FIRST_CONVOLUTION = "image_encoder.patch_embed.stages.0.0.0.weight"


def widened_members(card: BundleCard, start: Bundle) -> list[MemberState]:
    """Return an ensemble's networks so that they see what a card says, with the same answers.

    Parameters
    ----------
    card : BundleCard
        Of the ensemble to be.
    start : Bundle
        A trained ensemble of the same architecture. Where it sees slices alone and
        the new one their neighbours, too, these have no weight in the beginning.

    Raises
    ------
    MuscleFMError
        The ensemble is of another kind.
    """
    seen, wanted = (
        known.architecture.model_copy(update={"input_channels": 1})
        for known in (start.manifest, card)
    )
    if not start.manifest.ready or seen != wanted or start.manifest.scheme != card.scheme:
        raise MuscleFMError(
            f"model '{start.manifest.name}' is of another kind than the demo ensemble",
            "start from the shipped model, or from one that train-demo made",
        )
    states = []
    for index, member in enumerate(start.manifest.members):
        state = dict(start.load_member(index).state_dict())
        state[_FIRST_CONVOLUTION] = _widened(
            state[_FIRST_CONVOLUTION], card.architecture.input_channels
        )
        states.append(MemberState(state, member.seed, member.fold, member.metrics))
    return states


def _widened(weight: Tensor, channels: int) -> Tensor:
    """Return a convolution's weight ``(D, channels, 3, 3)`` that sees the middle one as before."""
    if weight.shape[1] == channels:
        return weight
    wider = torch.zeros(len(weight), channels, *weight.shape[2:])
    wider[:, channels // 2] = weight[:, weight.shape[1] // 2]
    return wider
