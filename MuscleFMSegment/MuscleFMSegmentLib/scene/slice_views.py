"""Slice views that lie in the volume's planes and go to what is to be looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import slicer

from musclefm.review.findings import FlaggedRegion
from musclefm.review.muscle_slices import SliceAxis, voxels_of_largest_slice
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.nodes import slicesOfLayout
from MuscleFMSegmentLib.scene.view_watch import watchViews

# Share of the field of view that is left free around what is to be looked at.
_MARGIN = 0.08
# Cosine from which on a view counts as one along an axis.
_ALONG = 0.9


class SliceViews:
    """The slice views of the layout.

    Going somewhere never changes how large things are shown: the field of view
    is fitted once to the image, and is the reader's from then on.

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
        self._shown: set[str] = set()
        self._stopWatching: Callable[[], None] = lambda: None

    def showVolume(self, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Put a volume into the background, turn the views into its planes, and fit them to it.

        Views without an image that a later layout brings get it, too, until :meth:`release`.
        """
        for sliceNode, composite in slicesOfLayout(self._scene):
            self._showIn(sliceNode, composite, volumeNode)

        def follow() -> None:
            for sliceNode, composite in slicesOfLayout(self._scene):
                isNew = sliceNode.GetID() not in self._shown
                if isNew and not composite.GetBackgroundVolumeID() and volumeNode.GetScene():
                    self._showIn(sliceNode, composite, volumeNode)

        self.release()
        self._stopWatching = watchViews(self._scene, follow)

    def release(self) -> None:
        """Follow the layout no longer."""
        self._stopWatching()
        self._stopWatching = lambda: None

    def showRegion(self, case: CaseInScene, region: FlaggedRegion) -> None:
        """Go to a flagged region; views in which it is visible move through their slices alone.

        The point is a voxel of the region, in the slice that holds most of it:
        the centre of a crescent may lie outside of it, or between two slices.
        """
        i0, i1, j0, j1, k0, k1 = region.bounds_ijk
        box = np.array([[i0, j0, k0], [i1, j1, k1]])
        self._lookAt(case, np.array(regionVoxel(case, region)), box)

    def jumpThrough(self, case: CaseInScene, region: FlaggedRegion) -> None:
        """Move all views through a flagged region, and keep the whole image in them."""
        point = (case.grid.ijk_to_ras @ [*regionVoxel(case, region), 1.0])[:3]
        for sliceNode in self._sliceNodes():
            sliceNode.JumpSliceByOffsetting(*point.tolist())

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

    def jumpToLargest(
        self, case: CaseInScene, axis: SliceAxis, labels: npt.NDArray[np.uint8], value: int
    ) -> None:
        """Go to a muscle, in the slice along an axis that holds most of it.

        Parameters
        ----------
        case : CaseInScene
            The case.
        axis : int
            0 for i, 1 for j, 2 for k.
        labels : ndarray
            ``(K, J, I) uint8``: sided values.
        value : int
            That of the muscle; where it is empty the views stay.
        """
        found = voxels_of_largest_slice(labels, value, axis)
        if len(found):
            box = np.stack((found.min(axis=0), found.max(axis=0)))
            self._lookAt(case, found.mean(axis=0), box)

    def shownSlices(self, case: CaseInScene) -> list[tuple[SliceAxis, int]]:
        """Return axis and index of the volume's slices that the views of the layout show."""
        found = []
        matrix = case.grid.ijk_to_ras
        for sliceNode in self._sliceNodes():
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
        return watchViews(self._scene, onMoved)

    def _showIn(self, sliceNode: Any, composite: Any, volumeNode: Any) -> None:
        self._shown.add(sliceNode.GetID())
        composite.SetBackgroundVolumeID(volumeNode.GetID())
        sliceNode.RotateToVolumePlane(volumeNode)
        logic = self._applicationLogic.GetSliceLogic(sliceNode)
        if logic is not None:
            logic.FitSliceToBackground()

    def _lookAt(
        self, case: CaseInScene, point: npt.NDArray[Any], box: npt.NDArray[np.int64]
    ) -> None:
        """Go to the voxel ``point``, with the voxels between the rows of ``box`` in view.

        Both are indices (i, j, k).
        """
        target = (case.grid.ijk_to_ras @ [*point, 1.0])[:3]
        limb = min(
            case.limbs,
            key=lambda bounds: float(np.abs(bounds.mean(axis=0) - point) @ case.grid.spacing),
        )
        limb = np.stack((np.minimum(limb[0], box[0]), np.maximum(limb[1], box[1])))
        corners, limbCorners = _corners(case, box), _corners(case, limb)
        for sliceNode in self._sliceNodes():
            axes, middle = _axes(sliceNode), _middle(sliceNode)
            fields = sliceNode.GetFieldOfView()[:2]
            shift = axes[2] * (axes[2] @ (target - middle))
            spans = [_Span(axis, corners, limbCorners) for axis in axes[:2]]
            at = [float(axis @ middle) for axis in axes[:2]]
            if not all(map(_Span.isSeen, spans, at, fields)):
                aims = map(_Span.panned, spans, at, fields, (axes[:2] @ target).tolist())
                shift += (np.array([*aims]) - at) @ axes[:2]
            toRas = sliceNode.GetSliceToRAS()
            for row, value in enumerate(shift):
                toRas.SetElement(row, 3, toRas.GetElement(row, 3) + float(value))
            sliceNode.UpdateMatrices()

    def _sliceNodes(self) -> list[Any]:
        return [sliceNode for sliceNode, _composite in slicesOfLayout(self._scene)]


class _Span:
    """What is wanted and the limb along one axis of a view, in mm."""

    def __init__(
        self,
        axis: npt.NDArray[np.float64],
        wanted: npt.NDArray[np.float64],
        limb: npt.NDArray[np.float64],
    ) -> None:
        self._low, self._high = float((wanted @ axis).min()), float((wanted @ axis).max())
        self._limb = float((limb @ axis).min()), float((limb @ axis).max())

    def isSeen(self, middle: float, field: float) -> bool:
        """Return whether what is wanted is in view with a margin, or the whole limb is."""
        reach = (0.5 - _MARGIN) * field
        whole = middle - field / 2 <= self._limb[0] and self._limb[1] <= middle + field / 2
        return whole or (middle - reach <= self._low and self._high <= middle + reach)

    def panned(self, middle: float, field: float, point: float) -> float:
        """Return where the middle of the view goes.

        A field of view that is large enough moves until it holds what is wanted and the
        whole limb. A smaller one goes to what is wanted, but shows nothing beyond the limb.
        """
        reach = (0.5 - _MARGIN) * field
        ends = sorted((self._limb[0] + field / 2, self._limb[1] - field / 2))
        if field >= self._limb[1] - self._limb[0]:
            aim = min(max(middle, self._high - reach), self._low + reach)
        else:
            aim = (self._low + self._high) / 2 if self._high - self._low <= 2 * reach else point
        return min(max(aim, ends[0]), ends[1])


def _middle(sliceNode: slicer.vtkMRMLSliceNode) -> npt.NDArray[np.float64]:
    """Return the point in mm, RAS, in the middle of a view, wherever the reader panned it to."""
    x, y, _z = sliceNode.GetXYZOrigin()
    return np.array(sliceNode.GetSliceToRAS().MultiplyPoint((x, y, 0.0, 1.0)))[:3]


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


def _corners(case: CaseInScene, box: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the corners ``(8, 3)`` in mm, RAS, of the voxels from (i, j, k) to (i, j, k)."""
    ends = np.stack((box[0] - 0.5, box[1] + 0.5))
    corners = np.array([[i, j, k, 1.0] for i in ends[:, 0] for j in ends[:, 1] for k in ends[:, 2]])
    return (corners @ case.grid.ijk_to_ras.T)[:, :3]
