"""From results to nodes in the scene: all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import slicer
import vtk
from slicer.i18n import tr as _

from musclefm.defaults import UNCERTAIN_FROM
from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import SIDES
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
    results = read_results(folder)
    return addResults(
        scene, folder, results, heatmapImages(results), results.sided_labels, volumeNode
    )


def heatmapImages(results: CaseResults) -> dict[UncertaintyKind, vtk.vtkImageData]:
    """Return the uncertainty as images, made without the scene: a second thread may do so."""
    images = {kind: vtk.vtkImageData() for kind in results.uncertainty}
    for kind, array in results.uncertainty.items():
        setVoxels(images[kind], array)
    return images


def addResults(
    scene: slicer.vtkMRMLScene,
    folder: Path,
    results: CaseResults,
    heatmaps: Mapping[UncertaintyKind, vtk.vtkImageData],
    labels: npt.NDArray[np.uint8],
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
    heatmaps : mapping
        See :func:`heatmapImages`; the nodes take them over.
    labels : ndarray
        ``(K, J, I) uint8``: sided values, the model's or as a review left them.
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
        segmentationNode = _addSegmentation(scene, results, labels, volumeNode)
        heatmapNodes = {
            kind: _addHeatmap(scene, kind, names[kind], image, volumeNode)
            for kind, image in heatmaps.items()
        }
    except BaseException:
        for node in set(nodesOfClass(scene, "vtkMRMLNode")) - before:
            scene.RemoveNode(node)
        raise
    return CaseInScene(
        folder=folder,
        volumeNode=volumeNode,
        image=volumeNode.GetImageData(),
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
    scene: slicer.vtkMRMLScene,
    results: CaseResults,
    labels: npt.NDArray[np.uint8],
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
) -> slicer.vtkMRMLSegmentationNode:
    node = slicer.vtkMRMLSegmentationNode()
    node.SetName(scene.GenerateUniqueName(_("Thigh muscles")))
    layer = orientedImage(labels, ijkToRas(volumeNode))
    sides = set(results.sides)
    if len(sides) < len(SIDES):
        # A reader may have drawn a muscle of the other side.
        sides |= {results.scheme.labels_of_sides()[x][0] for x in np.unique(labels) if x}
    addMuscles(node.GetSegmentation(), results.scheme, sides, layer)
    node = scene.AddNode(node)
    # Painting and saving follow the volume's grid, not the box of what is labelled now.
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    showOutlines(node)
    return node


def _addHeatmap(
    scene: slicer.vtkMRMLScene,
    kind: UncertaintyKind,
    name: str,
    image: vtk.vtkImageData,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
) -> slicer.vtkMRMLScalarVolumeNode:
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetName(scene.GenerateUniqueName(name))
    node.SetAttribute(ROLE_ATTRIBUTE, f"uncertainty-{kind}")
    node.SetIJKToRASMatrix(vtkMatrix(ijkToRas(volumeNode)))
    node.SetAndObserveImageData(image)
    node = scene.AddNode(node)
    showAsHeat(node, UNCERTAIN_FROM)
    return node
