"""The module ``qt`` that PythonQt would give, on PySide6."""

from __future__ import annotations

import types

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
    # PySide6 looks for this static function in the class itself, before any base class.
    module.QTimer.singleShot = staticmethod(QtCore.QTimer.singleShot)
    module.QUiLoader = type("QUiLoader", (UiLoader,), {"qt": module})
    return module
