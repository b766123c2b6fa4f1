"""From results to nodes in the scene: all of them, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt
import slicer
import vtk
from slicer.i18n import tr as _

from musclefm.defaults import UNCERTAIN_FROM
from musclefm.errors import MuscleFMError
from musclefm.results.case import CaseResults, read_results
from musclefm.review.queue import ReviewQueue
from musclefm.uncertainty.maps import UncertaintyKind
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.comparison import addModelOutlines
from MuscleFMSegmentLib.scene.geometry import (
    ijkToRas,
    orientedImage,
    setVoxels,
    volumeGrid,
    vtkMatrix,
)
from MuscleFMSegmentLib.scene.labels import addMuscles
from MuscleFMSegmentLib.scene.nodes import ROLE_ATTRIBUTE, nodesOfClass, removeDisplayed
from MuscleFMSegmentLib.scene.outlines import showOutlines
from MuscleFMSegmentLib.scene.uncertainty.heatmap import showAsHeat


def loadResults(
    scene: slicer.vtkMRMLScene,
    folder: Path,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
) -> CaseInScene:
    """Load a results folder, see :func:`read_results` and :func:`addResults`."""
    return addResults(scene, folder, read_results(folder), volumeNode)


def addResults(
    scene: slicer.vtkMRMLScene,
    folder: Path,
    results: CaseResults,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
) -> CaseInScene:
    """Add the results of a case to the scene.

    The segmentation is shown as outlines; heatmaps get their look but are not
    put into the views (see :class:`Heatmap`).

    Parameters
    ----------
    scene : vtkMRMLScene
        Where the nodes go; on an error it is as it was before.
    folder : Path
        Where the results lie.
    results : CaseResults
        What was read.
    volumeNode : vtkMRMLScalarVolumeNode
        The image that was segmented.

    Raises
    ------
    MuscleFMError
        The results lie on another grid than the volume.
    """
    grid = volumeGrid(volumeNode)
    if not results.grid.matches(grid):
        raise MuscleFMError(
            _("the results lie on another grid than the volume"),
            _("choose the volume that they were made from, or segment this one"),
        )
    names: dict[UncertaintyKind, str] = {
        "total": _("Uncertainty"),
        "aleatoric": _("Uncertainty, aleatoric"),
        "epistemic": _("Uncertainty, epistemic"),
    }
    before = set(nodesOfClass(scene, "vtkMRMLNode"))
    try:
        layer = orientedImage(results.sided_labels, ijkToRas(volumeNode))
        modelNode = addModelOutlines(scene, results.scheme, layer)
        segmentationNode = _addSegmentation(scene, results, volumeNode)
        heatmapNodes = {
            kind: _addHeatmap(scene, kind, names[kind], array, volumeNode)
            for kind, array in results.uncertainty.items()
        }
    except BaseException:
        for node in set(nodesOfClass(scene, "vtkMRMLNode")) - before:
            scene.RemoveNode(node)
        raise
    return CaseInScene(
        folder=folder,
        volumeNode=volumeNode,
        segmentationNode=segmentationNode,
        modelNode=modelNode,
        heatmapNodes=heatmapNodes,
        regions=results.region_labels,
        queue=ReviewQueue(results.regions),
        muscles=results.muscles,
        scheme=results.scheme,
        modelLabels=results.sided_labels,
        fatFraction=results.fat_fraction,
        provenance=results.provenance,
        grid=grid,
    )


def removeCase(scene: slicer.vtkMRMLScene, case: CaseInScene) -> None:
    """Remove the nodes of a case; the volume is the user's and stays."""
    for node in (case.segmentationNode, case.modelNode, *case.heatmapNodes.values()):
        removeDisplayed(scene, node)


def _addSegmentation(
    scene: slicer.vtkMRMLScene, results: CaseResults, volumeNode: slicer.vtkMRMLScalarVolumeNode
) -> slicer.vtkMRMLSegmentationNode:
    node = slicer.vtkMRMLSegmentationNode()
    node.SetName(scene.GenerateUniqueName(_("Thigh muscles")))
    layer = orientedImage(results.sided_labels, ijkToRas(volumeNode))
    addMuscles(node.GetSegmentation(), results.scheme, results.sides, layer)
    node = scene.AddNode(node)
    # Painting and saving follow the volume's grid, not the box of what is labelled now.
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    showOutlines(node)
    return node


def _addHeatmap(
    scene: slicer.vtkMRMLScene,
    kind: UncertaintyKind,
    name: str,
    array: npt.NDArray[Any],
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
) -> slicer.vtkMRMLScalarVolumeNode:
    image = vtk.vtkImageData()
    setVoxels(image, array)
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetName(scene.GenerateUniqueName(name))
    node.SetAttribute(ROLE_ATTRIBUTE, f"uncertainty-{kind}")
    node.SetIJKToRASMatrix(vtkMatrix(ijkToRas(volumeNode)))
    node.SetAndObserveImageData(image)
    node = scene.AddNode(node)
    showAsHeat(node, UNCERTAIN_FROM)
    return node
