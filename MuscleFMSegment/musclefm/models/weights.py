"""One file of weights of a bundle: written with its hash, read only as safetensors."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.models.manifest import WeightFile

GET_AGAIN = "get the model again"

# A safetensors file starts with the length of its header, then the header's JSON.
_LENGTH_BYTES = 8
_LARGEST_HEADER = 100_000_000


def write_weights(path: Path, tensors: Mapping[str, Tensor], half: bool) -> WeightFile:
    """Write tensors as safetensors.

    Parameters
    ----------
    path : Path
        To be made.
    tensors : mapping of str to Tensor
        Under their names in the state dict.
    half : bool
        Whether to store them as float16; what overflows there stays float32.

    Returns
    -------
    WeightFile
        Its entry in the manifest.

    Raises
    ------
    OSError, safetensors.SafetensorError
        It cannot be written.
    """
    save_file({name: _stored(tensor, half) for name, tensor in tensors.items()}, path)
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
    return WeightFile(file=path.name, bytes=path.stat().st_size, sha256=sha256_of(path))


def check_weights(path: Path, entry: WeightFile, model: str, verify: bool) -> None:
    """Check that a file is what the manifest says.

    Parameters
    ----------
    path : Path
        The file.
    entry : WeightFile
        What the manifest says of it.
    model : str
        Name of the model, for the error.
    verify : bool
        Whether to compare its hash too, which reads it wholly.

    Raises
    ------
    MuscleFMError
        It is missing, changed, or no safetensors.
    """
    label = f"'{entry.file}' of model '{model}'"
    try:
        with path.open("rb") as stream:
            start = stream.read(_LENGTH_BYTES + 1)
        size = path.stat().st_size
        changed = size != entry.bytes or (verify and sha256_of(path) != entry.sha256)
    except OSError as error:
        raise MuscleFMError(f"{label} is missing or unreadable", GET_AGAIN) from error
    length = int.from_bytes(start[:_LENGTH_BYTES], "little")
    if length > min(size, _LARGEST_HEADER) or start[_LENGTH_BYTES:] != b"{":
        raise MuscleFMError(
            f"{label} is not a safetensors file; a pickle is never loaded", GET_AGAIN
        )
    if changed:
        raise MuscleFMError(f"{label} has changed: its size or sha256 is wrong", GET_AGAIN)


def read_weights(path: Path, model: str) -> dict[str, Tensor]:
    """Read the tensors of a file.

    Raises
    ------
    MuscleFMError
        It is no safetensors file, or a damaged one.
    """
    try:
        return load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise MuscleFMError(
            f"'{path.name}' of model '{model}' cannot be read as safetensors", GET_AGAIN
        ) from error


def sha256_of(path: Path) -> str:
    """Return the hash of a file, lower-case hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _stored(tensor: Tensor, half: bool) -> Tensor:
    """Return what is stored of a tensor: contiguous, on the CPU, in storage of its own."""
    plain = tensor.detach().cpu()
    if plain.is_floating_point():
        plain = plain.float()
        if half and bool(torch.isfinite(plain.half()).all()):
            plain = plain.half()
    return plain.clone(memory_format=torch.contiguous_format)
