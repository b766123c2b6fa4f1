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

ICON_PX = 20


def _letters(text: str) -> QtGui.QIcon:
    """Return an icon of the first letters of an effect, in the ink of the palette."""
    pixmap = QtGui.QPixmap(ICON_PX, ICON_PX)
    pixmap.fill(QtCore.Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(pixmap)
    painter.setPen(QtWidgets.QApplication.palette().color(QtGui.QPalette.ColorRole.WindowText))
    painter.drawText(pixmap.rect(), QtCore.Qt.AlignmentFlag.AlignCenter, text[:2])
    painter.end()
    return QtGui.QIcon(pixmap)


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
        """Lay out as Slicer does: effects at the left; table, options and masking beside them."""
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        actions, body = QtWidgets.QHBoxLayout(), QtWidgets.QHBoxLayout()
        layout.addLayout(actions)
        layout.addLayout(body)
        self._addButton, self._removeButton, self._show3dButton = (
            self._named(QtWidgets.QPushButton(text, self), name)
            for text, name in (
                ("Add", "AddSegmentButton"),
                ("Remove", "RemoveSegmentButton"),
                ("Show 3D", "Show3DButton"),
            )
        )
        for button in (self._addButton, self._removeButton, self._show3dButton):
            actions.addWidget(button)
        left, right = QtWidgets.QVBoxLayout(), QtWidgets.QVBoxLayout()
        body.addLayout(left)
        body.addLayout(right, 1)
        self._makeEffects(left)
        resizable = self._named(QtWidgets.QFrame(self), "SegmentsTableResizableFrame")
        self._table = self._named(qMRMLSegmentsTableView(resizable), "SegmentsTableView")
        self._table.selectionChanged.connect(self._onTable)
        QtWidgets.QVBoxLayout(resizable).addWidget(self._table)
        right.addWidget(resizable)
        # As high as those of Paint in Slicer, and as its masking.
        self._options, self._masking = (
            self._box(title, name, height)
            for title, name, height in (
                ("Options", "OptionsGroupBox", 170),
                ("Masking", "MaskingGroupBox", 120),
            )
        )
        right.addWidget(self._options)
        right.addWidget(self._masking)
        right.addStretch(1)
        self.updateWidgetFromMRML()

    def _makeEffects(self, column: QtWidgets.QVBoxLayout) -> None:
        self._grid = QtWidgets.QGridLayout()
        self._grid.setSpacing(2)
        column.addLayout(self._grid)
        self._buttons: dict[str, QtWidgets.QToolButton] = {}
        for name in ("", *NAMES):
            button = self._named(QtWidgets.QToolButton(self), name or "NULL")
            button.setText(name or "None")
            button.setToolTip(name or "No editing")
            button.setIcon(_letters(name or "–"))
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, chosen=name: self.setActiveEffectByName(chosen))
            self._buttons[name] = button
        row = QtWidgets.QHBoxLayout()
        column.addLayout(row)
        column.addStretch(1)
        self._undoButton, self._redoButton = (
            self._named(QtWidgets.QToolButton(self), f"{text}Button") for text in ("Undo", "Redo")
        )
        for button, text, icon, slot in (
            (self._undoButton, "Undo", "↶", self.undo),
            (self._redoButton, "Redo", "↷", self.redo),
        ):
            button.setText(text)
            button.setToolTip(text)
            button.setIcon(_letters(icon))
            button.clicked.connect(slot)
            row.addWidget(button)
        row.addStretch(1)
        self._placeEffects()

    def _placeEffects(self) -> None:
        for index, button in enumerate(self._buttons.values()):
            self._grid.addWidget(button, *divmod(index, self.effectColumnCount))

    def _styleEffects(self) -> None:
        for button in (*self._buttons.values(), self._undoButton, self._redoButton):
            button.setToolButtonStyle(self.effectButtonStyle)

    def _showActions(self) -> None:
        for button in (self._addButton, self._removeButton):
            button.setVisible(self.addRemoveSegmentButtonsVisible)
        self._show3dButton.setVisible(self.show3DButtonVisible)

    def _showOptions(self) -> None:
        isActive = self.activeEffect() is not None
        self._options.setTitle(self.activeEffect().name if isActive else "")
        self._options.setVisible(isActive)
        self._masking.setVisible(isActive and self.maskingSectionVisible)

    def _box(self, title: str, name: str, height: int) -> QtWidgets.QGroupBox:
        box = self._named(QtWidgets.QGroupBox(title, self), name)
        box.setMinimumHeight(height)
        return box

    @staticmethod
    def _named(widget: Any, name: str) -> Any:
        widget.setObjectName(name)
        return widget

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
            # As in Slicer: not where the node or a key selects another segment.
            self.currentSegmentIDChanged.emit(chosen[0])

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
        active = (self._node.GetActiveEffectName() or "") if self._node else ""
        for name, button in self._buttons.items():
            button.setEnabled(not name or bool(segmentation and volume))
            button.setChecked(name == active)
        self._showOptions()
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
    addRemoveSegmentButtonsVisible = stored(bool, True, _showActions)
    specifyGeometryButtonVisible = stored(bool, True)
    show3DButtonVisible = stored(bool, True, _showActions)
    maskingSectionVisible = stored(bool, True, _showOptions)
    autoShowSourceVolumeNode = stored(bool, True)
    jumpToSelectedSegmentEnabled = stored(bool, False)
    unorderedEffectsVisible = stored(bool, True)
    effectColumnCount = stored(int, 2, _placeEffects)
    effectButtonStyle = stored(object, QtCore.Qt.ToolButtonStyle.ToolButtonIconOnly, _styleEffects)
    defaultTerminologyEntrySettingsKey = stored(str, "")
    defaultTerminologyEntry = stored(str, "")
