"""The outline that a muscle would get, shown before it is taken."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import slicer
from slicer.i18n import tr as _

from musclefm.volumes.grid import Grid
from MuscleFMSegmentLib.scene.geometry import orientedImage
from MuscleFMSegmentLib.scene.labels import BINARY_LABELMAP
from MuscleFMSegmentLib.scene.nodes import removeDisplayed
from MuscleFMSegmentLib.scene.outlines import showOutlines

PROPOSAL_COLOUR = (0.65, 1.0, 0.0)
"""Lime: no muscle's colour, and neither the model's."""


class ProposalOutline:
    """A lime outline over those of the muscles; it is not saved and cannot be edited.

    Parameters
    ----------
    scene : vtkMRMLScene
        The scene.
    """

    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        self._scene = scene
        self._node: slicer.vtkMRMLSegmentationNode | None = None

    def show(self, mask: npt.NDArray[np.bool_], grid: Grid) -> None:
        """Show the outline of a mask ``(K, J, I) bool`` in place of the one before."""
        self.remove()
        node = slicer.vtkMRMLSegmentationNode()
        node.SetName(_("Proposed outline"))
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        segment = slicer.vtkSegment()
        segment.SetColor(*PROPOSAL_COLOUR)
        image = orientedImage(mask.astype(np.uint8), grid.ijk_to_ras)
        segment.AddRepresentation(BINARY_LABELMAP, image)
        node.GetSegmentation().AddSegment(segment, "proposal")
        self._node = self._scene.AddNode(node)
        showOutlines(self._node)

    def remove(self) -> None:
        """Take the outline away, if there is one."""
        node, self._node = self._node, None
        if node is not None:
            removeDisplayed(self._scene, node)
