"""Slicer's main window: the module's panel at the left, the slice views at the right."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from harness.modules import qSlicerModuleManager, qSlicerScriptedLoadableModuleWidget
from harness.pythonqt.classes import PythonQtType
from harness.pythonqt.fake import Fake

PANEL_WIDTH = 500


class qSlicerModuleSelectorToolBar(Fake, QtWidgets.QToolBar, metaclass=PythonQtType):
    """Shows a module in the panel; the one before is left, as in Slicer."""

    moduleSelected = QtCore.Signal(str)

    def __init__(self, manager: qSlicerModuleManager, panel: QtWidgets.QScrollArea) -> None:
        super().__init__()
        self._manager, self._panel, self._selected = manager, panel, ""
        self._title = QtWidgets.QLabel("Modules:")
        self.addWidget(self._title)

    def selectModule(self, name: str) -> None:
        if name == self._selected:
            return
        before = self._panel.takeWidget()
        if isinstance(before, qSlicerScriptedLoadableModuleWidget):
            before.exit()
            before.hide()
        module = self._manager.module(name)
        widget = module.widgetRepresentation() if module else None
        self._selected = name
        self._title.setText(f"Modules:  {module.title if module else 'Welcome'}")
        if widget is not None:
            self._panel.setWidget(widget)
            widget.show()
            widget.enter()
        self.moduleSelected.emit(name)

    selectedModule = QtCore.Property(str, lambda self: self._selected)


class qSlicerMainWindow(Fake, QtWidgets.QMainWindow, metaclass=PythonQtType):
    """The window that a user sees."""

    def __init__(self, manager: qSlicerModuleManager) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle("3D Slicer 5.12 (widget test harness)")
        splitter = QtWidgets.QSplitter(self)
        panel = QtWidgets.QScrollArea(splitter)
        panel.setObjectName("PanelModule")
        panel.setWidgetResizable(True)
        panel.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        panel.setFixedWidth(PANEL_WIDTH)
        self._views = QtWidgets.QWidget(splitter)
        self._views.setStyleSheet("background: black;")
        splitter.addWidget(panel)
        splitter.addWidget(self._views)
        splitter.setStretchFactor(1, 1)
        self.setCentralWidget(splitter)
        self._selector = qSlicerModuleSelectorToolBar(manager, panel)
        self.addToolBar(self._selector)
        self.statusBar()

    def moduleSelector(self) -> Any:
        return self._selector
