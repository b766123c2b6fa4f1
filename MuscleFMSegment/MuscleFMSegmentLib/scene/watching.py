"""Noticing what the user does to a case behind the module's back."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk

from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.labels import BINARY_LABELMAP


class CaseWatch:
    """Reports when the voxels of a case's segments change, and when its nodes vanish.

    A change of a name, a colour or a status is none of the voxels. Undo and
    redo count as changes. A stroke may be reported several times: whoever listens
    gathers what comes within a moment.

    Parameters
    ----------
    case : CaseInScene
        The case.
    onLabelsChanged : callable
        Called without arguments after an edit.
    onLost : callable
        Called once without arguments when the volume or the segmentation was
        deleted, or the scene is being closed. Nothing more is reported afterwards.
    """

    def __init__(
        self,
        case: CaseInScene,
        onLabelsChanged: Callable[[], None],
        onLost: Callable[[], None],
    ) -> None:
        self._onLabelsChanged = onLabelsChanged
        self._onLost = onLost
        self._nodes = (case.volumeNode, case.segmentationNode)
        self._segmentation = case.segmentationNode.GetSegmentation()
        self._seen = self._voxelTimes()
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

    def _onSegmentation(self, caller: vtk.vtkObject, event: str) -> None:
        times = self._voxelTimes()
        if times != self._seen:
            self._seen = times
            self._onLabelsChanged()

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


class TransformWatch:
    """Reports when a transform is put above the volume of a case, once until it is taken away.

    Labels, maps and views of the case stay where the volume was segmented.

    Parameters
    ----------
    volumeNode : vtkMRMLScalarVolumeNode
        The image of the case.
    onMoved : callable
        Called without arguments.
    """

    def __init__(
        self, volumeNode: slicer.vtkMRMLScalarVolumeNode, onMoved: Callable[[], None]
    ) -> None:
        self._volumeNode = volumeNode
        self._onMoved = onMoved
        self._isMoved = False
        event = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
        self._tag = volumeNode.AddObserver(event, self._onTransform)

    def stop(self) -> None:
        """Listen no more."""
        self._volumeNode.RemoveObserver(self._tag)

    def _onTransform(self, caller: vtk.vtkObject, event: str) -> None:
        wasMoved = self._isMoved
        self._isMoved = self._volumeNode.GetParentTransformNode() is not None
        if self._isMoved and not wasMoved:
            self._onMoved()
