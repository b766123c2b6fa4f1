"""From a results folder to nodes in the scene: all of it, or nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import slicer
import vtk

from musclefm.anatomy.scheme import SIDES, LabelScheme, Side, load_scheme
from musclefm.errors import MuscleFMError
from musclefm.review.export import RegionsDocument, muscles_from_csv, regions_from_json
from musclefm.review.findings import MuscleSummary
from musclefm.review.queue import ReviewQueue
from musclefm.volumes.grid import Grid
from musclefm.volumes.stored import read_stored
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.scene.case import CaseInScene, HeatKind
from MuscleFMSegmentLib.scene.geometry import (
    ijkToRas,
    orientedImage,
    setVoxels,
    volumeGrid,
    vtkMatrix,
)
from MuscleFMSegmentLib.scene.heatmap import DEFAULT_THRESHOLD, showAsHeat
from MuscleFMSegmentLib.scene.labels import addMuscles
from MuscleFMSegmentLib.scene.nodes import removeDisplayed
from MuscleFMSegmentLib.scene.outlines import showOutlines

_HEAT_FILES: dict[str, HeatKind] = {
    "uncertainty.nii.gz": "total",
    "aleatoric.nii.gz": "aleatoric",
    "epistemic.nii.gz": "epistemic",
}
_HEAT_NAMES: dict[HeatKind, str] = {
    "total": "Uncertainty",
    "aleatoric": "Uncertainty, aleatoric",
    "epistemic": "Uncertainty, epistemic",
}
_REGIONS_FILE = "regions.nii.gz"
_LABELS_FILE = "labels.seg.nrrd"
_FAT_FILE = "fat_fraction.nii.gz"
_REMEDY = "segment the scan again"


@dataclass(frozen=True)
class _Files:
    """A results folder, read and judged.

    Attributes
    ----------
    document : RegionsDocument
        The queue.
    muscles : tuple of MuscleSummary
        The muscle table.
    provenance : dict
        What made the results.
    maps : dict
        ``(K, J, I) float32`` with its grid, by file name; sided labels among them.
    """

    document: RegionsDocument
    muscles: tuple[MuscleSummary, ...]
    provenance: Mapping[str, Any]
    maps: Mapping[str, Volume]


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
    grid = volumeGrid(volumeNode)
    files = _read(folder)
    scheme = load_scheme(files.document.label_scheme)
    _check(files, scheme, grid)
    labels = files.maps[_LABELS_FILE].array.astype(np.uint8)
    labels.flags.writeable = False
    sides = {muscle.side for muscle in files.muscles} or set(SIDES)
    added: list[Any] = []
    try:
        segmentationNode = _addSegmentation(scene, scheme, sides, labels, volumeNode, added)
        heatmapNodes = {
            kind: _addHeatmap(scene, kind, files.maps[name], volumeNode, added)
            for name, kind in _HEAT_FILES.items()
        }
        fatFraction = files.maps.get(_FAT_FILE)
        return CaseInScene(
            folder=folder,
            volumeNode=volumeNode,
            segmentationNode=segmentationNode,
            heatmapNodes=heatmapNodes,
            regions=files.maps[_REGIONS_FILE].array.astype(np.uint16),
            queue=ReviewQueue(files.document.regions),
            muscles=files.muscles,
            scheme=scheme,
            modelLabels=labels,
            fatFraction=None if fatFraction is None else fatFraction.array,
            provenance=files.provenance,
            grid=grid,
        )
    except BaseException:
        for node in added:
            removeDisplayed(scene, node)
        raise


def removeCase(scene: slicer.vtkMRMLScene, case: CaseInScene) -> None:
    """Remove the nodes of a case; the volume is the user's and stays."""
    for node in (case.segmentationNode, *case.heatmapNodes.values()):
        removeDisplayed(scene, node)


def _read(folder: Path) -> _Files:
    # MRML would read labels.seg.nrrd, but a truncated one takes Slicer down with it (5.13).
    names = [*_HEAT_FILES, _REGIONS_FILE, _LABELS_FILE]
    if (folder / _FAT_FILE).exists():
        names.append(_FAT_FILE)
    # Unpacking lets go of Python's lock: two cores need half the time.
    with ThreadPoolExecutor() as pool:
        maps = dict(zip(names, pool.map(lambda x: read_stored(folder / x, x), names), strict=True))
    try:
        provenance = json.loads(_text(folder / "provenance.json"))
    except json.JSONDecodeError as error:
        raise MuscleFMError("provenance.json cannot be read", _REMEDY) from error
    return _Files(
        document=regions_from_json(_text(folder / "regions.json")),
        muscles=muscles_from_csv(_text(folder / "muscles.csv")),
        provenance=provenance,
        maps=maps,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MuscleFMError(f"{path.name} cannot be read", _REMEDY) from error


def _check(files: _Files, scheme: LabelScheme, grid: Grid) -> None:
    if not all(volume.grid.matches(grid) for volume in files.maps.values()):
        raise MuscleFMError(
            "the results lie on another grid than the volume",
            "choose the volume that they were made from, or segment this one",
        )
    if files.maps[_REGIONS_FILE].array.max() > len(files.document.regions):
        raise MuscleFMError("regions.nii.gz and regions.json do not belong together", _REMEDY)
    if files.maps[_LABELS_FILE].array.max() > max(scheme.labels_of_sides()):
        raise MuscleFMError(
            f"labels.seg.nrrd holds more muscles than the label scheme '{scheme.name}'", _REMEDY
        )


def _addSegmentation(
    scene: slicer.vtkMRMLScene,
    scheme: LabelScheme,
    sides: Collection[Side],
    labels: npt.NDArray[np.uint8],
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    added: list[Any],
) -> slicer.vtkMRMLSegmentationNode:
    node = slicer.vtkMRMLSegmentationNode()
    node.SetName(scene.GenerateUniqueName("Thigh muscles"))
    addMuscles(node.GetSegmentation(), scheme, sides, orientedImage(labels, ijkToRas(volumeNode)))
    added.append(scene.AddNode(node))
    # Painting and saving follow the volume's grid, not the box of what is labelled now.
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    showOutlines(node)
    return node


def _addHeatmap(
    scene: slicer.vtkMRMLScene,
    kind: HeatKind,
    volume: Volume,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    added: list[Any],
) -> slicer.vtkMRMLScalarVolumeNode:
    image = vtk.vtkImageData()
    setVoxels(image, volume.array)
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetName(scene.GenerateUniqueName(_HEAT_NAMES[kind]))
    node.SetIJKToRASMatrix(vtkMatrix(volumeGrid(volumeNode).ijk_to_ras))
    node.SetAndObserveImageData(image)
    added.append(scene.AddNode(node))
    showAsHeat(node, DEFAULT_THRESHOLD)
    return node
