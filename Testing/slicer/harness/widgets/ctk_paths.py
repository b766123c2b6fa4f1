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

    currentPath = QtCore.Property(
        str,
        lambda self: self._combo.currentText,
        lambda self, path: self._combo.setEditText(path or ""),
    )
