"""What the corrected labels are compared with: the model's outlines, and a second opinion."""

from __future__ import annotations

import numpy as np
import slicer
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from musclefm.exchange.external_labels import ExternalLabels, ExternalSegment
from musclefm.labels.scheme import SIDES, LabelScheme
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.geometry import orientedImage
from MuscleFMSegmentLib.scene.labels import addMuscles, onGridOf
from MuscleFMSegmentLib.scene.nodes import removeDisplayed
from MuscleFMSegmentLib.scene.outlines import showOutlines

MODEL_COLOUR = (1.0, 1.0, 1.0)
"""White, beneath the corrected outlines: it shows where they part and nowhere else."""

OPINION_COLOUR = (1.0, 0.85, 0.0)
"""Yellow: the outlines of a second opinion."""


def addModelOutlines(
    scene: slicer.vtkMRMLScene, scheme: LabelScheme, layer: slicer.vtkOrientedImageData
) -> slicer.vtkMRMLSegmentationNode:
    """Add a segmentation of what the model had drawn, hidden until it is asked for.

    Views draw segmentations in the order in which they were added: this one comes first,
    so that it lies beneath the corrected one.

    Parameters
    ----------
    scene : vtkMRMLScene
        The scene.
    scheme : LabelScheme
        The muscles.
    layer : vtkOrientedImageData
        The model's sided labels.
    """
    node = addOutlines(scene, scheme, layer, _("Model's outlines"), MODEL_COLOUR)
    node.SetDisplayVisibility(False)
    return node


def addOutlines(
    scene: slicer.vtkMRMLScene,
    scheme: LabelScheme,
    layer: slicer.vtkOrientedImageData,
    name: str,
    colour: tuple[float, float, float],
) -> slicer.vtkMRMLSegmentationNode:
    """Add a segmentation to be seen and not edited: outlines of one colour.

    It is not saved with the scene and not offered for editing.

    Parameters
    ----------
    scene : vtkMRMLScene
        The scene.
    scheme : LabelScheme
        The muscles.
    layer : vtkOrientedImageData
        Sided labels.
    name : str
        Of the node.
    colour : tuple of float
        Red, green and blue in [0, 1].
    """
    node = slicer.vtkMRMLSegmentationNode()
    node.SetName(name)
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    segmentation = node.GetSegmentation()
    addMuscles(segmentation, scheme, SIDES, layer)
    for segmentId in segmentation.GetSegmentIDs():
        segmentation.GetSegment(segmentId).SetColor(*colour)
    node = scene.AddNode(node)
    showOutlines(node)
    return node


def externalLabels(
    segmentationNode: slicer.vtkMRMLSegmentationNode | None, case: CaseInScene
) -> ExternalLabels:
    """Return a segmentation on the grid of a case's image, each segment by its name.

    Of segments that overlap, the first keeps the voxel.

    Raises
    ------
    MuscleFMError
        There is none, it is the case's own, or a transform lies above it.
    """
    if segmentationNode is None or segmentationNode.GetScene() is None:
        raise MuscleFMError(
            _("no segmentation is chosen"), _("load one and choose it, or take a file")
        )
    if segmentationNode in (case.segmentationNode, case.modelNode):
        raise MuscleFMError(
            _("this segmentation is the one under review"), _("choose another program's")
        )
    if segmentationNode.GetParentTransformNode() is not None:
        raise MuscleFMError(
            _("a transform lies above the segmentation"), _("harden it or take it away")
        )
    segmentation = segmentationNode.GetSegmentation()
    labels = np.zeros(case.grid.shape, np.int64)
    segments: list[ExternalSegment] = []
    for layer in range(segmentation.GetNumberOfLayers()):
        image = segmentation.GetLayerDataObject(layer)
        if image.IsEmpty():
            continue
        stored, box = onGridOf(case.volumeNode, image)
        for segmentId in segmentation.GetSegmentIDsForLayer(layer):
            segment = segmentation.GetSegment(segmentId)
            value = len(segments) + 1
            segments.append(ExternalSegment(value, segment.GetName()))
            mine = (stored == segment.GetLabelValue()) & (labels[box] == 0)
            labels[box][mine] = value
    used = set(np.unique(labels).tolist())
    return ExternalLabels(Volume(labels, case.grid), tuple(x for x in segments if x.value in used))


class Comparison:
    """Shows what the model had drawn, as white outlines beneath the corrected ones.

    Parameters
    ----------
    scene : vtkMRMLScene
        The scene of the case.
    case : CaseInScene
        The case.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, case: CaseInScene) -> None:
        self._scene = scene
        self._case = case
        self._node = case.modelNode

    @property
    def isVisible(self) -> bool:
        """Whether the model's outlines are shown."""
        return bool(self._node.GetScene() and self._node.GetDisplayVisibility())

    def setVisible(self, visible: bool) -> None:
        """Show or hide the model's outlines."""
        if visible and not self._node.GetScene():
            layer = orientedImage(self._case.modelLabels, self._case.grid.ijk_to_ras)
            self._node = addModelOutlines(self._scene, self._case.scheme, layer)
        if self._node.GetScene():
            self._node.SetDisplayVisibility(visible)

    def remove(self) -> None:
        """Take the model's outlines out of the scene."""
        removeDisplayed(self._scene, self._node)
