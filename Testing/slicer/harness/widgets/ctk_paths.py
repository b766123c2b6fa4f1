"""CTK's widgets for files and folders."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from harness.pythonqt.classes import PythonQtType
from harness.pythonqt.fake import Fake, stored


class ctkPathLineEdit(Fake, QtWidgets.QWidget, metaclass=PythonQtType):
    """A line for a path, and a button to browse."""

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)

    label = stored(str, "")
    settingKey = stored(str, "")
    nameFilters = stored("QStringList", [])
    filters = stored(int, 0)
    options = stored(int, 0)
    showBrowseButton = stored(bool, True)
    showHistoryButton = stored(bool, True)
    minimumContentsLength = stored(int, 17)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setEditable(True)
        self._combo.setInsertPolicy(QtWidgets.QComboBox.InsertPolicy.NoInsert)
        button = QtWidgets.QToolButton(self)
        button.setText("…")
        layout.addWidget(self._combo, 1)
        layout.addWidget(button)
        button.clicked.connect(self.browse)
        self._combo.editTextChanged.connect(self.currentPathChanged)

    def browse(self) -> None:
        import qt

        path = qt.QFileDialog.getExistingDirectory(self, self.label, self.currentPath)
        if path:
            self.currentPath = path

    def comboBox(self) -> QtWidgets.QComboBox:
        return self._combo

    def addCurrentPathToHistory(self) -> None:
        if self.currentPath and self._combo.findText(self.currentPath) < 0:
            self._combo.insertItem(0, self.currentPath)

    currentPath = QtCore.Property(
        str,
        lambda self: self._combo.currentText,
        lambda self, path: self._combo.setEditText(path or ""),
    )


class ctkDirectoryButton(Fake, QtWidgets.QWidget, metaclass=PythonQtType):
    """A button that shows a folder and lets the user choose another."""

    directoryChanged = QtCore.Signal(str)
    directorySelected = QtCore.Signal(str)

    caption = stored(str, "")
    text = stored(str, "")

    def __init__(self, directory: Any = "", parent: Any = None) -> None:
        folder = directory if isinstance(directory, str) else ""
        super().__init__(parent if isinstance(directory, str) else directory)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._button = QtWidgets.QPushButton(folder or ".", self)
        layout.addWidget(self._button)
        self._button.clicked.connect(self.browse)

    def browse(self) -> None:
        import qt

        folder = qt.QFileDialog.getExistingDirectory(self, self.caption, self.directory)
        if folder:
            self.directory = folder
            self.directorySelected.emit(folder)

    def _setDirectory(self, folder: str) -> None:
        if folder != self._button.text:
            self._button.setText(folder)
            self.directoryChanged.emit(folder)

    directory = QtCore.Property(str, lambda self: self._button.text, _setDirectory)
