"""Writing results whole or not at all, and over nothing of the user's.

Every file appears under its name only when all of it is on the disk, and a
folder of results only when all of its files are.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.storage.staging import (
    clear_leftovers,
    clear_leftovers_once,
    publication,
    staged,
    sync_folder,
)
from musclefm.storage.targets import require_free, require_new_folder

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def atomic_text(path: Path, text: str, *, new: bool = False) -> None:
    """Write text as UTF-8, whole or not at all.

    Parameters
    ----------
    path, new
        As for :func:`staged_file`.
    text : str
        What to write.

    Raises
    ------
    MuscleFMError
        The file cannot be written; nothing is left behind.
    """
    atomic_bytes(path, text.encode(), new=new)


def atomic_bytes(path: Path, data: bytes, *, new: bool = False) -> None:
    """Write bytes under another name in the same folder, sync, and rename.

    Parameters
    ----------
    path, new
        As for :func:`staged_file`.
    data : bytes
        What to write.

    Raises
    ------
    MuscleFMError
        The file cannot be written; nothing is left behind.
    """
    with staged_file(path, new=new) as temporary, temporary.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def staged_file(final: Path, *, new: bool = False) -> Iterator[Path]:
    """Yield where to write a file, and sync it, that becomes ``final`` when all went well.

    On any exception nothing is left behind, and ``final`` is as before.

    Parameters
    ----------
    final : Path
        Replaced where it is there already.
    new : bool
        Whether it must not be there: for files whose place the user chooses.

    Raises
    ------
    MuscleFMError
        The file cannot be written, or is there already and must not be.
    """
    if new:
        require_free(final)
    with writing_errors(), staged(final.name, final.parent) as temporary:
        clear_leftovers_once(final.parent)
        yield temporary
        with publication(temporary):
            if new:
                _move(temporary, final)
            else:
                temporary.replace(final)
            sync_folder(final.parent)


@contextlib.contextmanager
def staged_folder(final: Path, *, among_others: bool = False) -> Iterator[Path]:
    """Yield a hidden folder for results that becomes ``final`` when all went well.

    A new ``final`` appears as a whole by one rename. Into one that exists the
    files are moved one by one at the end, tables of contents last; nothing that
    is there is replaced. On any exception, an interrupt included, the hidden
    folder is removed and ``final`` is as before.

    Parameters
    ----------
    final : Path
        Folder for the results. Missing parents are made.
    among_others : bool
        Whether it may hold other files already, of other names.

    Yields
    ------
    Path
        An empty folder on the same disk.

    Raises
    ------
    MuscleFMError
        The folder holds other files, cannot be written, is a file, or the disk is full.
    """
    final = final.resolve()
    if not among_others:
        require_new_folder(final)
    with staged_contents(final) as staging:
        yield staging
        with writing_errors(), publication(staging):
            if final.is_dir():
                _move_all(staging, final, among_others)
            else:
                sync_folder(staging)
                staging.rename(final)
                sync_folder(final.parent)


@contextlib.contextmanager
def replaced_folder(final: Path, names: Collection[str]) -> Iterator[Path]:
    """Yield a hidden folder that takes the place of ``final`` when all went well.

    Parameters
    ----------
    final : Path
        A folder of the library's own, which may be there already.
    names : collection of str
        Of all files that the library puts into it.

    Yields
    ------
    Path
        An empty folder on the same disk.

    Raises
    ------
    MuscleFMError
        The folder holds other files, or cannot be written.
    """
    final = final.resolve()
    with writing_errors():
        if not final.is_dir():
            require_free(final)
        elif any(entry.name not in names for entry in final.iterdir()):
            require_new_folder(final)
    with contextlib.ExitStack() as stack:
        with writing_errors():
            staging = stack.enter_context(staged(final.name, final.parent, parents=True))
            staging.mkdir()
            clear_leftovers(final.parent)
        yield staging
        with writing_errors(), publication(staging):
            sync_folder(staging)
            if final.is_dir():
                final.rename(staging.with_name("replaced"))
            staging.rename(final)
            sync_folder(final.parent)


@contextlib.contextmanager
def staged_contents(final: Path) -> Iterator[Path]:
    """Yield an empty hidden folder for what is to lie in ``final``, and remove it at the end.

    Parameters
    ----------
    final : Path
        Resolved. It may exist.

    Raises
    ------
    MuscleFMError
        The folder cannot be written, is a file, or the disk is full.
    """
    # A folder that exists may be a disk of its own, so its results are staged inside it.
    inside = final if final.is_dir() else final.parent
    with contextlib.ExitStack() as stack:
        with writing_errors():
            if final.exists() and not final.is_dir():
                raise MuscleFMError(
                    "the name given for the results is that of a file", "give another folder"
                )
            staging = stack.enter_context(staged(final.name, inside, parents=True))
            staging.mkdir()
            # A writer that was killed may have found no folder yet.
            for place in {inside, final.parent}:
                clear_leftovers(place)
        try:
            yield staging
        except OSError as error:
            # Whatever else fails in the meantime has nothing to do with writing.
            if error.errno in _FULL:
                raise _writing_error(error) from error
            raise


def check_folder(final: Path, *, among_others: bool = False) -> None:
    """Require that results can be put into a folder, before work is spent on them.

    Nothing is left of the attempt.

    Parameters
    ----------
    final, among_others
        As for :func:`staged_folder`.

    Raises
    ------
    MuscleFMError
        The folder holds other files, cannot be written, is a file, or the disk is full.
    """
    final = final.resolve()
    if not among_others:
        require_new_folder(final)
    with staged_contents(final):
        pass


@contextlib.contextmanager
def writing_errors() -> Iterator[None]:
    """Say in words what keeps results from being written."""
    try:
        yield
    except OSError as error:
        raise _writing_error(error) from error


def _move_all(staging: Path, final: Path, among_others: bool) -> None:
    if not among_others:
        require_new_folder(final)
    # Without its table of contents, nobody takes a part of a data set for all of it.
    entries = sorted(staging.iterdir(), key=lambda path: (path.suffix == ".json", path.name))
    for entry in entries:
        require_free(final / entry.name)
    for entry in entries:
        _move(entry, final / entry.name)
    sync_folder(final)


def _move(path: Path, final: Path) -> None:
    """Rename a file or folder to a name that is free; a file that has come there stays."""
    try:
        if path.is_dir():
            path.rename(final)
            return
        os.link(path, final)
        path.unlink()
    except FileExistsError:
        require_free(final)
        raise
    except OSError:
        # Not every disk knows links.
        require_free(final)
        shutil.move(path, final)


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
