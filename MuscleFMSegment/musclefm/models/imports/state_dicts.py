"""State dicts from elsewhere: read without running code, and wholly understood or refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.models.usable_weights import refuse_other_objects, require_usable
from musclefm.networks.architecture import SamArchitecture
from musclefm.networks.without_weights import build_without_weights
from musclefm.storage.regular_file import is_file

_PARALLEL_PREFIX = "module."
# What a pickle asks for to make a number of NumPy.
_NUMPY = frozenset(
    {
        "numpy.core.multiarray scalar",
        "numpy._core.multiarray scalar",
        "numpy dtype",
        "_codecs encode",
    }
)


def read_state(path: Path, label: str) -> dict[str, Tensor]:
    """Read a PyTorch checkpoint that is a plain state dict.

    Parameters
    ----------
    path : Path
        As ``torch.save`` wrote it. Its tensors stay on disk until they are used.
    label : str
        What to call the checkpoint in an error.

    Returns
    -------
    dict of str to Tensor
        Without the prefix that ``DataParallel`` puts before every name.

    Raises
    ------
    MuscleFMError
        It is missing, damaged, or holds more than tensors of finite numbers.
    """
    loaded = _load(path, label)
    tensors = isinstance(loaded, Mapping) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in loaded.items()
    )
    if not tensors or not loaded:
        raise MuscleFMError(
            f"{label} is not a state dict of tensors", "save the model's state_dict()"
        )
    require_usable(loaded, label, "download the checkpoint again")
    return {name.removeprefix(_PARALLEL_PREFIX): value for name, value in loaded.items()}


def read_training_state(path: Path, label: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint of nnU-Net's trainer: the network's weights, and what stands beside.

    Numbers that NumPy wrote, as in the log of losses, are not read.

    Parameters
    ----------
    path, label
        As of :func:`read_state`.

    Raises
    ------
    MuscleFMError
        It is missing, damaged, holds other objects, or no weights.
    """
    unread = [(_Unread, name.replace(" ", ".")) for name in _NUMPY]
    with torch.serialization.safe_globals(unread):  # type: ignore[arg-type]
        loaded = _load(path, label, _NUMPY)
    weights = loaded.get("network_weights") if isinstance(loaded, dict) else None
    if not isinstance(weights, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        raise MuscleFMError(
            f"{label} holds no weights of nnU-Net's trainer",
            "give the results folder that nnUNetv2_train wrote",
        )
    rest = {str(name): value for name, value in loaded.items() if name != "network_weights"}
    return {name.removeprefix(_PARALLEL_PREFIX): value for name, value in weights.items()}, rest


class _Unread:
    """Stands for an object of NumPy in a checkpoint, whatever is asked of it."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


def _load(path: Path, label: str, others: frozenset[str] = frozenset()) -> Any:
    """Read what ``torch.save`` wrote, and run none of its code."""
    if not is_file(path):
        raise MuscleFMError(f"{label} is missing", "download the checkpoint again")
    try:
        refuse_other_objects(path, label, others)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except MuscleFMError:
        raise
    # Damaged bytes make the unpickler raise almost anything.
    except Exception as error:
        raise MuscleFMError(
            f"{label} is damaged, or holds more than tensors, which is never loaded",
            "download it again, or save the model's state_dict()",
        ) from error


def require_fit(
    state: Mapping[str, Tensor], architecture: SamArchitecture, class_count: int, label: str
) -> None:
    """Require that a state dict is that of a model: nothing missing, unused or misshapen.

    Parameters
    ----------
    state : mapping of str to Tensor
        To be checked.
    architecture, class_count
        Of the model.
    label : str
        What to call the checkpoint in an error.

    Raises
    ------
    MuscleFMError
        It does not fit; the error counts the differences and gives an example.
    """
    expected = build_without_weights(architecture, class_count).state_dict()
    missing = sorted(expected.keys() - state.keys())
    unused = sorted(state.keys() - expected.keys())
    misshapen = sorted(
        name for name in expected.keys() & state.keys() if expected[name].shape != state[name].shape
    )
    faults = {"missing": missing, "unused": unused, "of another shape": misshapen}
    if any(faults.values()):
        differences = ", ".join(
            f"{len(names)} tensors {what}" for what, names in faults.items() if names
        )
        example = next(names[0] for names in faults.values() if names)
        raise MuscleFMError(
            f"{label} does not fit a SAM with {class_count} classes: {differences}, e.g. {example}",
            "import an official SAM or MedSAM checkpoint, or one of the published muscle folds",
        )
