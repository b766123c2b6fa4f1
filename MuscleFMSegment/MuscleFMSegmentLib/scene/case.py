"""A segmented case as the scene holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import slicer
import vtk
from scipy import ndimage

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import SIDES, LabelScheme
from musclefm.labels.segment_names import segment_id
from musclefm.review.findings import FlaggedRegion, MuscleSummary
from musclefm.review.muscle_slices import SliceAxis
from musclefm.review.queue import Muscle, ReviewQueue
from musclefm.uncertainty.maps import UncertaintyKind
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view
from MuscleFMSegmentLib.scene.geometry import volumeGrid, vtkMatrix

# Skin and fat around the muscles.
_AROUND_MM = 20.0


@dataclass(frozen=True)
class CaseInScene:
    """Everything of one case: its nodes, and what is not kept in nodes.

    Attributes
    ----------
    folder : Path
        The results folder that it was loaded from.
    volumeNode : vtkMRMLScalarVolumeNode
        The image that was segmented; it is the user's, not the case's.
    image : vtkImageData
        The volume's voxels as they were segmented: a non-linear transform that is hardened
        puts others into their place.
    segmentationNode : vtkMRMLSegmentationNode
        One segment a muscle and side, which the reader corrects.
    modelNode : vtkMRMLSegmentationNode
        What the model had drawn, for :class:`Comparison`; never changed.
    heatmapNodes : dict
        A float32 volume in [0, 1] for each kind of uncertainty.
    regions : ndarray
        ``(K, J, I) uint16``: ids of the flagged regions, 0 for none.
    queue : ReviewQueue
        The reader's queue.
    muscles : tuple of MuscleSummary
        The muscle table as the model left it.
    scheme : LabelScheme
        What the labels mean.
    modelLabels : ndarray
        ``(K, J, I) uint8``: the model's sided labels, never changed.
    fatFraction : ndarray or None
        ``(K, J, I) float32`` in [0, 1], NaN where undefined; None without fat and water.
    provenance : Mapping
        What made the results.
    grid : Grid
        Where all these voxels lie.
    """

    folder: Path
    volumeNode: slicer.vtkMRMLScalarVolumeNode
    image: vtk.vtkImageData
    segmentationNode: slicer.vtkMRMLSegmentationNode
    modelNode: slicer.vtkMRMLSegmentationNode
    heatmapNodes: Mapping[UncertaintyKind, slicer.vtkMRMLScalarVolumeNode]
    regions: npt.NDArray[np.uint16]
    queue: ReviewQueue
    muscles: tuple[MuscleSummary, ...]
    scheme: LabelScheme
    modelLabels: npt.NDArray[np.uint8]
    fatFraction: npt.NDArray[np.float32] | None
    provenance: Mapping[str, Any]
    grid: Grid

    @property
    def isComplete(self) -> bool:
        """Whether volume and segmentation are still in the scene.

        The user may delete any node behind the module's back.
        """
        return all(node.GetScene() for node in (self.volumeNode, self.segmentationNode))

    @property
    def hasItsVoxels(self) -> bool:
        """Whether the volume has the voxels that were segmented."""
        return self.volumeNode.GetImageData() is self.image

    @property
    def isOnItsGrid(self) -> bool:
        """Whether the volume has the voxels and the place that it was segmented with.

        Transforms above it are left out.
        """
        try:
            return self.hasItsVoxels and self.grid.matches(volumeGrid(self.volumeNode))
        except MuscleFMError:
            return False

    @property
    def isInPlace(self) -> bool:
        """Whether image and muscles are in the scene, and lie where they were segmented."""
        return self.isComplete and self.isOnItsGrid and not self.isTransformed

    @property
    def isTransformed(self) -> bool:
        """Whether a transform lies above the image or the muscles."""
        nodes = (self.volumeNode, self.segmentationNode)
        return any(node.GetParentTransformNode() for node in nodes)

    def putBack(self) -> None:
        """Take image and muscles out of all transforms, those hardened into the image, too."""
        for node in (self.volumeNode, self.segmentationNode):
            node.SetAndObserveTransformNodeID(None)
        if not self.hasItsVoxels:
            self.volumeNode.SetAndObserveImageData(self.image)
        if not self.isOnItsGrid:
            self.volumeNode.SetIJKToRASMatrix(vtkMatrix(self.grid.ijk_to_ras))

    @property
    def hasSurfaces(self) -> bool:
        """Whether the muscles are shown in 3-D."""
        name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        return self.segmentationNode.GetSegmentation().ContainsRepresentation(name)

    @property
    def colours(self) -> dict[Muscle, tuple[float, float, float]]:
        """Red, green and blue in [0, 1] of the muscles' segments, by side and label id."""
        segmentation = self.segmentationNode.GetSegmentation()
        found = (
            ((side, label.id), segmentation.GetSegment(segment_id(side, label)))
            for side, label in self.scheme.labels_of_sides().values()
        )
        return {muscle: segment.GetColor() for muscle, segment in found if segment}

    def musclesOf(self, region: FlaggedRegion) -> tuple[int, ...]:
        """Return the sided values of the muscles that a region concerns, the likeliest first."""
        shift = len(self.scheme.labels) if region.side == "left" else 0
        return tuple(label_id + shift for label_id in region.label_ids)

    @property
    def legAxis(self) -> SliceAxis:
        """The axis of the image that runs along the leg: 0 for i, 1 for j, 2 for k."""
        axes: tuple[SliceAxis, ...] = (2, 1, 0)
        return axes[canonical_view(self.grid).axes[0]]

    @cached_property
    def muscleBoxes(self) -> dict[int, tuple[slice, ...]]:
        """The box (k, j, i) of each muscle as the model drew it, by sided value.

        To the voxel or one more.
        """
        # Every second voxel is enough, and takes an eighth of the time.
        boxes = enumerate(ndimage.find_objects(self.modelLabels[::2, ::2, ::2]), start=1)
        return {
            value: tuple(slice(max(2 * s.start - 1, 0), 2 * s.stop) for s in box)
            for value, box in boxes
            if box
        }

    @cached_property
    def limbs(self) -> tuple[npt.NDArray[np.float64], ...]:
        """First and last voxel ``(2, 3)``, (i, j, k), of each leg with its skin and fat.

        Along the leg it is as long as the image; without labels, a leg is the image.
        """
        size = np.array(self.grid.shape[::-1])
        sides = self.scheme.labels_of_sides()
        found = []
        for side in SIDES:
            bounds = np.stack((0 * size, size - 1)).astype(float)
            boxes = [box for value, box in self.muscleBoxes.items() if sides[value][0] == side]
            for axis in {0, 1, 2} - {self.legAxis} if boxes else ():
                around = _AROUND_MM / self.grid.spacing[axis]
                first = min(box[2 - axis].start for box in boxes)
                last = max(box[2 - axis].stop for box in boxes)
                bounds[:, axis] = np.clip((first - around, last + around), 0, size[axis] - 1)
            found.append(bounds)
        return tuple(found)
