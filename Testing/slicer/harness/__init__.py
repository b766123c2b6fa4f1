"""Slicer's window for tests: the real scene and real Qt, where Slicer cannot be installed.

``boot()`` makes ``qt``, ``ctk`` and ``slicer`` importable as in Slicer and gives the
session, which opens modules and plays the user.
"""

from harness.boot import boot
from harness.session import Session

__all__ = ["Session", "boot"]
