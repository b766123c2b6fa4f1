"""Whether weights from a file can be a network's at all, looked at before they are used."""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator, Mapping
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
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
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


def refuse_foreign_objects(path: Path, label: str) -> None:
    """Refuse a checkpoint whose pickle makes anything else than tensors.

    ``torch.load(weights_only=True)`` runs no code, but it makes what the pickle
    asks for: a ``bytearray`` of any size, for one.

    Raises
    ------
    MuscleFMError
        It asks for something else, or is too large to be a list of tensors.
    OSError
        It cannot be read.
    """
    for name in _named_objects(path, label):
        module, _, what = name.partition(" ")
        if module.split(".")[0] != "torch" and (module, what) != ("collections", "OrderedDict"):
            raise MuscleFMError(
                f"{label} is damaged, or holds more than tensors, which is never loaded",
                "download it again, or save the model's state_dict()",
            )


def _named_objects(path: Path, label: str) -> Iterator[str]:
    with open_regular(path) as file:
        if not zipfile.is_zipfile(file):
            file.seek(0)
            yield from _globals_of(file.read(_LARGEST_PICKLE))
            return
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if not entry.filename.endswith("data.pkl"):
                    continue
                if entry.file_size > _LARGEST_PICKLE:
                    raise MuscleFMError(
                        f"{label} is not a state dict of tensors", "save the model's state_dict()"
                    )
                yield from _globals_of(archive.read(entry))


def _globals_of(content: bytes) -> Iterator[str]:
    """Yield ``"module name"`` of all that the pickles at the beginning of some bytes ask for."""
    stream = io.BytesIO(content)
    try:
        while stream.tell() < len(content):
            texts: list[str] = []
            for operation, argument, _place in pickletools.genops(stream):
                if operation.name in ("GLOBAL", "INST"):
                    yield str(argument)
                elif operation.name == "STACK_GLOBAL":
                    yield " ".join(texts[-2:])
                elif isinstance(argument, str):
                    texts.append(argument)
    # What follows the pickles of an old file is no pickle, and ends as one of many errors.
    except Exception:
        return
