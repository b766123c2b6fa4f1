"""Tells whether an error means that memory ran out, whichever library raised it."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from musclefm.errors import MuscleFMError

# How allocators, loaders of shared libraries, ITK, CUDA and Windows call it.
_WORDS = (
    "allocate memory",
    "unable to allocate",
    "failed to allocate",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "bad allocation",
    "failed to map segment",
    "cannot map",
    "paging file is too small",
    "can't start new thread",
    "os error 12",
)
_KINDS = (RuntimeError, ImportError, OSError, SystemError)
_WINDOWS_COMMIT_LIMIT = 1455


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error, or one that led to it, says that memory ran out.

    Parameters
    ----------
    error : BaseException
        A ``MemoryError``, a ``RuntimeError`` of torch, SimpleITK or threading, an
        ``ImportError`` of a library that cannot be mapped, an ``OSError``.
    """
    return any(map(_says_so, _chain(error)))


def out_of_memory_error() -> MuscleFMError:
    """Return the error that the user reads."""
    return MuscleFMError("there is too little memory", "close other programs or crop the image")


def _says_so(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, MuscleFMError):
        return False
    if isinstance(error, OSError) and (
        error.errno == errno.ENOMEM or getattr(error, "winerror", None) == _WINDOWS_COMMIT_LIMIT
    ):
        return True
    # Some libraries derive from Exception alone.
    named = type(error).__name__ in ("OutOfMemoryError", "SafetensorError")
    if not isinstance(error, _KINDS) and not named:
        return False
    message = str(error).lower()
    return any(word in message for word in _WORDS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    next_one: BaseException | None = error
    while next_one is not None and id(next_one) not in seen:
        seen.add(id(next_one))
        yield next_one
        next_one = next_one.__cause__ or (
            None if next_one.__suppress_context__ else next_one.__context__
        )
