"""Opening a file for reading, and nothing else that may bear its name.

A FIFO makes whoever opens it wait for a writer that may never come, a device
may hold bytes without end or do something when it is opened, and a file whose
size is not limited may fill the memory.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

# Neither waits for the other end of a FIFO, nor hands the file on to other programs.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)


class NotRegularFileError(OSError):
    """What was to be read is a folder, a FIFO, a device, a socket, or a link where none may be."""

    def __init__(self, kind: str) -> None:
        super().__init__(errno.EINVAL, f"it is {kind}, not a file")


class LargeFileError(OSError):
    """A file is larger than what its content can need."""

    def __init__(self, most: int) -> None:
        super().__init__(errno.EOVERFLOW, f"it is larger than {most / 1e6:.4g} MB")


def is_file(path: Path) -> bool:
    """Tell whether there is a file, or a link to one; False where nobody can look.

    ``Path.is_file`` raises where a folder may not be searched or a name is too long.
    """
    return _is_kind(path, stat.S_ISREG)


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder, or a link to one; False where nobody can look."""
    return _is_kind(path, stat.S_ISDIR)


def open_regular(path: Path, *, links: bool = True) -> BinaryIO:
    """Open a regular file for reading; never wait for anything else.

    Parameters
    ----------
    path : Path
        The file.
    links : bool
        Whether ``path`` itself may be a symbolic link to a file: True for what
        the user names, False for what another file names.

    Returns
    -------
    BinaryIO
        Buffered, at the first byte.

    Raises
    ------
    NotRegularFileError
        It is something else than a file. This is an ``OSError`` whose
        ``strerror`` says what, and names no path.
    OSError
        It is missing or may not be read.
    """
    # Opening a device can already do something, so it is looked at before.
    _require_regular(path.stat(follow_symlinks=links))
    descriptor = os.open(path, _FLAGS | (0 if links else getattr(os, "O_NOFOLLOW", 0)))
    try:
        # In between it may have been replaced.
        _require_regular(os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, most: int, *, links: bool = True) -> bytes:
    """Return the content of a regular file of at most ``most`` bytes.

    Raises
    ------
    LargeFileError
        It is larger; an ``OSError`` whose ``strerror`` says so.
    NotRegularFileError, OSError
        As :func:`open_regular`.
    """
    with open_regular(path, links=links) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise LargeFileError(most)
    return content


def sha256_of(path: Path) -> str:
    """Return the hash of a regular file, lower-case hexadecimal.

    Raises
    ------
    NotRegularFileError, OSError
        As :func:`open_regular`.
    """
    with open_regular(path) as file:
        return digest_of(file)


def digest_of(file: BinaryIO) -> str:
    """Return the sha256 of what is left of an open file, lower-case hexadecimal."""
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def _is_kind(path: Path, is_kind: Callable[[int], bool]) -> bool:
    try:
        return is_kind(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _require_regular(status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFLNK: "a link"}
    raise NotRegularFileError(kinds.get(stat.S_IFMT(status.st_mode), "a device or a socket"))
