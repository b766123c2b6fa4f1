"""Slice views that lie in the volume's planes and go to what is to be looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import slicer
import vtk

from musclefm.review.findings import FlaggedRegion
from musclefm.review.muscle_slices import SliceAxis
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.nodes import nodesOfClass

LEAST_FIELD_MM = 120.0
"""A smaller field of view would leave the reader without the muscles around a region."""

_FIELD_PER_REGION = 2.0
# Cosine from which on a view counts as one along an axis.
_ALONG = 0.9


class SliceViews:
    """All slice views of a scene.

    Parameters
    ----------
    scene : vtkMRMLScene
        The scene.
    applicationLogic : vtkMRMLApplicationLogic
        ``slicer.app.applicationLogic()``: knows the logic of each slice view.
    """

    def __init__(
        self, scene: slicer.vtkMRMLScene, applicationLogic: slicer.vtkMRMLApplicationLogic
    ) -> None:
        self._scene = scene
        self._applicationLogic = applicationLogic

    def showVolume(self, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Put a volume into the background, turn the views into its planes, and fit them to it."""
        for composite in nodesOfClass(self._scene, "vtkMRMLSliceCompositeNode"):
            composite.SetBackgroundVolumeID(volumeNode.GetID())
        for sliceNode in self._sliceNodes():
            sliceNode.RotateToVolumePlane(volumeNode)
        self.fit()

    def fit(self) -> None:
        """Show the whole background in every view."""
        for sliceNode in self._sliceNodes():
            logic = self._applicationLogic.GetSliceLogic(sliceNode)
            if logic is not None:
                logic.FitSliceToBackground()

    def jumpTo(self, ras: tuple[float, float, float]) -> None:
        """Centre all views on a point in mm, RAS."""
        slicer.vtkMRMLSliceNode.JumpAllSlices(
            self._scene, *ras, slicer.vtkMRMLSliceNode.CenteredJumpSlice
        )

    def showRegion(self, case: CaseInScene, region: FlaggedRegion) -> None:
        """Centre all views on a flagged region and zoom until it and its context fill them.

        The point is a voxel of the region, in the slice that holds most of it:
        the centre of a crescent may lie outside of it, or between two slices.
        """
        point = (case.grid.ijk_to_ras @ [*regionVoxel(case, region), 1.0])[:3]
        self._zoomTo(_corners(case, region), point)
        self.jumpTo((float(point[0]), float(point[1]), float(point[2])))

    def jumpThrough(self, case: CaseInScene, region: FlaggedRegion) -> None:
        """Move all views through a flagged region, and keep the whole image in them."""
        point = (case.grid.ijk_to_ras @ [*regionVoxel(case, region), 1.0])[:3]
        slicer.vtkMRMLSliceNode.JumpAllSlices(
            self._scene, *point.tolist(), slicer.vtkMRMLSliceNode.OffsetJumpSlice
        )

    def jumpToSlice(self, case: CaseInScene, axis: int, index: int) -> None:
        """Move the views that show slices along an axis of the volume to one of them.

        Other views stay where they are.

        Parameters
        ----------
        case : CaseInScene
            The case.
        axis : int
            0 for i, 1 for j, 2 for k.
        index : int
            Voxel index along it.
        """
        matrix = case.grid.ijk_to_ras
        point = matrix[:3, 3] + index * matrix[:3, axis]
        along = matrix[:3, axis] / case.grid.spacing[axis]
        for sliceNode in self._sliceNodes():
            if abs(_axes(sliceNode)[2] @ along) > _ALONG:
                sliceNode.JumpSliceByOffsetting(*point.tolist())

    def jumpToLargest(self, case: CaseInScene, axis: int, muscle: npt.NDArray[np.bool_]) -> None:
        """Centre all views on a muscle, in the slice along an axis that holds most of it.

        Parameters
        ----------
        case : CaseInScene
            The case.
        axis : int
            0 for i, 1 for j, 2 for k.
        muscle : ndarray
            ``(K, J, I) bool``; where it is empty the views stay.
        """
        found = np.argwhere(muscle)
        if len(found):
            along = found[:, 2 - axis]
            middle = found[along == np.bincount(along).argmax()].mean(axis=0)
            ras = (case.grid.ijk_to_ras @ [*middle[::-1], 1.0])[:3]
            self.jumpTo((float(ras[0]), float(ras[1]), float(ras[2])))

    def shownSlices(self, case: CaseInScene) -> list[tuple[SliceAxis, int]]:
        """Return axis and index of the volume's slices that the views of the layout show."""
        found = []
        matrix = case.grid.ijk_to_ras
        for sliceNode in self._sliceNodes():
            if not sliceNode.IsMappedInLayout():
                continue
            toRas = sliceNode.GetSliceToRAS()
            centre = [toRas.GetElement(row, 3) for row in range(3)]
            voxel = np.linalg.inv(matrix) @ [*centre, 1.0]
            axes: tuple[SliceAxis, ...] = (0, 1, 2)
            for axis in axes:
                spacing = case.grid.spacing[axis]
                if abs(_axes(sliceNode)[2] @ matrix[:3, axis]) > _ALONG * spacing:
                    found.append((axis, int(np.rint(voxel[axis]))))
        return found

    def observe(self, onMoved: Callable[[], None]) -> Callable[[], None]:
        """Call a function whenever a view may show another slice; return what ends that."""
        tags = [
            (node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: onMoved()))
            for node in self._sliceNodes()
        ]

        def stop() -> None:
            for node, tag in tags:
                node.RemoveObserver(tag)

        return stop

    def _zoomTo(self, corners: npt.NDArray[np.float64], point: npt.NDArray[np.float64]) -> None:
        for sliceNode in self._sliceNodes():
            wanted = (
                2
                * np.abs((corners - point) @ _axes(sliceNode)[:2].T).max(axis=0)
                * _FIELD_PER_REGION
            )
            width, height, _ = sliceNode.GetDimensions()
            perPixel = max(*np.maximum(wanted, LEAST_FIELD_MM) / (width, height))
            sliceNode.SetFieldOfView(
                perPixel * width, perPixel * height, sliceNode.GetFieldOfView()[2]
            )

    def _sliceNodes(self) -> list[Any]:
        return nodesOfClass(self._scene, "vtkMRMLSliceNode")


def _axes(sliceNode: slicer.vtkMRMLSliceNode) -> npt.NDArray[np.float64]:
    """Return the directions ``(3, 3)`` in RAS of a view's width, height and depth, one a row."""
    toRas = sliceNode.GetSliceToRAS()
    return np.array([[toRas.GetElement(row, column) for row in range(3)] for column in range(3)])


def regionVoxel(case: CaseInScene, region: FlaggedRegion) -> tuple[int, int, int]:
    """Return the voxel (i, j, k) where a region is to be looked at.

    It is the one closest to the middle of the region in the slice (along
    ``slice_axis``) that holds most of it.
    """
    i0, i1, j0, j1, k0, k1 = region.bounds_ijk
    inside = case.regions[k0 : k1 + 1, j0 : j1 + 1, i0 : i1 + 1] == region.id
    ijk = np.stack(np.nonzero(inside)[::-1], axis=1) + np.array([i0, j0, k0])
    along = ijk[:, region.slice_axis]
    ijk = ijk[along == np.bincount(along).argmax()]
    apart = (ijk - ijk.mean(axis=0)) * case.grid.spacing
    i, j, k = ijk[np.square(apart).sum(axis=1).argmin()].tolist()
    return i, j, k


def _corners(case: CaseInScene, region: FlaggedRegion) -> npt.NDArray[np.float64]:
    """Return the corners ``(8, 3)`` of a region's box in mm, RAS."""
    i0, i1, j0, j1, k0, k1 = region.bounds_ijk
    corners = np.array(
        [
            [i, j, k, 1.0]
            for i in (i0 - 0.5, i1 + 0.5)
            for j in (j0 - 0.5, j1 + 0.5)
            for k in (k0 - 0.5, k1 + 0.5)
        ]
    )
    return (corners @ case.grid.ijk_to_ras.T)[:, :3]
