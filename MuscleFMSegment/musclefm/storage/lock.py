"""Locks of the operating system, which end with the process that holds them."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from musclefm.errors import MuscleFMError

# What flock says of a lock that another program holds; some network drives say EACCES.
_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


class NoLocksError(MuscleFMError):
    """The disk knows no locks."""


def acquired_lock(path: Path, busy: MuscleFMError, timeout_s: float = 0.0) -> FileLock:
    """Take a lock, which its ``release`` gives back.

    Parameters
    ----------
    path : Path
        The lock file, in a folder that exists. It is made with the rights that the
        user gives new files, so that a group can share it, and stays.
    busy : MuscleFMError
        Raised where another program holds the lock.
    timeout_s : float
        How many seconds to wait for that program.

    Raises
    ------
    MuscleFMError
        ``busy``; or the lock file is a link, a folder or a device.
    NoLocksError
        The disk knows no locks; raised without waiting.
    OSError
        The lock file cannot be made or opened.
    """
    _require_locks(path)
    lock = FileLock(path, timeout=timeout_s)
    try:
        lock.acquire()
    except Timeout:
        raise busy from None
    return lock


def _require_locks(path: Path) -> None:
    """Take the lock once: filelock waits for a disk without locks as for another program."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise MuscleFMError(
                "a lock file is a link, a folder or a device", "remove it and try again"
            )
    except FileNotFoundError:
        pass
    # Locks of Windows belong to every disk.
    if sys.platform == "win32":
        return
    import fcntl

    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _HELD:
            raise NoLocksError(
                f"the disk knows no locks ({error.strerror or 'input or output error'}), so "
                "programs that write there at once would harm one another's work",
                "use a folder on another disk, or let its administrator turn locks on",
            ) from error
    finally:
        os.close(descriptor)
