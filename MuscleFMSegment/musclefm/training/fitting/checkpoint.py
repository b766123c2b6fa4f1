"""The state of a member under way, on disk after every epoch."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.models.usable_weights import refuse_other_objects, require_plain
from musclefm.storage.atomic import atomic_bytes

_FORMAT_VERSION = 1
_BEGIN_AGAIN = "remove its work folder and begin again"


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
    history = [asdict(record) for record in progress.history]
    content = vars(progress) | {"history": history, "format_version": _FORMAT_VERSION}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    atomic_bytes(path, buffer.getvalue())


def read_progress(path: Path) -> MemberProgress | None:
    """Read how far a member is; None where it has not begun.

    Raises
    ------
    MuscleFMError
        The file is damaged, or was written by a newer version.
    """
    if not path.is_file():
        return None
    try:
        refuse_other_objects(path, "the state of the training")
        content = torch.load(path, map_location="cpu", weights_only=True)
        version = content.pop("format_version", 1)
        if version == _FORMAT_VERSION:
            return _checked(**content)
    # Damaged bytes make the unpickler raise almost anything.
    except Exception as error:
        raise _damaged() from error
    if type(version) is int and version > _FORMAT_VERSION:
        raise MuscleFMError(
            "the state of the training was written by a newer version of musclefm",
            f"update musclefm, or {_BEGIN_AGAIN}",
        )
    raise _damaged()


def _checked(
    *,
    history: list[dict[str, Any]],
    trained: dict[str, Tensor],
    averaged: dict[str, Tensor],
    best: dict[str, Tensor],
    optimiser: dict[str, Any],
    finished: bool,
) -> MemberProgress:
    """Return a state that was read, whose every part is what it should be.

    Raises
    ------
    TypeError, ValueError
        A part is not.
    """
    records = [EpochRecord(**record) for record in history]
    for number, record in enumerate(records):
        numbers = (record.loss, record.learning_rate, record.fold_dice, record.fold_nll)
        if type(record.epoch) is not int or record.epoch != number:
            raise ValueError("an epoch is missing")
        if not all(type(value) in (int, float) for value in numbers):
            raise TypeError("a figure is no number")
    for tensors in (trained, averaged, best):
        if not isinstance(tensors, dict) or tensors.keys() != best.keys():
            raise TypeError("the tensors are not those of one network")
        for name, tensor in tensors.items():
            if not isinstance(name, str) or tensor.shape != best[name].shape:
                raise TypeError("a tensor is none, or of another shape")
            require_plain(tensor)
    if not records or not isinstance(optimiser, dict) or not isinstance(finished, bool):
        raise TypeError("the state is incomplete")
    return MemberProgress(records, trained, averaged, best, optimiser, finished)


def _damaged() -> MuscleFMError:
    return MuscleFMError("the state of the training is damaged", _BEGIN_AGAIN)
