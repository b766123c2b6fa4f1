"""The model's outlines beside the corrected ones."""

from __future__ import annotations

import slicer

from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.geometry import orientedImage
from MuscleFMSegmentLib.scene.labels import addMuscles
from MuscleFMSegmentLib.scene.nodes import removeDisplayed
from MuscleFMSegmentLib.scene.outlines import showOutlines

MODEL_COLOUR = (1.0, 1.0, 1.0)
"""White, thinner than the corrected outlines and beneath them: it shows where they part."""

_LINE_WIDTH = 1


class Comparison:
    """Shows what the model had drawn, as thin white outlines.

    Parameters
    ----------
    scene : vtkMRMLScene
        The scene. What is shown is not saved with it and is not offered for editing.
    case : CaseInScene
        The case.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, case: CaseInScene) -> None:
        self._scene = scene
        self._case = case
        self._node: slicer.vtkMRMLSegmentationNode | None = None

    @property
    def isVisible(self) -> bool:
        """Whether the model's outlines are shown."""
        return bool(self._isPresent() and self._node.GetDisplayVisibility())

    def setVisible(self, visible: bool) -> None:
        """Show or hide the model's outlines."""
        if visible and not self._isPresent():
            self._node = self._made()
        if self._isPresent():
            self._node.SetDisplayVisibility(visible)

    def remove(self) -> None:
        """Take the model's outlines out of the scene."""
        if self._node is not None:
            removeDisplayed(self._scene, self._node)
            self._node = None

    def _isPresent(self) -> bool:
        return self._node is not None and self._node.GetScene() is not None

    def _made(self) -> slicer.vtkMRMLSegmentationNode:
        case = self._case
        node = slicer.vtkMRMLSegmentationNode()
        node.SetName("Model's outlines")
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        segmentation = node.GetSegmentation()
        layer = orientedImage(case.modelLabels, case.grid.ijk_to_ras)
        addMuscles(segmentation, case.scheme, {muscle.side for muscle in case.muscles}, layer)
        for segmentId in segmentation.GetSegmentIDs():
            segmentation.GetSegment(segmentId).SetColor(*MODEL_COLOUR)
        node = self._scene.AddNode(node)
        showOutlines(node, _LINE_WIDTH)
        return node
