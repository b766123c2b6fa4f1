"""The folder of a case's results: whose it is, how it is replaced, and whether it is whole.

``provenance.json`` names every other file with its size and hash. So a folder is
this library's only where its provenance lies in it, a file that the user has
changed is never replaced, and a reader notices files of two runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from musclefm.errors import MuscleFMError
from musclefm.review.session import SESSION_FILE
from musclefm.storage.atomic import atomic_text, staged_contents, writing_errors
from musclefm.storage.staging import (
    clear_leftovers,
    half_published,
    is_partial,
    mark_publishing,
    publication,
    sync_folder,
)
from musclefm.storage.targets import ANOTHER_FOLDER

PROVENANCE_FILE = "provenance.json"
FAT_FRACTION_FILE = "fat_fraction.nii.gz"
RESULT_FILES = (
    "labels.nii.gz",
    "labels.seg.nrrd",
    "regions.nii.gz",
    "uncertainty.nii.gz",
    "aleatoric.nii.gz",
    "epistemic.nii.gz",
    FAT_FRACTION_FILE,
    "regions.json",
    "muscles.csv",
    "report.html",
)
"""All files that results may consist of, beside their provenance."""

READ_FILES = tuple(name for name in RESULT_FILES if name not in ("labels.nii.gz", "report.html"))
"""Those that this library reads again; the others are for other programs."""

_SHA256 = "^[0-9a-f]{64}$"
_LARGEST_PROVENANCE = 1 << 20


class _WrittenFile(BaseModel):
    model_config = ConfigDict(frozen=True)

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=_SHA256)


class _Model(BaseModel):
    sha256: str = Field(pattern=_SHA256)
    label_scheme: str


class _Input(BaseModel):
    sha256: str = Field(pattern=_SHA256)


class _Provenance(BaseModel):
    """What makes a provenance.json one of this library; earlier versions name no files."""

    model: _Model
    input: _Input
    files: dict[str, _WrittenFile] | None = None


def check_results_folder(out: Path, inputs: Iterable[Path] = ()) -> None:
    """Require that results can be put into a folder, before work is spent on them.

    Parameters
    ----------
    out : Path
        Is not there yet, is empty, or holds results of this library as they were
        written, beside which other files may lie.
    inputs : iterable of Path
        Files and folders that are read, none of which may be replaced.

    Raises
    ------
    MuscleFMError
        The folder holds something else, or a review of its results; an input would be
        replaced; or it cannot be written.
    """
    out = out.resolve()
    with writing_errors():
        _refuse_inputs(out, inputs)
        _refuse_foreign(out)
    with staged_contents(out):
        pass


@contextlib.contextmanager
def staged_results(out: Path) -> Iterator[Path]:
    """Yield a hidden folder for results, which take the place of earlier ones when all went well.

    A new folder appears by one rename. In one that exists, the files are replaced one
    by one and the provenance last: whoever opens a folder of which only a part was
    replaced notices by the hashes. On any exception ``out`` is as before.

    Parameters
    ----------
    out : Path
        See :func:`check_results_folder`.

    Yields
    ------
    Path
        An empty folder; :func:`write_provenance` is to be called for it at last.

    Raises
    ------
    MuscleFMError
        As :func:`check_results_folder`, or the disk is full.
    """
    out = out.resolve()
    with writing_errors():
        _refuse_foreign(out)
    with staged_contents(out) as folder:
        yield folder
        with writing_errors(), publication(folder):
            if out.is_dir():
                _refuse_foreign(out)
                _replace(folder, out)
            else:
                sync_folder(folder)
                folder.rename(out)
                sync_folder(out.parent)


def write_provenance(folder: Path, provenance: Mapping[str, object]) -> None:
    """Write what made results, with size and hash of each of their files, which are there.

    Raises
    ------
    MuscleFMError
        It cannot be written.
    """
    files = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": _sha256(folder / name)}
        for name in RESULT_FILES
        if (folder / name).is_file()
    }
    text = json.dumps({**provenance, "files": files}, indent=2) + "\n"
    atomic_text(folder / PROVENANCE_FILE, text)


def read_provenance(results: Path) -> dict[str, Any]:
    """Return what provenance.json says.

    Raises
    ------
    MuscleFMError
        The folder holds no results of this library.
    """
    content = _content(results / PROVENANCE_FILE)
    if content is None or _parsed(content) is None:
        raise MuscleFMError(
            "the folder holds no results of a case", "give one that 'musclefm segment' wrote"
        )
    return dict(json.loads(content))


def holds_results(folder: Path) -> bool:
    """Tell whether a folder holds results of this library."""
    content = _content(folder / PROVENANCE_FILE)
    return content is not None and _parsed(content) is not None


def require_unchanged(results: Path, names: Collection[str] = READ_FILES) -> None:
    """Require that files of results are those that their provenance names.

    Results of earlier versions, whose provenance names no files, are taken as they are.

    Parameters
    ----------
    results : Path
        The folder.
    names : collection of str
        Those that are read.

    Raises
    ------
    MuscleFMError
        The folder holds files of two runs, or one was changed, added or removed.
    """
    content = _content(results / PROVENANCE_FILE)
    provenance = _parsed(content) if content else None
    if provenance is None or provenance.files is None:
        return
    for name in names:
        written = provenance.files.get(name)
        if written is None and not os.path.lexists(results / name):
            continue
        if written is None or not _is_written(results / name, [written]):
            raise _of_two_runs() if half_published(results) else _changed(name)


def _refuse_inputs(out: Path, inputs: Iterable[Path]) -> None:
    places = [out, *(out / name for name in (*RESULT_FILES, PROVENANCE_FILE))]
    for given in inputs:
        if any(place.exists() and given.exists() and place.samefile(given) for place in places):
            raise MuscleFMError("the results would replace the image itself", ANOTHER_FOLDER)


def _refuse_foreign(out: Path) -> None:
    """Refuse a folder in which something of the user's could be replaced."""
    if not out.is_dir():
        return
    if all(is_partial(path.name) for path in out.iterdir()) and not half_published(out):
        return
    known = _known_files(out)
    if (out / SESSION_FILE).exists():
        raise MuscleFMError("the folder holds a review of its results", ANOTHER_FOLDER)
    for name in RESULT_FILES:
        if os.path.lexists(out / name) and not _is_written(out / name, known.get(name, [])):
            raise MuscleFMError(
                f"{name} in the folder for the results was changed or is not of MuscleFM",
                ANOTHER_FOLDER,
            )


def _known_files(out: Path) -> dict[str, list[_WrittenFile]]:
    """Return the files that runs of this library wrote, those of a killed one included."""
    known: dict[str, list[_WrittenFile]] = {}
    found = False
    for folder in (out, *half_published(out)):
        content = _content(folder / PROVENANCE_FILE)
        provenance = _parsed(content) if content else None
        if provenance is None:
            continue
        found = True
        if provenance.files is None:
            raise MuscleFMError(
                "the folder holds results of an earlier version, which may have been changed",
                ANOTHER_FOLDER,
            )
        for name, file in provenance.files.items():
            known.setdefault(name, []).append(file)
    if not found:
        raise MuscleFMError(
            "the folder for the results holds files that are not of MuscleFM", ANOTHER_FOLDER
        )
    return known


def _replace(folder: Path, out: Path) -> None:
    mark_publishing(folder)
    for name in RESULT_FILES:
        if (folder / name).is_file():
            (folder / name).replace(out / name)
        else:
            # That of an earlier run would pass for this one's.
            (out / name).unlink(missing_ok=True)
    sync_folder(out)
    (folder / PROVENANCE_FILE).replace(out / PROVENANCE_FILE)
    sync_folder(out)
    clear_leftovers(out, half_published=True)


def _content(path: Path) -> bytes | None:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST_PROVENANCE:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _parsed(content: bytes) -> _Provenance | None:
    try:
        return _Provenance.model_validate_json(content)
    except ValidationError:
        return None


def _is_written(path: Path, files: Collection[_WrittenFile]) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    size = path.stat().st_size
    same_size = {file.sha256 for file in files if file.bytes == size}
    return bool(same_size) and _sha256(path) in same_size


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


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
