"""What is being written lies hidden beside its place, held by a lock, until it is whole.

::

    .NAME.3f9a12bc.partial/
        lock          held while its writer lives
        publishing    there from the moment on at which files of it take their places
        NAME          the file or folder itself

A killed writer's lock is free: whoever writes to the same folder next removes
what it left. Where ``publishing`` is there, some files of it are in their places
already, and it stays until those are replaced, see
:mod:`musclefm.results.folder`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from musclefm.errors import MuscleFMError
from musclefm.storage.lock import NoLocksError, acquired_lock

_LOCK, _PUBLISHING = "lock", "publishing"
_PARTIAL = re.compile(r"\..+\.[0-9a-f]{8}\.partial")
# Names of 255 bytes are the longest, and a letter may take four.
_NAME_LETTERS = 40
# Another thread may add a file to a folder while it is being removed.
_ATTEMPTS = 3
_BUSY = MuscleFMError("another program is writing there", "wait until it is done")

# What is being written, with the folders that were made for it.
_staged: dict[Path, list[Path]] = {}
_swept: set[Path] = set()
_moving = threading.RLock()
_published = 0


@contextlib.contextmanager
def staged(name: str, inside: Path, *, parents: bool = False) -> Iterator[Path]:
    """Yield where to make a file or folder ``name``, hidden in ``inside``; removed at the end.

    Parameters
    ----------
    name : str
        As which it is made.
    inside : Path
        On the same disk as its final place.
    parents : bool
        Whether missing folders are made, and removed where they stay empty.

    Yields
    ------
    Path
        Nothing is there yet.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    missing = [folder for folder in (inside, *inside.parents) if not folder.exists()]
    hidden = inside / f".{name[:_NAME_LETTERS]}.{uuid.uuid4().hex[:8]}.partial"
    # What lies in something that is staged goes with it.
    needs_lock = not _is_staged(inside)
    _staged[hidden] = missing
    lock: FileLock | None = None
    try:
        hidden.mkdir(parents=parents)
        if needs_lock:
            lock = _locked(hidden)
        yield hidden / name
    finally:
        _remove(hidden, missing)
        if lock:
            lock.release()
            # Windows removes no file that is open.
            _remove(hidden, [])
        del _staged[hidden]


@contextlib.contextmanager
def publication(content: Path) -> Iterator[None]:
    """Put something staged into its place, while neither a signal nor another thread ends it.

    Parameters
    ----------
    content : Path
        From :func:`staged`.
    """
    global _published
    with _moving, _signals_later():
        yield
        _published += not _is_staged(content.parent.parent)


def published_count() -> int:
    """Return how many files and folders this process has put into their places."""
    return _published


def discard_staged() -> None:
    """Remove everything that is being written, from whatever thread, just before the end.

    For a program that ends without its threads unwinding. What is being put
    into its final place at this moment is waited for.
    """
    with _moving:
        for hidden, parents in list(_staged.items()):
            _remove(hidden, parents)


def mark_publishing(content: Path) -> None:
    """Note that files of something staged take their places one by one from now on."""
    (content.parent / _PUBLISHING).touch()
    sync_folder(content.parent)


def half_published(folder: Path) -> tuple[Path, ...]:
    """Return the contents of what killed writers had begun to put into a folder file by file."""
    return tuple(
        content
        for hidden in _partials(folder)
        if (hidden / _PUBLISHING).is_file() and _is_abandoned(hidden)
        for content in _contents(hidden)
    )


def clear_leftovers(folder: Path, *, half_published: bool = False) -> None:
    """Remove what killed writers left in a folder; what a living one holds stays.

    Parameters
    ----------
    folder : Path
        Where to look; folders below it are not looked at.
    half_published : bool
        Whether what was put into its place in parts is removed, too.
    """
    for hidden in _partials(folder):
        if half_published or not (hidden / _PUBLISHING).exists():
            _remove_abandoned(hidden)


def clear_leftovers_once(folder: Path) -> None:
    """Do the same, the first time that this process writes to a folder."""
    if folder not in _swept and not _is_staged(folder):
        _swept.add(folder)
        clear_leftovers(folder)


def clear_leftovers_of_user_data(folder: Path) -> None:
    """Remove what killed writers left in the user's data, wherever this library writes there."""
    # Reviews lie deepest: reviews/CASE/results.
    for places in ("", "*/", "*/*/", "*/*/results/"):
        for place in folder.glob(places) if places else (folder,):
            clear_leftovers(place)


def is_partial(name: str) -> bool:
    """Tell whether a name is that of something staged."""
    return bool(_PARTIAL.fullmatch(name))


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, so that they outlast a power cut."""
    # Windows and some network drives know no such thing.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _partials(folder: Path) -> list[Path]:
    """Return what lies staged in a folder and is not of this process."""
    try:
        found = sorted(path for path in folder.iterdir() if is_partial(path.name))
    except OSError:
        return []
    return [
        path for path in found if path not in _staged and path.is_dir() and not path.is_symlink()
    ]


def _contents(hidden: Path) -> list[Path]:
    return sorted(path for path in hidden.iterdir() if path.name not in (_LOCK, _PUBLISHING))


def _is_staged(folder: Path) -> bool:
    return any(hidden == folder or hidden in folder.parents for hidden in list(_staged))


def _locked(hidden: Path) -> FileLock | None:
    for _ in range(_ATTEMPTS):
        try:
            lock = acquired_lock(hidden / _LOCK, _BUSY)
        except NoLocksError:
            # It is written all the same, but nobody can tell it from what was left behind.
            return None
        except (MuscleFMError, FileNotFoundError):
            # Another program took it for abandoned, before it was locked.
            hidden.mkdir(exist_ok=True)
            continue
        if (hidden / _LOCK).exists():
            return lock
        hidden.mkdir(exist_ok=True)
    return None


def _is_abandoned(hidden: Path) -> bool:
    if not (hidden / _LOCK).is_file():
        return False
    try:
        acquired_lock(hidden / _LOCK, _BUSY).release()
        # Some versions of filelock remove the file, and what has none is never removed.
        (hidden / _LOCK).touch()
    except (MuscleFMError, OSError):
        return False
    return True


def _remove_abandoned(hidden: Path) -> None:
    if not (hidden / _LOCK).is_file():
        # What has no lock may be anybody's, unless it holds nothing.
        with contextlib.suppress(OSError):
            hidden.rmdir()
        return
    try:
        lock = acquired_lock(hidden / _LOCK, _BUSY)
    except (MuscleFMError, OSError):
        return
    # Its writer may be about to take the lock, and must find that it is gone.
    _remove(hidden, [])
    lock.release()
    if sys.platform == "win32":
        # It removes no file that is open.
        _remove(hidden, [])


@contextlib.contextmanager
def _signals_later() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _remove(hidden: Path, parents: list[Path]) -> None:
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(OSError):
            # The lock goes last: what has none is never removed.
            for content in _contents(hidden):
                if content.is_dir() and not content.is_symlink():
                    shutil.rmtree(content)
                else:
                    content.unlink()
            for name in (_PUBLISHING, _LOCK):
                (hidden / name).unlink(missing_ok=True)
            hidden.rmdir()
        if not hidden.exists():
            break
    # Those that hold results are not empty and stay.
    for folder in parents:
        with contextlib.suppress(OSError):
            folder.rmdir()
