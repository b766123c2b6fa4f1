"""CTK's collapsible containers and its menu button."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from harness.pythonqt.classes import PythonQtType
from harness.pythonqt.fake import Fake, stored


def _showContents(container: Any) -> None:
    """Show or hide what lies in a container; remember what its owner had hidden."""
    for child in container.children():
        if isinstance(child, QtWidgets.QWidget):
            _showChild(child, not container.collapsed)
    container.setMaximumHeight(container._headerHeight() if container.collapsed else 16777215)
    container.updateGeometry()


def _showChild(child: QtWidgets.QWidget, shown: bool) -> None:
    if not shown:
        child.setProperty("hiddenBefore", child.isHidden())
        child.setVisible(False)
    elif not child.property("hiddenBefore"):
        child.setVisible(True)


class ctkCollapsibleButton(Fake, QtWidgets.QAbstractButton, metaclass=PythonQtType):
    """A header that shows or hides what lies below it."""

    contentsCollapsed = QtCore.Signal(bool)
    flat = stored(bool, False)
    collapsedHeight = stored(int, 14)

    def __init__(self, text: str | QtWidgets.QWidget = "", parent: Any = None) -> None:
        title, parent = (text, parent) if isinstance(text, str) else ("", text)
        super().__init__(parent)
        self.setText(title)
        self.setCheckable(True)
        self.setChecked(True)
        self._updateMargins()
        self.toggled.connect(self._onToggled)

    def _collapsed(self) -> bool:
        return not self.isChecked()

    def _setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, _collapsed, _setCollapsed)

    def _onToggled(self, shown: bool) -> None:
        _showContents(self)
        self.contentsCollapsed.emit(not shown)

    def _headerHeight(self) -> int:
        return self.fontMetrics().height() + 8

    def _updateMargins(self) -> None:
        self.setContentsMargins(0, self._headerHeight(), 0, 0)

    def sizeHint(self) -> QtCore.QSize:
        if self.collapsed or self.layout() is None:
            return QtCore.QSize(80, self._headerHeight())
        return self.layout().totalSizeHint()

    def minimumSizeHint(self) -> QtCore.QSize:
        if self.collapsed or self.layout() is None:
            return QtCore.QSize(80, self._headerHeight())
        return self.layout().totalMinimumSize()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width, self._headerHeight())
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButtonBevel, option)
        arrow = "▸" if self.collapsed else "▾"
        painter.drawText(
            option.rect.adjusted(6, 0, 0, 0),
            QtCore.Qt.AlignmentFlag.AlignVCenter,
            f"{arrow}  {self.text.replace('&&', '&')}",
        )


class ctkCollapsibleGroupBox(Fake, QtWidgets.QGroupBox, metaclass=PythonQtType):
    """A group box whose check mark shows or hides what lies in it."""

    collapsedHeight = stored(int, 14)

    def __init__(self, title: str | QtWidgets.QWidget = "", parent: Any = None) -> None:
        title, parent = (title, parent) if isinstance(title, str) else ("", title)
        super().__init__(parent)
        self.setTitle(title)
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(lambda shown: _showContents(self))

    def _collapsed(self) -> bool:
        return not self.isChecked()

    def _setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, _collapsed, _setCollapsed)

    def _headerHeight(self) -> int:
        return self.fontMetrics().height() + 8


class ctkMenuButton(Fake, QtWidgets.QPushButton, metaclass=PythonQtType):
    """A push button with a menu beside it."""
