"""Slicer's own pure Python packages in place of the stand-ins, where a copy of them is named."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import ModuleType

import slicer

VARIABLE = "MUSCLEFM_SLICER_BASE"
"""Environment variable that names a copy of the folder ``Base/Python`` of Slicer's sources."""

_WIDGET = re.compile(r"\b(ctk|slicer)\.((?:ctk|qMRML|qSlicer)\w+)")


def useSlicersOwn() -> Path | None:
    """Let what slicer-core lacks be imported from Slicer's own package ``slicer``.

    Returns its folder, None where the stand-ins serve.

    Raises
    ------
    FileNotFoundError
        What is named holds no such package.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    folder = Path(named).resolve() / "slicer"
    if not (folder / "packaging.py").is_file():
        raise FileNotFoundError(f"{VARIABLE}: {named} is no copy of Slicer's Base/Python")
    if str(folder) not in slicer.__path__:
        slicer.__path__.append(str(folder))
    return folder


def nameWidgets(folder: Path, ctk: ModuleType) -> None:
    """Give names to the widgets whose types parameterNodeWrapper compares and no test shows."""
    owners = {"ctk": ctk, "slicer": slicer}
    for path in (folder / "parameterNodeWrapper").glob("*.py"):
        for owner, name in _WIDGET.findall(path.read_text("utf-8")):
            if not hasattr(owners[owner], name):
                setattr(owners[owner], name, type(name, (), {}))
