"""slicer.app: the application object, a real QApplication."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtWidgets

from harness.pythonqt.classes import PythonQtType
from harness.pythonqt.fake import Fake, stored
from harness.scene import SceneOfSlicer


class qSlicerApplication(Fake, QtWidgets.QApplication, metaclass=PythonQtType):
    """The application of Slicer 5.12, as far as modules ask it."""

    startupCompleted = QtCore.Signal()
    mrmlSceneChanged = QtCore.Signal(object)
    renderPaused = QtCore.Signal(bool)

    majorVersion = stored(int, 5)
    minorVersion = stored(int, 12)
    temporaryPath = stored(str, "")
    slicerHome = stored(str, "")
    cachePath = stored(str, "")
    documentationBaseUrl = stored(str, "https://slicer.readthedocs.io/en/5.12/")

    def __init__(self, temporary: Path) -> None:
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
        QtCore.QSettings.setPath(
            QtCore.QSettings.Format.IniFormat,
            QtCore.QSettings.Scope.UserScope,
            str(temporary / "settings"),
        )
        super().__init__([sys.argv[0]])
        self.setApplicationName("Slicer")
        self.setOrganizationName("NA-MIC")
        self.setApplicationVersion("5.12.0-2026-07-01")
        self.setQuitOnLastWindowClosed(False)
        self.temporaryPath = str(temporary)
        self.slicerHome = str(temporary / "SlicerHome")
        self._settings = QtCore.QSettings()
        self._parts: dict[str, Any] = {}

    def _start(self, slicerScene: SceneOfSlicer, **parts: Any) -> None:
        """Take up the scene, and the parts: layoutManager, moduleManager, coreIOManager."""
        self._slicerScene, self._parts = slicerScene, parts

    def mrmlScene(self) -> Any:
        return self._slicerScene.scene

    def applicationLogic(self) -> Any:
        return self._slicerScene.applicationLogic

    def layoutManager(self) -> Any:
        return self._parts["layoutManager"]

    def moduleManager(self) -> Any:
        return self._parts["moduleManager"]

    def coreIOManager(self) -> Any:
        return self._parts["ioManager"]

    def ioManager(self) -> Any:
        return self._parts["ioManager"]

    def settings(self) -> QtCore.QSettings:
        return self._settings

    def testingEnabled(self) -> bool:
        return False

    def startupEnvironment(self) -> QtCore.QProcessEnvironment:
        return QtCore.QProcessEnvironment.systemEnvironment()

    def environment(self) -> QtCore.QProcessEnvironment:
        return QtCore.QProcessEnvironment.systemEnvironment()

    def moduleDocumentationUrl(self, name: str) -> str:
        return f"{self.documentationBaseUrl}user_guide/modules/{name.lower()}.html"

    def setRenderPaused(self, paused: bool) -> None:
        self.renderPaused.emit(paused)
