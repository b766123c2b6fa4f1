"""Slicer's own Segment Editor, embedded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from MuscleFMSegmentLib.widgets.ui_files import loadForm, widgetsOf

if TYPE_CHECKING:
    from MuscleFMSegmentLib.scene.editing import Editing

_UNDO_STEPS = 20

# The buttons of all effects in three rows leave the width for the options of the active one.
_EFFECTS_IN_A_ROW = 5

# Slicer gives no property for its table of segments; in its form they have these names.
_SEGMENTS_TABLE, _MASKING = "SegmentsTableResizableFrame", "MaskingGroupBox"


class CorrectPanel:
    """The panel.

    The editor's own table of segments would list again what the queue lists; it is
    folded away, with the masking, where colours and the eyes of segments are.

    Shortcuts and the observation of views are on only while the module is
    shown: other modules have a Segment Editor, too.

    Parameters
    ----------
    onCarry : callable
        Called when the button below the editor is pressed.
    onSelected : callable
        Called when another segment is selected, or is to be shown alone.
    """

    def __init__(self, onCarry: Callable[[], None], onSelected: Callable[[], None]) -> None:
        self.form = loadForm("CorrectPanel")
        self.ui = widgetsOf(self.form)
        editor = self.ui.segmentEditor
        editor.setMaximumNumberOfUndoStates(_UNDO_STEPS)
        editor.setSegmentationNodeSelectorVisible(False)
        editor.setSourceVolumeNodeSelectorVisible(False)
        editor.setSwitchToSegmentationsButtonVisible(False)
        editor.setAddRemoveSegmentButtonsVisible(False)
        editor.setShow3DButtonVisible(False)
        editor.setSpecifyGeometryButtonVisible(False)
        editor.setEffectButtonStyle(qt.Qt.ToolButtonIconOnly)
        editor.setEffectColumnCount(_EFFECTS_IN_A_ROW)
        self.ui.segmentsButton.connect("toggled(bool)", self._showSegments)
        self._showSegments(False)
        self.ui.aloneCheckBox.connect("toggled(bool)", lambda isAlone: onSelected())
        self._isAlone = False
        self.ui.carryButton.connect("clicked()", onCarry)
        self._onSelected = onSelected
        self._selected: str | None = None
        self._unfollow: Callable[[], None] = lambda: None
        self._editing: Editing | None = None
        self._isShown = False
        self.form.setEnabled(False)

    @property
    def editor(self) -> Any:
        """The editor's widget."""
        return self.ui.segmentEditor

    def show(self, editing: Editing) -> None:
        """Edit a case."""
        self._editing = editing
        self.editor.setMRMLScene(slicer.mrmlScene)
        self.editor.setMRMLSegmentEditorNode(editing.editorNode)
        self._follow(editing.editorNode)
        self.form.setEnabled(True)

    def clear(self) -> None:
        """Edit nothing."""
        self.editor.setActiveEffectByName("")
        if self._editing:
            # Without an editor node, the widget would leave the table of the case on view.
            self.editor.setSegmentationNode(None)
        self._editing = None
        self._isAlone = False
        self._unfollow()
        self._unfollow = lambda: None
        self.ui.aloneCheckBox.setChecked(False)
        self.editor.setMRMLSegmentEditorNode(None)
        self.showProposal(False)
        self.form.setEnabled(False)

    def setPaused(self, isPaused: bool) -> None:
        """Take no edits, or take them again."""
        self.form.setEnabled(self._editing is not None and not isPaused)
        if isPaused:
            self.editor.setActiveEffectByName("")
            self.editor.uninstallKeyboardShortcuts()
        elif self._isShown:
            self.editor.installKeyboardShortcuts()

    def showProposal(self, isProposed: bool) -> None:
        """Show whether the button proposes an outline or takes the one that is shown."""
        self.ui.carryButton.text = (
            _("Take the proposed outline (C)")
            if isProposed
            else _("Carry to the slices between (C)")
        )

    def showAlone(self, editing: Editing) -> None:
        """Show the selected muscle alone where the reader wants that, and else all of them."""
        wanted = self.ui.aloneCheckBox.checked
        if wanted or self._isAlone:
            editing.showOnlySelected(wanted)
        self._isAlone = wanted

    def _showSegments(self, isShown: bool) -> None:
        """Show Slicer's own table of segments and its masking, or fold them away."""
        self.editor.setMaskingSectionVisible(isShown)
        # Slicer itself shows or hides the masking only when another effect is chosen.
        hasMasking = isShown and self.editor.activeEffect() is not None
        for name, isWanted in ((_SEGMENTS_TABLE, isShown), (_MASKING, hasMasking)):
            for part in slicer.util.findChildren(self.editor, name=name):
                part.setVisible(isWanted)

    def _follow(self, editorNode: slicer.vtkMRMLSegmentEditorNode) -> None:
        """Hear when another segment is selected, also by a key of Slicer's."""
        self._unfollow()
        self._selected = editorNode.GetSelectedSegmentID()

        def onModified(caller: object, event: str) -> None:
            # The node changes with each setting of a brush, too.
            if editorNode.GetSelectedSegmentID() != self._selected:
                self._selected = editorNode.GetSelectedSegmentID()
                self._onSelected()

        tag = editorNode.AddObserver(vtk.vtkCommand.ModifiedEvent, onModified)
        self._unfollow = lambda: editorNode.RemoveObserver(tag)

    def setNeighboursKept(self, kept: bool) -> None:
        """Keep other muscles from edits, or let edits take voxels away from them."""
        if self._editing and self._editing.neighboursKept != kept:
            self._editing.setNeighboursKept(kept)

    def enter(self) -> None:
        """Be ready for edits."""
        if not self._isShown:
            self._isShown = True
            # Other modules may have changed the scene, and extensions brought effects.
            self.editor.updateEffectList()
            self.editor.updateWidgetFromMRML()
            self.editor.setupViewObservations()
            self.editor.installKeyboardShortcuts()

    def exit(self) -> None:
        """Leave the views and the keys to other modules."""
        if self._isShown:
            self._isShown = False
            self.editor.setActiveEffectByName("")
            self.editor.uninstallKeyboardShortcuts()
            self.editor.removeViewObservations()
