"""The plain widgets that know the scene."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from harness.pythonqt.classes import PythonQtType
from harness.pythonqt.fake import Fake


class qMRMLWidget(Fake, QtWidgets.QWidget, metaclass=PythonQtType):
    """A widget that hands the scene on to those in it."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qSlicerWidget(Fake, QtWidgets.QWidget, metaclass=PythonQtType):
    """Likewise, in Slicer's own library."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene = None

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)
