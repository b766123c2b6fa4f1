"""From a results folder to nodes in the scene: all of it, or nothing."""

from __future__ import annotations

from pathlib import Path

import slicer

from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.nodes import removeDisplayed


def loadResults(
    scene: slicer.vtkMRMLScene,
    folder: Path,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
) -> CaseInScene:
    """Load what ``musclefm segment`` wrote.

    The segmentation is shown as outlines; heatmaps get their look but are not
    put into the views (see :class:`Heatmap`).

    Parameters
    ----------
    scene : vtkMRMLScene
        Where the nodes go; on an error it is as it was before.
    folder : Path
        The results folder of the case.
    volumeNode : vtkMRMLScalarVolumeNode
        The image that was segmented.

    Raises
    ------
    MuscleFMError
        A file is missing, damaged or truncated, or the results lie on another
        grid than the volume.
    """
    raise NotImplementedError


def removeCase(scene: slicer.vtkMRMLScene, case: CaseInScene) -> None:
    """Remove the nodes of a case; the volume is the user's and stays."""
    for node in (case.segmentationNode, *case.heatmapNodes.values()):
        removeDisplayed(scene, node)
