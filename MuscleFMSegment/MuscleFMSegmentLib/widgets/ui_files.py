"""Loading the files of Qt Designer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer

_FOLDER = Path(__file__).resolve().parents[2] / "Resources" / "UI"


def loadForm(name: str) -> Any:
    """Return the widget of ``Resources/UI/<name>.ui``, with the scene set where it takes one."""
    widget = slicer.util.loadUI(str(_FOLDER / f"{name}.ui"))
    if hasattr(widget, "setMRMLScene"):
        widget.setMRMLScene(slicer.mrmlScene)
    return widget


def widgetsOf(form: Any) -> Any:
    """Return an object that has the named widgets of a form as attributes."""
    return slicer.util.childWidgetVariables(form)
