"""CTK's combo box and message box."""

from __future__ import annotations

from PySide6 import QtWidgets

from harness.pythonqt.classes import PythonQtType
from harness.pythonqt.dialogs import RecordedMessageBox
from harness.pythonqt.fake import Fake, stored


class ctkComboBox(Fake, QtWidgets.QComboBox, metaclass=PythonQtType):
    """A combo box with a text for when nothing is chosen."""

    defaultText = stored(str, "")
    forceDefault = stored(bool, False)
    currentUserDataAsString = stored(str, "")


class ctkMessageBox(RecordedMessageBox, Fake, QtWidgets.QMessageBox, metaclass=PythonQtType):
    """A message box with a mark not to show it again."""

    dontShowAgain = stored(bool, False)
    dontShowAgainVisible = stored(bool, False)
    dontShowAgainSettingsKey = stored(str, "")
