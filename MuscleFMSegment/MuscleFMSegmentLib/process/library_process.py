"""How the library is run: in a process of its own, which may import torch."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import slicer

from MuscleFMSegmentLib.process.child_process import ChildProcess

PYTHON_VARIABLE = "MUSCLEFM_LIBRARY_PYTHON"
"""Environment variable that names another Python for the library, e.g. one with a newer torch."""

LIBRARY_FOLDER = Path(__file__).resolve().parents[2]
"""The folder that holds the package ``musclefm``, beside the module."""


def libraryPython() -> str:
    """Return the Python that runs the library: Slicer's own, unless another one is named."""
    return os.environ.get(PYTHON_VARIABLE) or shutil.which("PythonSlicer") or sys.executable


def startLibrary(arguments: Sequence[str]) -> ChildProcess:
    """Start ``python -m musclefm`` with arguments.

    Raises
    ------
    OSError
        Python cannot be started.
    """
    isSlicers = not os.environ.get(PYTHON_VARIABLE)
    environment = dict(os.environ) if isSlicers else slicer.util.startupEnvironment()
    paths = [str(LIBRARY_FOLDER), os.environ.get("PYTHONPATH", "") if isSlicers else ""]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    # Progress has to come as it is made, and names as they are written.
    environment |= {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    return ChildProcess([libraryPython(), "-m", "musclefm", *arguments], environment)
