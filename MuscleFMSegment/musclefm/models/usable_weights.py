"""Whether weights from a file can be a network's at all, looked at before they are used."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.storage.regular_file import open_regular

_COUNTERS = "num_batches_tracked"
_VARIANCES = "running_var"
# The pickle of a checkpoint names its tensors; ViT-H's takes less than 0.1 MB.
_LARGEST_PICKLE = 16 << 20


def require_usable(tensors: Mapping[str, Tensor], label: str, remedy: str) -> None:
    """Require that weights are finite floating-point numbers in plain storage.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        A state dict; counters of batches may be whole numbers.
    label, remedy : str
        What to call the weights in an error, and what to do then.

    Raises
    ------
    MuscleFMError
        A tensor is sparse or without data, of another type, not finite, or a
        negative variance.
    """
    for name, tensor in tensors.items():
        if not _is_plain(tensor):
            fault = "is not stored number by number"
        elif not tensor.is_floating_point():
            if name.endswith(_COUNTERS) and tensor.dtype == torch.int64:
                continue
            fault = f"is of type {str(tensor.dtype).removeprefix('torch.')}"
        elif not bool(torch.isfinite(tensor).all()):
            fault = "holds values that are not finite"
        elif name.endswith(_VARIANCES) and bool((tensor < 0).any()):
            fault = "holds a negative variance"
        else:
            continue
        raise MuscleFMError(f"{label} cannot be used: a tensor {fault} ({name[:80]})", remedy)


def require_plain(tensor: Tensor) -> None:
    """Require that a tensor is stored number by number, on the CPU.

    Raises
    ------
    TypeError
        It is sparse, quantised, elsewhere or without data, or no tensor.
    """
    if not isinstance(tensor, Tensor) or not _is_plain(tensor):
        raise TypeError("a tensor is not stored number by number")


def _is_plain(tensor: Tensor) -> bool:
    strided = tensor.layout == torch.strided and tensor.device.type == "cpu"
    return strided and not tensor.is_quantized


def refuse_other_objects(path: Path, label: str, others: frozenset[str] = frozenset()) -> None:
    """Refuse a checkpoint whose pickle makes anything else than tensors.

    ``torch.load(weights_only=True)`` runs no code, but it makes what the pickle
    asks for: a ``bytearray`` of any size, for one. ``torch.save`` has written zip
    files of protocol 2 since PyTorch 1.6; nothing else is read.

    Parameters
    ----------
    path, label
        The checkpoint, and what to call it in an error.
    others : frozenset of str
        What it may ask for besides, as module and name.

    Raises
    ------
    MuscleFMError
        It asks for something else, or is too large to be a list of tensors.
    OSError, zipfile.BadZipFile, ValueError
        It cannot be read.
    """
    with open_regular(path) as file, zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith("data.pkl") and (
                entry.file_size > _LARGEST_PICKLE or not _makes_tensors(archive.read(entry), others)
            ):
                raise MuscleFMError(
                    f"{label} is damaged, or holds more than tensors, which is never loaded",
                    "download it again, or save the model's state_dict()",
                )


def _makes_tensors(content: bytes, others: frozenset[str]) -> bool:
    """Tell whether a pickle of protocol 2 asks for nothing but PyTorch's own objects."""
    for operation, argument, _place in pickletools.genops(content):
        # Protocol 4 names objects by the stack, which only an unpickler can follow.
        if operation.name in ("STACK_GLOBAL", "INST"):
            return False
        if operation.name == "GLOBAL" and not (
            argument in others | {"collections OrderedDict"}
            or str(argument).startswith(("torch ", "torch."))
        ):
            return False
    return True
