"""Setting up Slicer's Segment Editor so that an edit keeps the neighbours."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from musclefm.labels.scheme import Side
from musclefm.labels.segment_names import segment_id
from MuscleFMSegmentLib.scene.case import CaseInScene

_TAG = "MuscleFMSegment"


class Editing:
    """The module's own Segment Editor node for a case.

    Masking and overwriting belong to the node and hold for every effect.
    Neighbours are kept by a mask, outside all segments but the edited one; so
    the edited segment can still be erased. Segments still overwrite each other,
    which the mask leaves no voxel for: else Slicer would take the edited
    segment out into a layer of its own with every stroke.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where the editor node lives; it is a singleton of the module.
    case : CaseInScene
        The case to edit.

    Attributes
    ----------
    editorNode : vtkMRMLSegmentEditorNode
        For ``qMRMLSegmentEditorWidget.setMRMLSegmentEditorNode``.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, case: CaseInScene) -> None:
        self._case = case
        node = scene.GetSingletonNode(_TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.vtkMRMLSegmentEditorNode()
            node.SetSingletonTag(_TAG)
            node.SetName(_("MuscleFMSegment editor"))
            node = scene.AddNode(node)
        self.editorNode = node
        self._visibleBefore: dict[str, bool] = {}
        node.SetAndObserveSegmentationNode(case.segmentationNode)
        node.SetAndObserveSourceVolumeNode(case.volumeNode)
        self.setNeighboursKept(True)

    @property
    def neighboursKept(self) -> bool:
        """Whether edits stay out of other segments."""
        return (
            self.editorNode.GetMaskMode()
            == slicer.vtkMRMLSegmentationNode.EditAllowedOutsideAllSegments
        )

    def setNeighboursKept(self, kept: bool) -> None:
        """Keep other segments from edits, or let edits take voxels away from them."""
        modes = slicer.vtkMRMLSegmentationNode
        self.editorNode.SetMaskMode(
            modes.EditAllowedOutsideAllSegments if kept else modes.EditAllowedEverywhere
        )
        self.editorNode.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteAllSegments)

    def selectMuscle(self, side: Side, labelId: int) -> bool:
        """Select a muscle's segment for editing; return whether the segment is there."""
        segmentId = segment_id(side, self._case.scheme.label(labelId))
        if not self._case.segmentationNode.GetSegmentation().GetSegment(segmentId):
            return False
        self.editorNode.SetSelectedSegmentID(segmentId)
        return True

    def showOnlySelected(self, isAlone: bool) -> None:
        """Show the selected muscle alone, or again those that were shown before."""
        node = self._case.segmentationNode
        display, segmentIds = node.GetDisplayNode(), node.GetSegmentation().GetSegmentIDs()
        before = self._visibleBefore or {
            segmentId: display.GetSegmentVisibility(segmentId) for segmentId in segmentIds
        }
        selected = self.editorNode.GetSelectedSegmentID()
        # One redraw, not one for each segment.
        wasModifying = display.StartModify()
        for segmentId in segmentIds:
            isShown = segmentId == selected if isAlone else before.get(segmentId, True)
            display.SetSegmentVisibility(segmentId, isShown)
        display.EndModify(wasModifying)
        self._visibleBefore = before if isAlone else {}

    @property
    def selectedMuscle(self) -> tuple[Side, int] | None:
        """Side and label id of the selected muscle; None where none is selected."""
        value = self.selectedValue
        if value is None:
            return None
        side, label = self._case.scheme.labels_of_sides()[value]
        return side, label.id

    @property
    def selectedValue(self) -> int | None:
        """The sided value of the selected muscle; None where none is selected."""
        selected = self.editorNode.GetSelectedSegmentID()
        ofSides = self._case.scheme.labels_of_sides()
        found = (v for v, (side, label) in ofSides.items() if segment_id(side, label) == selected)
        return next(found, None)

    def release(self) -> None:
        """Let go of the case's nodes; the editor node stays for the next case."""
        self.editorNode.SetAndObserveSegmentationNode(None)
        self.editorNode.SetAndObserveSourceVolumeNode(None)
