"""The layout manager: three slice views; the scene's real layout logic makes their nodes."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from harness.pythonqt.classes import PythonQtType
from harness.pythonqt.fake import Fake
from harness.widgets.slice_rendering import registerDisplayableManagers
from harness.widgets.slice_view import qMRMLSliceWidget

# Side by side leaves each view too small beside the module's panel.
PLACES = {"Red": (0, 0, 1, 2), "Yellow": (1, 0, 1, 1), "Green": (1, 1, 1, 1)}


class qSlicerLayoutManager(Fake, QtCore.QObject, metaclass=PythonQtType):
    """Slice views by name. There are no 3D, table and plot views."""

    layoutChanged = QtCore.Signal(int)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._sliceWidgets: dict[str, qMRMLSliceWidget] = {}
        self._scene = self._applicationLogic = self._logic = None

    def _start(self, scene: Any, applicationLogic: Any, viewport: QtWidgets.QWidget) -> None:
        """Make the views in a widget."""
        self._scene, self._applicationLogic = scene, applicationLogic
        registerDisplayableManagers()
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLScene(scene)
        self.layout = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
        grid = QtWidgets.QGridLayout(viewport)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        nodes = self._logic.GetViewNodes()
        for index in range(nodes.GetNumberOfItems()):
            node = nodes.GetItemAsObject(index)
            if node.GetName() in PLACES:
                widget = qMRMLSliceWidget(viewport)
                widget.setObjectName(f"qMRMLSliceWidget{node.GetName()}")
                widget._show(node, applicationLogic)
                grid.addWidget(widget, *PLACES[node.GetName()])
                self._sliceWidgets[node.GetName()] = widget
        self._markShown()

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self._sliceWidgets)

    def sliceWidget(self, name: str) -> qMRMLSliceWidget | None:
        return self._sliceWidgets.get(name)

    def mrmlSliceLogics(self) -> Any:
        return self._applicationLogic.GetSliceLogics()

    def mrmlScene(self) -> Any:
        return self._scene

    def resetSliceViews(self) -> None:
        for widget in self._sliceWidgets.values():
            widget.fitSliceToBackground()

    def _setLayout(self, layout: int) -> None:
        self._logic.GetLayoutNode().SetViewArrangement(layout)
        self._markShown()
        self.layoutChanged.emit(layout)

    def _markShown(self) -> None:
        """Mark the views of the layout, after all were marked as not shown, as Slicer does."""
        views = self._scene.GetNodesByClass("vtkMRMLAbstractViewNode")
        views.UnRegister(None)
        for collection, isShown in ((views, False), (self._logic.GetViewNodes(), True)):
            for index in range(collection.GetNumberOfItems()):
                collection.GetItemAsObject(index).SetMappedInLayout(isShown)

    layout = QtCore.Property(
        int, lambda self: self._logic.GetLayoutNode().GetViewArrangement(), _setLayout
    )
    threeDViewCount = QtCore.Property(int, lambda self: 0)
    tableViewCount = QtCore.Property(int, lambda self: 0)
    plotViewCount = QtCore.Property(int, lambda self: 0)
