"""qMRMLNodeComboBox: chooses a node of the scene."""

from __future__ import annotations

from typing import Any

import vtk
from PySide6 import QtCore, QtWidgets

from harness.pythonqt.classes import PythonQtType
from harness.pythonqt.fake import Fake, stored
from harness.widgets.observations import Observations


class qMRMLSortFilterProxyModel(Fake, QtCore.QSortFilterProxyModel, metaclass=PythonQtType):
    """Which nodes a combo box leaves out."""

    def _onChanged(self) -> None:
        self.parent()._fill()

    hiddenNodeIDs = stored("QStringList", [], _onChanged)


class qMRMLNodeComboBox(Fake, QtWidgets.QWidget, metaclass=PythonQtType):
    """A combo box of the real scene's nodes of some classes."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeAdded = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAboutToBeRemoved = QtCore.Signal(object)
    nodeActivated = QtCore.Signal(object)
    _currentNodeSet = QtCore.Signal(bool)

    _overloads = {"currentNodeChanged(bool)": "_currentNodeSet"}  # noqa: RUF012

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene = None
        self._observations = Observations(self)
        self._filter = qMRMLSortFilterProxyModel(self)
        self._currentID: str | None = None
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._combo = QtWidgets.QComboBox(self)
        layout.addWidget(self._combo)
        self._combo.currentIndexChanged.connect(self._onIndex)
        self._combo.activated.connect(self._onActivated)

    def _fill(self) -> None:
        """Show the scene's nodes; keep the current one where it is still there."""
        self._combo.blockSignals(True)
        self._combo.clear()
        if self.noneEnabled or not self._nodes():
            self._combo.addItem(self.noneDisplay, None)
        for node in self._nodes():
            self._combo.addItem(node.GetName() or node.GetID(), node.GetID())
        identifiers = [self._combo.itemData(index) for index in range(self._combo.count)]
        kept = self._currentID in identifiers
        # As in Slicer, the first node is taken where the box may not be empty.
        self._combo.setCurrentIndex(identifiers.index(self._currentID) if kept else 0)
        self._combo.blockSignals(False)
        self._onIndex(self._combo.currentIndex)

    def _nodes(self) -> list[Any]:
        if self._scene is None or self._scene.IsClosing():
            return []
        found = []
        for nodeType in self.nodeTypes:
            nodes = self._scene.GetNodesByClass(nodeType)
            nodes.UnRegister(None)
            found += [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]
        return [node for node in found if self._shows(node)]

    def _shows(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        if node.GetID() in self._filter.hiddenNodeIDs:
            return False
        if not self.showChildNodeTypes and node.GetClassName() not in self.nodeTypes:
            return False
        return not any(node.IsA(nodeType) for nodeType in self.hideChildNodeTypes)

    def _onIndex(self, index: int) -> None:
        identifier = self._combo.itemData(index)
        if identifier != self._currentID:
            self._currentID = identifier
            self.currentNodeChanged.emit(self.currentNode())
            self._currentNodeSet.emit(identifier is not None)
            self.currentNodeIDChanged.emit(identifier or "")

    def _onActivated(self, index: int) -> None:
        self.nodeActivated.emit(self.currentNode())

    def setMRMLScene(self, scene: Any) -> None:
        self._observations.clear()
        self._scene = scene
        if scene is not None:
            self._observations.add(scene, scene.NodeAddedEvent, self._onNodeAdded)
            self._observations.add(scene, scene.NodeAboutToBeRemovedEvent, self._onNodeLeaving)
            for event in (scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent):
                self._observations.add(scene, event, self._onSceneChanged)
            for node in self._nodes():
                self._watch(node)
        self._fill()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, scene: Any, event: int, node: Any) -> None:
        if any(node.IsA(nodeType) for nodeType in self.nodeTypes):
            self._watch(node)
            self._fill()
            self.nodeAdded.emit(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeLeaving(self, scene: Any, event: int, node: Any) -> None:
        if any(node.IsA(nodeType) for nodeType in self.nodeTypes):
            self.nodeAboutToBeRemoved.emit(node)

    def _onSceneChanged(self, scene: Any, event: str) -> None:
        self._fill()

    def _watch(self, node: Any) -> None:
        self._observations.add(node, vtk.vtkCommand.ModifiedEvent, self._onNodeModified)

    def _onNodeModified(self, node: Any, event: int) -> None:
        index = self._combo.findData(node.GetID())
        if index >= 0 and self._combo.itemText(index) != node.GetName():
            self._combo.setItemText(index, node.GetName())

    def sortFilterProxyModel(self) -> qMRMLSortFilterProxyModel:
        return self._filter

    def mrmlScene(self) -> Any:
        return self._scene

    def currentNode(self) -> Any:
        if self._scene is None or self._currentID is None:
            return None
        return self._scene.GetNodeByID(self._currentID)

    def setCurrentNode(self, node: Any) -> None:
        identifier = node if isinstance(node, str) else node.GetID() if node else None
        index = self._combo.findData(identifier) if identifier else -1
        if index < 0 and self.noneEnabled:
            index = 0
        if index >= 0:
            self._combo.setCurrentIndex(index)

    def setCurrentNodeID(self, identifier: str) -> None:
        self.setCurrentNode(identifier)

    def nodeCount(self) -> int:
        return len(self._nodes())

    def nodeFromIndex(self, index: int) -> Any:
        return self._nodes()[index]

    nodeTypes = stored("QStringList", [], _fill)
    noneEnabled = stored(bool, False, _fill)
    noneDisplay = stored(str, "None", _fill)
    showHidden = stored(bool, False, _fill)
    showChildNodeTypes = stored(bool, True, _fill)
    hideChildNodeTypes = stored("QStringList", [], _fill)
    addEnabled = stored(bool, True)
    removeEnabled = stored(bool, True)
    renameEnabled = stored(bool, False)
    editEnabled = stored(bool, False)
    selectNodeUponCreation = stored(bool, True)
    baseName = stored(str, "")
    currentNodeID = QtCore.Property(
        str, lambda self: self._currentID or "", lambda self, value: self.setCurrentNode(value)
    )
    currentNodeId = QtCore.Property(
        str, lambda self: self._currentID or "", lambda self, value: self.setCurrentNode(value)
    )
