"""The state of a member under way, on disk after every epoch."""

from __future__ import annotations

import io
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.storage.atomic import atomic_bytes


@dataclass(frozen=True)
class EpochRecord:
    """What came of an epoch.

    Attributes
    ----------
    epoch : int
        From 1; 0 is the start before training.
    loss : float
        Mean over its steps; NaN for epoch 0.
    learning_rate : float
        Of its last step.
    fold_dice, fold_nll : float
        On the member's own fold.
    """

    epoch: int
    loss: float
    learning_rate: float
    fold_dice: float
    fold_nll: float


@dataclass
class MemberProgress:
    """How far a member is.

    Attributes
    ----------
    history : list of EpochRecord
        Of all epochs so far.
    trained : dict of str to Tensor
        Tensors that are trained, after the last epoch.
    averaged : dict of str to Tensor
        Their moving average.
    best : dict of str to Tensor
        That average after the best epoch.
    optimiser : dict
        State of the optimiser.
    finished : bool
        Whether nothing is left to do.
    """

    history: list[EpochRecord] = field(default_factory=list)
    trained: dict[str, Tensor] = field(default_factory=dict)
    averaged: dict[str, Tensor] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    optimiser: dict[str, Any] = field(default_factory=dict)
    finished: bool = False

    @property
    def best_epoch(self) -> int:
        """The first of the epochs with the best DSC; NaN counts as 0."""
        dices = [max(record.fold_dice, 0.0) for record in self.history]
        return dices.index(max(dices))


def write_progress(path: Path, progress: MemberProgress) -> None:
    """Write how far a member is, whole or not at all.

    Raises
    ------
    MuscleFMError
        The disk is full, or cannot be written.
    """
    content = vars(progress) | {"history": [asdict(record) for record in progress.history]}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    atomic_bytes(path, buffer.getvalue())


def read_progress(path: Path) -> MemberProgress | None:
    """Read how far a member is; None where it has not begun.

    Raises
    ------
    MuscleFMError
        The file is damaged.
    """
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        history = [EpochRecord(**record) for record in content.pop("history")]
        progress = MemberProgress(history=history, **content)
        if not history or not all(math.isfinite(record.epoch) for record in history):
            raise ValueError("no epoch is recorded")
        return progress
    # Damaged bytes make the unpickler raise almost anything.
    except Exception as error:
        raise MuscleFMError(
            "the state of the training is damaged", "remove its work folder and begin again"
        ) from error
