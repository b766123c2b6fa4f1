"""qMRMLSegmentEditorWidget: Slicer's real editor logic under a plain face."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from harness.pythonqt.fake import stored
from harness.widgets.editor_brush import EditorBrush
from harness.widgets.editor_effects import NAMES, qSlicerSegmentEditorAbstractEffect
from harness.widgets.mrml_widgets import qMRMLWidget
from harness.widgets.observations import Observations
from harness.widgets.segments_table_view import qMRMLSegmentsTableView

EFFECTS_IN_A_ROW = 3


class qMRMLSegmentEditorWidget(qMRMLWidget):
    """The editor: segments, effects, undo and redo; masking as its node says."""

    segmentationNodeChanged = QtCore.Signal(object)
    sourceVolumeNodeChanged = QtCore.Signal(object)
    currentSegmentIDChanged = QtCore.Signal(str)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._node = None
        self._shown: tuple[Any, Any, str] = (None, None, "")
        self._effectBefore = ""
        self._observations = Observations(self)
        self._shortcuts: list[QtGui.QShortcut] = []
        self._effects = {name: qSlicerSegmentEditorAbstractEffect(name, self) for name in NAMES}
        self._brush = EditorBrush(self)
        self._build()

    def _build(self) -> None:
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._table = qMRMLSegmentsTableView(self)
        self._table.selectionChanged.connect(self._onTable)
        layout.addWidget(self._table)
        grid = QtWidgets.QGridLayout()
        layout.addLayout(grid)
        self._buttons: dict[str, QtWidgets.QToolButton] = {}
        for index, name in enumerate(("", *NAMES)):
            button = QtWidgets.QToolButton(self)
            button.setText(name or "None")
            button.setObjectName(f"{name or 'None'}EffectButton")
            button.setCheckable(True)
            button.setSizePolicy(
                QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed
            )
            button.clicked.connect(lambda _=False, chosen=name: self.setActiveEffectByName(chosen))
            grid.addWidget(button, *divmod(index, EFFECTS_IN_A_ROW))
            self._buttons[name] = button
        row = QtWidgets.QHBoxLayout()
        layout.addLayout(row)
        self._undoButton, self._redoButton = (
            QtWidgets.QToolButton(self),
            QtWidgets.QToolButton(self),
        )
        for button, text, slot in (
            (self._undoButton, "Undo", self.undo),
            (self._redoButton, "Redo", self.redo),
        ):
            button.setText(text)
            button.setObjectName(f"{text}Button")
            button.clicked.connect(slot)
            row.addWidget(button)
        row.addStretch(1)
        self.updateWidgetFromMRML()

    # Nodes

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._logic.SetMRMLScene(scene)
        self._table.setMRMLScene(scene)

    def mrmlSegmentEditorNode(self) -> Any:
        return self._node

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        self._observations.clear()
        self._node = node
        self._logic.SetSegmentEditorNode(node)
        for effect in self._effects.values():
            effect.setParameterSetNode(node)
        if node is not None:
            self._observations.add(node, vtk.vtkCommand.ModifiedEvent, self._onNode)
            event = self._logic.SegmentationHistoryChangedEvent
            self._observations.add(self._logic, event, self._onNode)
        self.updateWidgetFromMRML()

    def _onNode(self, caller: Any, event: str) -> None:
        self.updateWidgetFromMRML()

    def segmentationNode(self) -> Any:
        return self._node.GetSegmentationNode() if self._node else None

    def setSegmentationNode(self, node: Any) -> None:
        self._node.SetAndObserveSegmentationNode(node)

    def sourceVolumeNode(self) -> Any:
        return self._node.GetSourceVolumeNode() if self._node else None

    def setSourceVolumeNode(self, node: Any) -> None:
        self._node.SetAndObserveSourceVolumeNode(node)

    def currentSegmentID(self) -> str:
        return (self._node.GetSelectedSegmentID() or "") if self._node else ""

    def setCurrentSegmentID(self, identifier: str) -> None:
        self._node.SetSelectedSegmentID(identifier)

    def _onTable(self, *_: Any) -> None:
        chosen = self._table.selectedSegmentIDs()
        if self._node is not None and len(chosen) == 1 and chosen[0] != self.currentSegmentID():
            self.setCurrentSegmentID(chosen[0])

    def selectNextSegment(self) -> None:
        self.selectSegmentAtOffset(1)

    def selectPreviousSegment(self) -> None:
        self.selectSegmentAtOffset(-1)

    def selectSegmentAtOffset(self, offset: int) -> None:
        if self.segmentationNode() is not None:
            self._logic.SelectSegmentAtOffset(offset, True)

    def updateWidgetFromMRML(self) -> None:
        # As in Slicer, what is shown stays where there is no editor node any more.
        if self._node is None:
            return
        segmentation, volume = self.segmentationNode(), self.sourceVolumeNode()
        current = self.currentSegmentID()
        before, self._shown = self._shown, (segmentation, volume, current)
        if segmentation is not before[0]:
            self._table.setSegmentationNode(segmentation)
            self.segmentationNodeChanged.emit(segmentation)
        if volume is not before[1]:
            self.sourceVolumeNodeChanged.emit(volume)
        if current and self._table.selectedSegmentIDs() != [current]:
            self._table.setSelectedSegmentIDs([current])
        if current != before[2]:
            self.currentSegmentIDChanged.emit(current)
        active = (self._node.GetActiveEffectName() or "") if self._node else ""
        for name, button in self._buttons.items():
            button.setEnabled(not name or bool(segmentation and volume))
            button.setChecked(name == active)
        self._undoButton.setEnabled(bool(segmentation) and self._logic.CanUndo())
        self._redoButton.setEnabled(bool(segmentation) and self._logic.CanRedo())

    # Effects

    def updateEffectList(self) -> None:
        """Show the effects that were registered since; all of the harness's are there."""

    def activeEffect(self) -> qSlicerSegmentEditorAbstractEffect | None:
        return self._effects.get(self._node.GetActiveEffectName()) if self._node else None

    def setActiveEffectByName(self, name: str) -> None:
        if self._node is not None:
            known = name in self._effects and self.segmentationNode() is not None
            before = self._node.GetActiveEffectName() or ""
            self._node.SetActiveEffectName(name if known else "")
            if before != self._node.GetActiveEffectName():
                self._effectBefore = before

    def setActiveEffect(self, effect: qSlicerSegmentEditorAbstractEffect | None) -> None:
        self.setActiveEffectByName(effect.name if effect else "")

    def setupViewObservations(self) -> None:
        self._brush.watch(slicer.app.layoutManager())

    def removeViewObservations(self) -> None:
        self._brush.unwatch()

    # Undo, shortcuts

    def saveStateForUndo(self) -> None:
        self._logic.SaveStateForUndo()

    def undo(self) -> None:
        self._logic.Undo()
        self.updateWidgetFromMRML()

    def redo(self) -> None:
        self._logic.Redo()
        self.updateWidgetFromMRML()

    def toggleSourceVolumeIntensityMaskEnabled(self) -> None:
        self._logic.ToggleSourceVolumeIntensityMask()

    def installKeyboardShortcuts(self, parent: Any = None) -> None:
        self.uninstallKeyboardShortcuts()
        functions = {
            "Esc": lambda: self.setActiveEffectByName(""),
            "Q": self.selectPreviousSegment,
            "W": self.selectNextSegment,
            "Z": self.undo,
            "Y": self.redo,
            "I": self.toggleSourceVolumeIntensityMaskEnabled,
            "Space": lambda: self.setActiveEffectByName(self._effectBefore),
        }
        for number, name in enumerate(("", *NAMES[:9])):
            functions[str(number)] = lambda chosen=name: self.setActiveEffectByName(chosen)
        for keys, function in functions.items():
            shortcut = QtGui.QShortcut(QtGui.QKeySequence(keys), parent or slicer.util.mainWindow())
            shortcut.activated.connect(function)
            self._shortcuts.append(shortcut)

    def uninstallKeyboardShortcuts(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts.clear()

    def _limitUndo(self) -> None:
        self._logic.SetMaximumNumberOfUndoStates(self.maximumNumberOfUndoStates)

    maximumNumberOfUndoStates = stored(int, 10, _limitUndo)
    undoEnabled = stored(bool, True)
    readOnly = stored(bool, False)
    segmentationNodeSelectorVisible = stored(bool, True)
    sourceVolumeNodeSelectorVisible = stored(bool, True)
    switchToSegmentationsButtonVisible = stored(bool, True)
    addRemoveSegmentButtonsVisible = stored(bool, True)
    specifyGeometryButtonVisible = stored(bool, True)
    show3DButtonVisible = stored(bool, True)
    maskingSectionVisible = stored(bool, True)
    autoShowSourceVolumeNode = stored(bool, True)
    jumpToSelectedSegmentEnabled = stored(bool, False)
    unorderedEffectsVisible = stored(bool, True)
    effectColumnCount = stored(int, 2)
    defaultTerminologyEntrySettingsKey = stored(str, "")
    defaultTerminologyEntry = stored(str, "")
