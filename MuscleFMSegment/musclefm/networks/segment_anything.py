"""The networks of the package segment-anything, without the rest of it.

Its ``__init__`` also imports what prompts SAM by hand, and with that torchvision, which
takes longer to import than torch and which nothing here needs. So its package is entered
by the side door, and the door is closed again: whoever imports it as a whole gets it whole.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

_PACKAGE = "segment_anything"


def _modeling() -> Any:
    """Import ``segment_anything.modeling`` without ``segment_anything/__init__.py``."""
    if _PACKAGE in sys.modules:
        return importlib.import_module(f"{_PACKAGE}.modeling")
    found = importlib.util.find_spec(_PACKAGE)
    if found is None:
        raise ModuleNotFoundError("No module named 'segment_anything'", name=_PACKAGE)
    package = ModuleType(_PACKAGE)
    package.__path__ = list(found.submodule_search_locations or ())
    sys.modules[_PACKAGE] = package
    try:
        return importlib.import_module(f"{_PACKAGE}.modeling")
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == _PACKAGE]:
            del sys.modules[name]


modeling = _modeling()
"""segment-anything's ``modeling``."""
