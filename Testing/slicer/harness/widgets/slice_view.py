"""The slice views' widgets: a picture that takes the mouse, and a bar above it."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from harness.pythonqt.classes import PythonQtType
from harness.pythonqt.fake import Fake
from harness.widgets.slice_rendering import SliceRendering

Button = QtCore.Qt.MouseButton
PRESSED = {
    Button.LeftButton: "LeftButtonPressEvent",
    Button.MiddleButton: "MiddleButtonPressEvent",
    Button.RightButton: "RightButtonPressEvent",
}
AXES = {"Axial": "S", "Coronal": "A", "Sagittal": "R"}
RELEASED = {button: name.replace("Press", "Release") for button, name in PRESSED.items()}


class qMRMLSliceView(Fake, QtWidgets.QWidget, metaclass=PythonQtType):
    """The picture of a slice. The mouse goes to VTK's interactor, as in Slicer."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._rendering: SliceRendering | None = None
        self._picture: QtGui.QImage | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(
            QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Expanding
        )
        self.setMinimumSize(120, 120)

    def renderWindow(self) -> Any:
        return self._rendering.window

    def interactor(self) -> Any:
        return self._rendering.interactor

    def interactorStyle(self) -> Any:
        return self._rendering.style

    def mrmlSliceNode(self) -> Any:
        return self._rendering.sliceNode

    def scheduleRender(self) -> None:
        self._picture = None
        self.update()

    def forceRender(self) -> None:
        self._rendering.render()
        self._picture = self._rendering.picture()
        self.update()

    def convertXYZToRAS(self, point: list[float]) -> list[float]:
        toRas = self.mrmlSliceNode().GetXYToRAS()
        return list(toRas.MultiplyPoint((*point[:3], 1.0))[:3])

    def convertDeviceToXYZ(self, point: list[int]) -> list[float]:
        return [float(point[0]), float(self.height - 1 - point[1]), 0.0]

    def convertRASToXYZ(self, point: list[float]) -> list[float]:
        import vtk

        fromRas = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.mrmlSliceNode().GetXYToRAS(), fromRas)
        return list(fromRas.MultiplyPoint((*point, 1.0))[:3])

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        if self._picture is None:
            self.forceRender()
        QtGui.QPainter(self).drawImage(0, 0, self._picture)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        if self._rendering is not None:
            self._rendering.resize(self.width, self.height)
            self.scheduleRender()

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        self._pass(event, PRESSED.get(event.button()))

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent) -> None:
        self._pass(event, RELEASED.get(event.button()))

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        self._pass(event, "MouseMoveEvent")

    def _pass(self, event: QtGui.QMouseEvent, name: str | None) -> None:
        point = event.position().toPoint()
        x, y, _ = self.convertDeviceToXYZ([point.x(), point.y()])
        modifiers = event.modifiers()
        control = bool(modifiers & QtCore.Qt.KeyboardModifier.ControlModifier)
        shift = bool(modifiers & QtCore.Qt.KeyboardModifier.ShiftModifier)
        interactor = self.interactor()
        interactor.SetEventInformation(int(x), int(y), int(control), int(shift), chr(0), 0, None)
        if name:
            getattr(interactor, name)()


class qMRMLSliceWidget(Fake, QtWidgets.QWidget, metaclass=PythonQtType):
    """A slice view with a bar that shows its name and colour."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self._bar = QtWidgets.QLabel(self)
        self._view = qMRMLSliceView(self)
        layout.addWidget(self._bar)
        layout.addWidget(self._view, 1)
        self._rendering: SliceRendering | None = None

    def sliceView(self) -> qMRMLSliceView:
        return self._view

    def sliceLogic(self) -> Any:
        return self._rendering.sliceLogic

    def logic(self) -> Any:
        return self._rendering.sliceLogic

    def mrmlSliceNode(self) -> Any:
        return self._rendering.sliceNode

    def mrmlSliceCompositeNode(self) -> Any:
        return self.sliceLogic().GetSliceCompositeNode()

    def interactorStyle(self) -> Any:
        return self._rendering.style

    def fitSliceToBackground(self) -> None:
        self.sliceLogic().FitSliceToBackground()

    def _show(self, sliceNode: Any, applicationLogic: Any) -> None:
        """Show a slice node; the layout manager calls this once."""
        self._rendering = SliceRendering(sliceNode, applicationLogic, self._onChange)
        self._view._rendering = self._rendering
        colour = "#" + "".join(f"{round(255 * part):02x}" for part in sliceNode.GetLayoutColor())
        self._bar.setStyleSheet(f"background: {colour}; color: black; padding-left: 6px;")
        self._onChange()

    def _onChange(self) -> None:
        node = self.mrmlSliceNode()
        axis = AXES.get(node.GetOrientation(), "")
        self._bar.setText(f"{node.GetLayoutLabel()}    {axis} {node.GetSliceOffset():.1f} mm")
        self._view.scheduleRender()
