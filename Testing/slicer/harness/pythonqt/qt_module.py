"""The module ``qt`` that PythonQt would give, on PySide6."""

from __future__ import annotations

import types
from typing import Any

from PySide6 import QtCore

from harness.pythonqt.classes import pythonQtClass
from harness.pythonqt.dialogs import RECORDED
from harness.pythonqt.properties import MODULES, qtClasses, showPropertiesAsAttributes
from harness.pythonqt.ui_loader import UiLoader


def makeQt() -> types.ModuleType:
    """Return ``qt``: Qt's classes with PythonQt's manners, under Qt 5's names."""
    module = types.ModuleType("qt")
    objects = qtClasses()
    showPropertiesAsAttributes(objects)
    for source in MODULES:
        for name in dir(source):
            if name.startswith("Q"):
                setattr(module, name, getattr(source, name))
    for name, plain in objects.items():
        setattr(module, name, pythonQtClass(plain, RECORDED.get(name)))
    _silenceTimers(module)
    module.QUiLoader = type("QUiLoader", (UiLoader,), {"qt": module})
    module.__getattr__ = _missing
    return module


def _silenceTimers(module: types.ModuleType) -> None:
    """Let static functions keep to the plain class: PySide6 looks for them there."""
    module.QTimer.singleShot = staticmethod(QtCore.QTimer.singleShot)


def _missing(name: str) -> Any:
    raise AttributeError(f"qt has no {name!r}")
