"""Effects of the Segment Editor: which there are, and a brush that paints and erases."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from PySide6 import QtCore
from vtk.util.numpy_support import vtk_to_numpy

from harness.pythonqt.classes import PythonQtType
from harness.pythonqt.fake import Fake, stored

NAMES = (
    "Paint",
    "Draw",
    "Erase",
    "Level tracing",
    "Grow from seeds",
    "Fill between slices",
    "Threshold",
    "Margin",
    "Hollow",
    "Smoothing",
    "Scissors",
    "Islands",
    "Logical operators",
    "Mask volume",
)
COMMON_DEFAULTS = {
    "BrushAbsoluteDiameter": "10.0",
    "BrushDiameterIsRelative": "1",
    "BrushRelativeDiameter": "3.0",
    "BrushSphere": "0",
}


class qSlicerSegmentEditorAbstractEffect(Fake, QtCore.QObject, metaclass=PythonQtType):
    """An effect, with its parameters in the editor's node as Slicer keeps them."""

    name = stored(str, "")
    title = stored(str, "")
    perSegment = stored(bool, True)

    def __init__(self, name: str, parent: Any) -> None:
        super().__init__(parent)
        self.name = self.title = name
        self._node = None

    def setParameterSetNode(self, node: Any) -> None:
        self._node = node

    def parameter(self, name: str) -> str:
        own = self._node.GetAttribute(f"{self.name}.{name}")
        found = self._node.GetAttribute(name) if own is None else own
        return COMMON_DEFAULTS.get(name, "") if found is None else found

    def integerParameter(self, name: str) -> int:
        return int(float(self.parameter(name) or 0))

    def doubleParameter(self, name: str) -> float:
        return float(self.parameter(name) or 0)

    def setCommonParameter(self, name: str, value: Any) -> None:
        self._node.SetAttribute(name, str(value))


def brushRadius(effect: qSlicerSegmentEditorAbstractEffect, view: Any) -> float:
    """Return the brush's radius in mm, in a slice view."""
    if not effect.integerParameter("BrushDiameterIsRelative"):
        return effect.doubleParameter("BrushAbsoluteDiameter") / 2
    sliceNode = view.mrmlSliceNode()
    height = sliceNode.GetFieldOfView()[1]
    return effect.doubleParameter("BrushRelativeDiameter") / 100 * height / 2


def brushStroke(
    labelmap: Any, points: np.ndarray, radius: float, normal: np.ndarray | None
) -> None:
    """Set the voxels of an image that a brush touches.

    Parameters
    ----------
    labelmap : vtkOrientedImageData
        Unsigned chars; set to 1 where the brush was.
    points : (N, 3)
        Where it was, in mm, RAS.
    radius : float
        In mm.
    normal : (3,) or None
        The slice's normal, for a disc one voxel deep; None for a sphere.
    """
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    toRas = slicer.util.arrayFromVTKMatrix(matrix)
    first = np.array(labelmap.GetExtent()[::2])
    size = np.array(labelmap.GetDimensions())
    spacing = np.linalg.norm(toRas[:3, :3], axis=0)
    voxels = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(size[::-1])
    fromRas = np.linalg.inv(toRas)
    for point in points:
        centre = (fromRas @ np.append(point, 1.0))[:3] - first
        reach = radius / spacing + 1
        low = np.maximum(np.floor(centre - reach), 0).astype(int)
        high = np.minimum(np.ceil(centre + reach) + 1, size).astype(int)
        if (low >= high).any():
            continue
        i, j, k = np.meshgrid(
            *(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"
        )
        apart = np.stack([i, j, k], axis=-1) - centre
        apart = apart @ toRas[:3, :3].T
        inside = _inside(apart, radius, normal, toRas)
        voxels[low[2] : high[2], low[1] : high[1], low[0] : high[0]][inside.T] = 1
    labelmap.Modified()


def _inside(
    apart: np.ndarray, radius: float, normal: np.ndarray | None, toRas: np.ndarray
) -> np.ndarray:
    """Return which voxels, by their distance in mm from the brush's centre, are touched."""
    if normal is None:
        return np.linalg.norm(apart, axis=-1) <= radius
    along = apart @ normal
    within = np.linalg.norm(apart - along[..., None] * normal, axis=-1) <= radius
    depth = np.abs(toRas[:3, :3].T @ normal).max()
    return within & (np.abs(along) <= depth / 2)
