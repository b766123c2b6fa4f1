"""State dicts from elsewhere: read without running code, and wholly understood or refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.models.usable_weights import refuse_other_objects, require_usable
from musclefm.networks.architecture import SamArchitecture
from musclefm.networks.without_weights import build_without_weights
from musclefm.storage.regular_file import is_file

_PARALLEL_PREFIX = "module."


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
    if not is_file(path):
        raise MuscleFMError(f"{label} is missing", "download the checkpoint again")
    try:
        refuse_other_objects(path, label)
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except MuscleFMError:
        raise
    # Damaged bytes make the unpickler raise almost anything.
    except Exception as error:
        raise MuscleFMError(
            f"{label} is damaged, or holds more than tensors, which is never loaded",
            "download it again, or save the model's state_dict()",
        ) from error
    tensors = isinstance(loaded, Mapping) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in loaded.items()
    )
    if not tensors or not loaded:
        raise MuscleFMError(
            f"{label} is not a state dict of tensors", "save the model's state_dict()"
        )
    require_usable(loaded, label, "download the checkpoint again")
    return {name.removeprefix(_PARALLEL_PREFIX): value for name, value in loaded.items()}


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
