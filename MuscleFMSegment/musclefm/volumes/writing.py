"""Writing results whole or not at all.

Every file appears under its name only when all of it is on the disk, and a
folder of results only when all of its files are.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.volumes.encoding import encode_volume
from musclefm.volumes.volume import Volume

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

# Another thread may add a file to a folder while it is being removed.
_ATTEMPTS = 3

# What is being written, with the folders that were made for it; and held while
# something is put into its final place.
_staged: dict[Path, list[Path]] = {}
_publishing = threading.RLock()


def write_volume(volume: Volume, path: Path) -> None:
    """Write a volume as NIfTI, NRRD or MetaImage, by the end of the name.

    The grid is kept: oblique, flipped and left-handed alike. NIfTI stores its
    matrix in float32, the other two every digit. The same volume always gives
    the same bytes.

    Parameters
    ----------
    volume : Volume
        ``(K, J, I)`` of bool, an integer type or float32/float64.
    path : Path
        Ends in ``.nii``, ``.nii.gz``, ``.nrrd`` or ``.mha``.

    Raises
    ------
    MuscleFMError
        The name ends otherwise, or the file cannot be written; nothing is left
        behind then.
    """
    atomic_bytes(path, encode_volume(volume, path.name))


def atomic_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all.

    Raises
    ------
    MuscleFMError
        The file cannot be written; nothing is left behind.
    """
    atomic_bytes(path, text.encode())


def atomic_bytes(path: Path, data: bytes) -> None:
    """Write bytes under another name in the same folder, sync, and rename.

    Raises
    ------
    MuscleFMError
        The file cannot be written; nothing is left behind.
    """
    with staged_file(path) as temporary, temporary.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def staged_file(final: Path) -> Iterator[Path]:
    """Yield where to write a file, and sync it, that becomes ``final`` when all went well.

    On any exception nothing is left behind, and ``final`` is as before.

    Raises
    ------
    MuscleFMError
        The file cannot be written.
    """
    temporary = _hidden(final.parent, final.name)
    with _registered(temporary, []), _told():
        yield temporary
        with _publishing:
            temporary.replace(final)
            _sync(final.parent)


@contextlib.contextmanager
def staged_folder(final: Path) -> Iterator[Path]:
    """Yield a hidden folder for results that becomes ``final`` when all went well.

    A new ``final`` appears as a whole by one rename. Where it exists already,
    files of the same names are replaced one by one at the end, and others stay.
    On any exception, an interrupt included, the hidden folder is removed and
    ``final`` is as before.

    Parameters
    ----------
    final : Path
        Folder for the results. Missing parents are made.

    Yields
    ------
    Path
        An empty folder on the same disk.

    Raises
    ------
    MuscleFMError
        The folder cannot be written, is a file, or the disk is full.
    """
    final = final.resolve()
    with _staging(final) as staging:
        try:
            yield staging
        except OSError as error:
            # Whatever else fails in the meantime has nothing to do with writing.
            if error.errno in _FULL:
                raise _writing_error(error) from error
            raise
        with _told(), _publishing:
            if final.is_dir():
                _replace_files(staging, final)
            else:
                _sync(staging)
                staging.rename(final)
                _sync(final.parent)


def check_folder(final: Path) -> None:
    """Require that results can be put into a folder, before work is spent on them.

    Nothing is left of the attempt.

    Raises
    ------
    MuscleFMError
        The folder cannot be written, is a file, or the disk is full.
    """
    with _staging(final.resolve()):
        pass


def discard_staged() -> None:
    """Remove everything that is being written, from whatever thread, just before the end.

    For a program that ends without its threads unwinding. What is being put
    into its final place at this moment is waited for.
    """
    with _publishing:
        for hidden, parents in list(_staged.items()):
            _remove(hidden, parents)


def _replace_files(staging: Path, final: Path) -> None:
    files = [file.relative_to(staging) for file in sorted(staging.rglob("*")) if file.is_file()]
    if any((final / file).is_dir() for file in files):
        raise MuscleFMError(
            "a folder has the name of a result", "move it away or give another folder"
        )
    for file in files:
        (final / file).parent.mkdir(parents=True, exist_ok=True)
        (staging / file).replace(final / file)
        _sync((final / file).parent)


def _sync(folder: Path) -> None:
    """Put the names in a folder on the disk, so that they outlast a power cut."""
    # Windows and some network drives know no such thing.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _staging(final: Path) -> Iterator[Path]:
    """Yield a new hidden folder for the results of ``final``, and remove it at the end."""
    with _told():
        if final.exists() and not final.is_dir():
            raise MuscleFMError(
                "the name given for the results is that of a file", "give another folder"
            )
        # A folder that exists may be a disk of its own, so its results are staged inside it.
        staging = _hidden(final if final.is_dir() else final.parent, final.name)
        missing = [folder for folder in staging.parents if not folder.exists()]
    with _registered(staging, missing):
        with _told():
            staging.mkdir(parents=True)
        yield staging


@contextlib.contextmanager
def _registered(hidden: Path, parents: list[Path]) -> Iterator[None]:
    """Remove a hidden file or folder at the end, with parents that were made for nothing."""
    _staged[hidden] = parents
    try:
        yield
    finally:
        _remove(hidden, parents)
        del _staged[hidden]


def _remove(hidden: Path, parents: list[Path]) -> None:
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(OSError):
            if hidden.is_dir():
                shutil.rmtree(hidden)
            hidden.unlink(missing_ok=True)
            break
    # Those that hold results are not empty and stay.
    for folder in parents:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _writing_error(error) from error


def _writing_error(error: OSError) -> MuscleFMError:
    # The file is not named: its name or folder may name a patient.
    if error.errno in _FULL:
        return MuscleFMError(
            "the disk is full or its quota is used up",
            "free some space or write to another folder",
        )
    return MuscleFMError(
        f"the results cannot be written ({error.strerror or 'input or output error'})",
        "check the access rights of the folder or give another",
    )


def _hidden(folder: Path, name: str) -> Path:
    return folder / f".{name}.{uuid.uuid4().hex[:8]}.partial"
