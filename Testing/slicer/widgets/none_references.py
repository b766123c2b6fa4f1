"""Outlives a fault of PySide6 that ends long test runs."""

from __future__ import annotations

import ctypes
import sys


def giveNoneManyReferences() -> None:
    """Keep None from being deallocated.

    Each call of PySide6 6.12 that returns None takes a reference from it, and up to
    Python 3.11 the interpreter ends when none is left.
    """
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40
