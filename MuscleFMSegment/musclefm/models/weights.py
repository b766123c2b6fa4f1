"""Tensors in one file of weights of a bundle: written with its hash, read as safetensors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.models.weight_files import GET_AGAIN, WeightFile
from musclefm.storage.regular_file import sha256_of


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


def _stored(tensor: Tensor, half: bool) -> Tensor:
    """Return what is stored of a tensor: contiguous, on the CPU, in storage of its own."""
    plain = tensor.detach().cpu()
    if plain.is_floating_point():
        plain = plain.float()
        if half and bool(torch.isfinite(plain.half()).all()):
            plain = plain.half()
    return plain.clone(memory_format=torch.contiguous_format)
