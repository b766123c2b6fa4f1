"""Noticing what the user does to a case behind the module's back."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import segment_name
from musclefm.labels.segment_names import segment_id
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.labels import BINARY_LABELMAP


class CaseFault(MuscleFMError):
    """What is not as the module left it, and how the user puts it right.

    Attributes
    ----------
    isMoved : bool
        Whether image and labels lie apart, so that nothing may be edited.
    isHarmless : bool
        Whether what would be saved is right all the same.
    action : tuple
        Text of a button and what it does, empty where only the user can put it right.
    """

    def __init__(
        self,
        cause: str,
        remedy: str,
        isMoved: bool = False,
        isHarmless: bool = False,
        action: tuple[str, Callable[[], None]] | tuple[()] = (),
    ) -> None:
        super().__init__(cause, remedy)
        self.isMoved = isMoved
        self.isHarmless = isHarmless
        self.action = action


class CaseWatch:
    """Reports when the voxels of a case's segments change, and when its nodes vanish or move.

    A change of a colour or a status is none of the voxels. Undo and redo count as
    changes. A stroke may be reported several times: whoever listens gathers what
    comes within a moment.

    Parameters
    ----------
    case : CaseInScene
        The case, with all its segments.
    onLabelsChanged : callable
        Called without arguments after an edit.
    onLost : callable
        Called once without arguments when the volume or the segmentation was
        deleted, or the scene is being closed. Nothing more is reported afterwards.
    onFault : callable
        Called without arguments when :attr:`fault` is another than before.
    """

    def __init__(
        self,
        case: CaseInScene,
        onLabelsChanged: Callable[[], None],
        onLost: Callable[[], None],
        onFault: Callable[[], None],
    ) -> None:
        self._case = case
        self._onLabelsChanged = onLabelsChanged
        self._onLost = onLost
        self._onFault = onFault
        self._nodes = (case.volumeNode, case.segmentationNode)
        self._segmentation = case.segmentationNode.GetSegmentation()
        ofSides = case.scheme.labels_of_sides().items()
        self._names = {segment_id(*muscle): segment_name(*muscle) for _value, muscle in ofSides}
        self._values = {segment_id(*muscle): value for value, muscle in ofSides}
        self._expected = [
            name for name in self._segmentation.GetSegmentIDs() if name in self._names
        ]
        self._seen = self._voxelTimes()
        self.fault = self._findFault()
        scene = case.segmentationNode.GetScene()
        self._observed: list[tuple[vtk.vtkObject, int]] = [
            (scene, scene.AddObserver(slicer.vtkMRMLScene.NodeRemovedEvent, self._onNodeRemoved)),
            (scene, scene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent, self._onClosing)),
        ]
        # Undo and redo report only that segments were modified.
        for event in (
            slicer.vtkSegmentation.SourceRepresentationModified,
            slicer.vtkSegmentation.SegmentModified,
            slicer.vtkSegmentation.SegmentAdded,
            slicer.vtkSegmentation.SegmentRemoved,
        ):
            tag = self._segmentation.AddObserver(event, self._onSegmentation)
            self._observed.append((self._segmentation, tag))
        # The first is of a transform above the node, the other of its own matrix.
        moves = (
            slicer.vtkMRMLTransformableNode.TransformModifiedEvent,
            vtk.vtkCommand.ModifiedEvent,
        )
        for node in self._nodes:
            for event in moves:
                self._observed.append((node, node.AddObserver(event, self._onMoved)))

    @property
    def deleted(self) -> tuple[int, ...]:
        """Sided values of the muscles whose segments the user deleted."""
        there = set(self._segmentation.GetSegmentIDs())
        return tuple(self._values[name] for name in self._expected if name not in there)

    def stop(self) -> None:
        """Listen no more."""
        for observed, tag in self._observed:
            observed.RemoveObserver(tag)
        self._observed = []

    def _voxelTimes(self) -> dict[str, tuple[int, int]]:
        """Return, for each segment id, when its labelmap was made or changed, and its value."""
        times = {}
        for segmentId in self._segmentation.GetSegmentIDs():
            segment = self._segmentation.GetSegment(segmentId)
            labelmap = segment.GetRepresentation(BINARY_LABELMAP)
            times[segmentId] = (labelmap.GetMTime() if labelmap else 0, segment.GetLabelValue())
        return times

    def _findFault(self) -> CaseFault | None:
        remedy = _("take it out of the transform; until then nothing is edited or saved")
        case = self._case
        action = (_("Put it back"), case.putBack)
        if case.volumeNode.GetParentTransformNode():
            return CaseFault(_("a transform lies above the volume"), remedy, True, action=action)
        if case.segmentationNode.GetParentTransformNode():
            return CaseFault(_("a transform lies above the muscles"), remedy, True, action=action)
        if not case.hasItsVoxels:
            return CaseFault(
                _("the volume has other voxels than were segmented"),
                _("put them back: a non-linear transform makes others; or segment it as it is"),
                isMoved=True,
                action=action,
            )
        if not case.isOnItsGrid:
            return CaseFault(
                _("the volume is not where it was segmented"),
                _("move it back, or segment it again where it is"),
                isMoved=True,
                action=action,
            )
        for segmentId in self._expected:
            segment = self._segmentation.GetSegment(segmentId)
            muscle = self._names[segmentId]
            if segment is None:
                return CaseFault(
                    _("the segment {muscle} was deleted").format(muscle=muscle),
                    _("undo that, or click on the muscle in the muscle table to get it back"),
                )
            # While an undo brings a segment back it has no name for a moment.
            name = segment.GetName() or muscle
            if name != muscle and name in self._names.values():
                return CaseFault(
                    _("the segment of {muscle} was renamed {name}, another muscle").format(
                        muscle=muscle, name=name
                    ),
                    _("give it its name back, and move voxels between the segments instead"),
                )
            if name != muscle:
                return CaseFault(
                    _("the segment of {muscle} was renamed {name}").format(
                        muscle=muscle, name=name
                    ),
                    _("it is saved as {muscle} all the same").format(muscle=muscle),
                    isHarmless=True,
                )
        return None

    def _checkFault(self) -> None:
        before, self.fault = self.fault, self._findFault()
        if str(before) != str(self.fault):
            self._onFault()

    def _onSegmentation(self, caller: vtk.vtkObject, event: str) -> None:
        self._checkFault()
        times = self._voxelTimes()
        if times != self._seen:
            self._seen = times
            self._onLabelsChanged()

    def _onMoved(self, caller: vtk.vtkObject, event: str) -> None:
        if self._case.isComplete:
            self._checkFault()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, caller: vtk.vtkObject, event: str, node: vtk.vtkObject) -> None:
        if node in self._nodes:
            self._lose()

    def _onClosing(self, caller: vtk.vtkObject, event: str) -> None:
        self._lose()

    def _lose(self) -> None:
        if self._observed:
            self.stop()
            self._onLost()
