"""The outline of the region that the reader is asked to look at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import slicer
from slicer.i18n import tr as _

from musclefm.review.findings import FlaggedRegion
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.geometry import orientedImage
from MuscleFMSegmentLib.scene.labels import BINARY_LABELMAP
from MuscleFMSegmentLib.scene.nodes import removeDisplayed
from MuscleFMSegmentLib.scene.outlines import showOutlines

COLOUR = (0.0, 235 / 255, 1.0)
"""Cyan as in the report: neither in the heat nor in a grey image nor in the schemes."""

_LINE_WIDTH = 1
_SEGMENT = "region"


class RegionMarker:
    """Marks one region of a case in all slice views.

    The line runs one voxel outside of the region, so that the border of a
    muscle that ends the region, and is uncertain, stays visible.

    Parameters
    ----------
    scene : vtkMRMLScene
        The scene. The mark is not saved with it and is not offered for editing.
    """

    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        self._scene = scene
        self._node: slicer.vtkMRMLSegmentationNode | None = None

    def show(self, case: CaseInScene, region: FlaggedRegion) -> None:
        """Mark a region instead of the one that was marked before."""
        i0, i1, j0, j1, k0, k1 = region.bounds_ijk
        inside = case.regions[k0 : k1 + 1, j0 : j1 + 1, i0 : i1 + 1] == region.id
        around = _dilated(inside, region.slice_axis)
        matrix = case.grid.ijk_to_ras
        matrix[:, 3] = matrix @ (i0 - 1, j0 - 1, k0 - 1, 1.0)
        segment = slicer.vtkSegment()
        segment.SetName(_("Region to check"))
        segment.SetColor(*COLOUR)
        segment.AddRepresentation(BINARY_LABELMAP, orientedImage(around, matrix))
        node = self._presentNode()
        node.GetSegmentation().RemoveAllSegments()
        node.GetSegmentation().AddSegment(segment, _SEGMENT)
        node.SetDisplayVisibility(True)

    def setVisible(self, isVisible: bool) -> None:
        """Hide the mark, or show it again."""
        if self._node is not None and self._node.GetScene():
            self._node.SetDisplayVisibility(isVisible)

    def remove(self) -> None:
        """Take the mark out of the scene."""
        if self._node is not None:
            removeDisplayed(self._scene, self._node)
            self._node = None

    def _presentNode(self) -> slicer.vtkMRMLSegmentationNode:
        if self._node is None or self._node.GetScene() is None:
            name = _("Region to check")
            self._node = self._scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
            self._node.SetHideFromEditors(True)
            self._node.SetSaveWithScene(False)
            showOutlines(self._node, _LINE_WIDTH)
        return self._node


def _dilated(inside: npt.NDArray[np.bool_], sliceAxis: int) -> npt.NDArray[np.uint8]:
    """Return a mask ``(K, J, I)`` with one voxel more at each end, dilated by one in its slices."""
    dilated = np.pad(inside, 1)
    for axis in {0, 1, 2} - {2 - sliceAxis}:
        dilated |= np.roll(dilated, 1, axis) | np.roll(dilated, -1, axis)
    return dilated.view(np.uint8)
