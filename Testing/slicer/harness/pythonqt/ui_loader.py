"""Slicer's way with .ui files: fakes for its widgets, and connections with vtk types."""

from __future__ import annotations

import types
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from harness.pythonqt.classes import PythonQtObject
from harness.pythonqt.signals import split
from harness.pythonqt.ui_file import UiFile


class UiLoader(QtUiTools.QUiLoader):
    """QUiLoader whose widgets are those of ``qt``, ``ctk`` and ``slicer``.

    ``qt`` is the module to take Qt's classes from, ``fakes`` holds the classes of the
    others by name.
    """

    qt: types.ModuleType
    fakes: dict[str, type] = {}  # noqa: RUF012

    def createWidget(self, kind: str, parent: Any = None, name: str = "") -> QtWidgets.QWidget:
        widget = self._make(kind, parent)
        widget.setObjectName(name)
        return widget

    def createLayout(self, kind: str, parent: Any = None, name: str = "") -> QtWidgets.QLayout:
        # A layout within another layout has no parent until it is added there.
        isWidget = isinstance(parent, QtWidgets.QWidget)
        layout = getattr(self.qt, kind)(parent) if isWidget else getattr(self.qt, kind)()
        layout.setObjectName(name)
        return layout

    def load(self, file: QtCore.QFile, parent: Any = None) -> QtWidgets.QWidget | None:
        description = UiFile.read(file.fileName())
        description.check()
        buffer = QtCore.QBuffer()
        buffer.setData(description.forQt())
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        # PySide6 makes the children attributes of the widget, which PythonQt does not.
        PythonQtObject._guarded = False
        try:
            widget = super().load(buffer, parent)
        finally:
            PythonQtObject._guarded = True
        if widget is not None:
            for child in widget.findChildren(QtCore.QObject):
                vars(widget).pop(child.objectName, None)
            for connection in description.slicerConnections():
                _connect(widget, *connection)
        return widget

    def _make(self, kind: str, parent: Any) -> QtWidgets.QWidget:
        found = self.fakes.get(kind) or getattr(self.qt, kind, None)
        if found is None:
            raise NotImplementedError(f"the harness has no {kind}, which the .ui file names")
        return found(parent)


def _connect(root: QtWidgets.QWidget, sender: str, signal: str, receiver: str, slot: str) -> None:
    source = root if root.name == sender else root.findChild(QtWidgets.QWidget, sender)
    target = root if root.name == receiver else root.findChild(QtWidgets.QWidget, receiver)
    source.connect(signal, getattr(target, split(slot)[0]))
