"""Libraries that only the exchange needs, and which users install when they want it."""

from __future__ import annotations

import importlib
from typing import Any

from musclefm.errors import MuscleFMError


def import_extra(name: str) -> Any:
    """Import a library of the optional extra ``exchange``.

    Parameters
    ----------
    name : str
        ``"highdicom"`` or ``"slicerio"``.

    Raises
    ------
    MuscleFMError
        It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MuscleFMError(
            f"this needs {name}, which is not installed", 'run: pip install "musclefm[exchange]"'
        ) from error
