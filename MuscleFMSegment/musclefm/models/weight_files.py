"""Files of weights as files: what the manifest says of them, and whether they are that."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from musclefm.errors import MuscleFMError
from musclefm.storage.regular_file import open_regular, sha256_of

GET_AGAIN = "get the model again"

# A safetensors file starts with the length of its header, then the header's JSON.
_LENGTH_BYTES = 8
# ViT-H's takes less than 0.1 MB.
_LARGEST_HEADER = 4 << 20


class WeightFile(BaseModel):
    """A file of weights beside ``model.json``.

    Attributes
    ----------
    file : str
        Its name, without a folder.
    bytes : int
        Size of the file.
    sha256 : str
        Its hash, lower-case hexadecimal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors$", max_length=100)
    bytes: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


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
        with open_regular(path, links=False) as stream:
            start = stream.read(_LENGTH_BYTES + 1)
            size = os.fstat(stream.fileno()).st_size
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
