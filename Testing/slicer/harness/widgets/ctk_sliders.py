"""CTK's sliders for decimal numbers."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from harness.pythonqt.classes import PythonQtType
from harness.pythonqt.fake import Fake, stored

STEPS = 10_000


class _Track(QtWidgets.QSlider):
    """A whole-number slider over a range of decimal numbers."""

    def __init__(self, parent: QtWidgets.QWidget) -> None:
        super().__init__(QtCore.Qt.Orientation.Horizontal, parent)
        self.setRange(0, STEPS)

    def show(self, value: float, minimum: float, maximum: float) -> None:
        self.blockSignals(True)
        self.setValue(round(STEPS * (value - minimum) / ((maximum - minimum) or 1.0)))
        self.blockSignals(False)

    def number(self, minimum: float, maximum: float) -> float:
        return minimum + QtWidgets.QSlider.value.fget(self) / STEPS * (maximum - minimum)


class ctkSliderWidget(Fake, QtWidgets.QWidget, metaclass=PythonQtType):
    """A slider with a spin box beside it."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    decimalsChanged = QtCore.Signal(int)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._track = _Track(self)
        self._box = QtWidgets.QDoubleSpinBox(self)
        self._box.setRange(0.0, 99.0)
        layout.addWidget(self._track)
        layout.addWidget(self._box)
        self._track.valueChanged.connect(self._onTrack)
        self._box.valueChanged.connect(self._onBox)

    def _onTrack(self, position: int) -> None:
        value = self._track.number(self.minimum, self.maximum)
        self.valueIsChanging.emit(value)
        if self.tracking or not self._track.isSliderDown():
            self._box.setValue(value)

    def _onBox(self, value: float) -> None:
        self._showTrack()
        self.valueChanged.emit(value)

    def _showTrack(self) -> None:
        self._track.show(self.value, self.minimum, self.maximum)

    def reset(self) -> None:
        self.value = 0.0

    def _setRange(self, minimum: float, maximum: float) -> None:
        self._box.setRange(minimum, maximum)
        self._showTrack()

    value = QtCore.Property(
        float, lambda self: self._box.value, lambda self, value: self._box.setValue(value)
    )
    minimum = QtCore.Property(
        float,
        lambda self: self._box.minimum,
        lambda self, value: self._setRange(value, max(value, self.maximum)),
    )
    maximum = QtCore.Property(
        float,
        lambda self: self._box.maximum,
        lambda self, value: self._setRange(min(value, self.minimum), value),
    )
    singleStep = QtCore.Property(
        float, lambda self: self._box.singleStep, lambda self, step: self._box.setSingleStep(step)
    )
    decimals = QtCore.Property(
        int, lambda self: self._box.decimals, lambda self, count: self._box.setDecimals(count)
    )
    prefix = QtCore.Property(
        str, lambda self: self._box.prefix, lambda self, text: self._box.setPrefix(text)
    )
    suffix = QtCore.Property(
        str, lambda self: self._box.suffix, lambda self, text: self._box.setSuffix(text)
    )
    spinBoxVisible = QtCore.Property(
        bool,
        lambda self: not self._box.isHidden(),
        lambda self, shown: self._box.setVisible(shown),
    )
    pageStep = stored(float, 1.0)
    tickInterval = stored(float, 0.0)
    tracking = stored(bool, True)
