"""Whether a results folder is one of this library, and as it was written."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from musclefm.errors import MuscleFMError
from musclefm.results.files import PROVENANCE_FILE, READ_FILES
from musclefm.storage.regular_file import read_regular, sha256_of
from musclefm.storage.staging import half_published

_SHA256 = "^[0-9a-f]{64}$"
_LARGEST_PROVENANCE = 1 << 20


class WrittenFile(BaseModel):
    """A file of results as its provenance names it."""

    model_config = ConfigDict(frozen=True)

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=_SHA256)


class _Model(BaseModel):
    sha256: str = Field(pattern=_SHA256)
    label_scheme: str


class _Input(BaseModel):
    sha256: str = Field(pattern=_SHA256)
    voxels_sha256: dict[str, str] = {}


class _Provenance(BaseModel):
    """What makes a provenance one of this library; earlier versions lack files and notes."""

    model: _Model
    input: _Input
    files: dict[str, WrittenFile] | None = None
    notes: list[str] = []


def read_provenance(results: Path) -> dict[str, Any]:
    """Return what the provenance says.

    Raises
    ------
    MuscleFMError
        The folder holds no results of this library.
    """
    content = content_of(results / PROVENANCE_FILE)
    if content is None or parsed_provenance(content) is None:
        raise MuscleFMError(
            f"the folder holds no results of a case (no {PROVENANCE_FILE} of musclefm)",
            "give one that 'musclefm segment' wrote",
        )
    return dict(json.loads(content))


def holds_results(folder: Path) -> bool:
    """Tell whether a folder holds results of this library."""
    content = content_of(folder / PROVENANCE_FILE)
    return content is not None and parsed_provenance(content) is not None


def require_unchanged(results: Path, names: Collection[str] = READ_FILES) -> None:
    """Require that files of results are those that their provenance names.

    Results of earlier versions, whose provenance names no files, are taken as they are.

    Parameters
    ----------
    results : Path
        Folder of results.
    names : collection of str
        Those that are read.

    Raises
    ------
    MuscleFMError
        The folder holds files of two runs, or one was changed, added or removed.
    """
    content = content_of(results / PROVENANCE_FILE)
    provenance = parsed_provenance(content) if content else None
    if provenance is None or provenance.files is None:
        return
    for name in names:
        written = provenance.files.get(name)
        if written is None and not os.path.lexists(results / name):
            continue
        if written is None or not is_written(results / name, [written]):
            raise _of_two_runs() if half_published(results) else _changed(name)


def content_of(path: Path) -> bytes | None:
    """Return a provenance file as it stands; None where there is none of its size and kind."""
    try:
        return read_regular(path, _LARGEST_PROVENANCE, links=False)
    except OSError:
        return None


def parsed_provenance(content: bytes) -> _Provenance | None:
    """Return what makes it a provenance of this library; None where it is none."""
    try:
        return _Provenance.model_validate_json(content)
    except ValidationError:
        return None


def is_written(path: Path, files: Collection[WrittenFile]) -> bool:
    """Tell whether a file is one of these, by size and hash."""
    if path.is_symlink() or not path.is_file():
        return False
    size = path.stat().st_size
    same_size = {file.sha256 for file in files if file.bytes == size}
    return bool(same_size) and sha256_of(path) in same_size


def _of_two_runs() -> MuscleFMError:
    return MuscleFMError(
        "the folder holds files of two runs, of which the second was killed",
        "segment the scan again into the same folder",
    )


def _changed(name: str) -> MuscleFMError:
    return MuscleFMError(
        f"{name} is not as it was written beside its {PROVENANCE_FILE}",
        "bring it back from a copy, or segment the scan again into a new folder",
    )
