"""The model's outlines beside the corrected ones."""

from __future__ import annotations

import slicer

from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.nodes import removeDisplayed

MODEL_COLOUR = (1.0, 1.0, 1.0)
"""White, thinner than the corrected outlines and beneath them: it shows where they part."""


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
        return bool(
            self._node is not None and self._node.GetScene() and self._node.GetDisplayVisibility()
        )

    def setVisible(self, visible: bool) -> None:
        """Show or hide the model's outlines."""
        raise NotImplementedError

    def remove(self) -> None:
        """Take the model's outlines out of the scene."""
        if self._node is not None:
            removeDisplayed(self._scene, self._node)
            self._node = None
