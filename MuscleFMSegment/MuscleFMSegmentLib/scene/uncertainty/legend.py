"""What the colours of the heat mean, in a corner of a slice view in which no limb lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import slicer
from slicer.i18n import tr as _

from musclefm.anatomy.body import fill_holes, otsu_threshold
from musclefm.uncertainty.maps import UncertaintyKind
from MuscleFMSegmentLib.scene.geometry import ijkToRas, voxels
from MuscleFMSegmentLib.scene.nodes import slicesOfLayout

# In pixels: small, and its letters, which fill it, about as large as the view's own. Views of
# more pixels are large, or lie on a screen of fine ones.
_SIZE, _MARGIN, _VIEW_WIDTH = np.array((112.0, 40.0)), 8.0, 800.0
# Top and bottom, at the right: at the left Slicer would draw bar and letters beyond their box.
_CORNERS = (1.0, 0.0)
# Points of the box at which the image is looked at, in a row and in a column.
_LOOKS = (9, 5)
_VOXELS_AT_MOST = 64


class Legend:
    """The legend of the heat: one at a time, in one of the layout's views.

    It stays where it is while nothing of the limb comes beneath it; then it
    takes another corner, and is hidden where there is none.

    Parameters
    ----------
    scene : vtkMRMLScene
        Whose slice views are meant.
    """

    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        self._scene = scene
        self._shown: Any = None
        self._place: tuple[str, float] | None = None
        self._limbs: dict[str, _Limb] = {}

    def show(self, node: Any, kind: UncertaintyKind) -> None:
        """Show the legend of a heatmap, or none where ``node`` is None."""
        if self._shown not in (None, node) and self._shown.GetScene():
            self._legendOf(self._shown).SetVisibility(False)
        self._shown = node
        if node is None:
            return
        words = {
            "total": _("uncertainty"),
            "aleatoric": _("aleatoric"),
            "epistemic": _("epistemic"),
        }
        legend = self._legendOf(node)
        # A title is drawn in letters of any size, and beyond the box; labels keep to it.
        legend.SetTitleText("")
        legend.SetLabelFormat(words[kind] + " %g")
        legend.SetNumberOfLabels(2)
        legend.GetLabelTextProperty().SetFontFamilyToArial()
        self._place = None
        self.place()

    def place(self) -> None:
        """Look for a free corner, unless the legend is in one."""
        if self._shown is None or self._shown.GetScene() is None:
            return
        views = {node.GetID(): (node, other) for node, other in slicesOfLayout(self._scene)}
        places = [(name, corner) for name in views for corner in _CORNERS]
        if self._place in places:
            places.insert(0, self._place)
        free = (place for place in places if self._isFree(*views[place[0]], place[1]))
        self._place = next(free, None)
        legend = self._legendOf(self._shown)
        if self._place is not None:
            self._put(legend, views[self._place[0]][0], self._place[1])
        legend.SetVisibility(self._place is not None)

    def _legendOf(self, node: Any) -> Any:
        legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(node)
        return legend or slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(node)

    def _put(self, legend: Any, sliceNode: Any, corner: float) -> None:
        box = _box(sliceNode, corner)
        size = np.array(sliceNode.GetDimensions()[:2], float)
        extent = (box[1] - box[0]) / size
        # Slicer takes a position for a share of what the size leaves.
        position = (box[0] / size) / (1 - extent)
        modified = legend.StartModify()
        if [sliceNode.GetID()] != list(legend.GetViewNodeIDs()):
            legend.RemoveAllViewNodeIDs()
            legend.AddViewNodeID(sliceNode.GetID())
        legend.SetSize(*extent.tolist())
        legend.SetPosition(*position.tolist())
        legend.EndModify(modified)

    def _isFree(self, sliceNode: Any, composite: Any, corner: float) -> bool:
        """Return whether the box in a corner fits into a view, and shows nothing of a limb."""
        box = _box(sliceNode, corner)
        if (box[1] - box[0] > np.array(sliceNode.GetDimensions()[:2]) / 2).any():
            return False
        image = self._scene.GetNodeByID(composite.GetBackgroundVolumeID() or "")
        if image is None or image.GetImageData() is None:
            return True
        if image.GetID() not in self._limbs:
            self._limbs[image.GetID()] = _Limb(image)
        columns, rows = (np.linspace(box[0, n], box[1, n], _LOOKS[n]) for n in (0, 1))
        xy = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        xyToRas = sliceNode.GetXYToRAS()
        toRas = np.array([[xyToRas.GetElement(a, b) for b in range(4)] for a in range(4)])
        ras = np.c_[xy, np.zeros(len(xy)), np.ones(len(xy))] @ toRas.T
        return not self._limbs[image.GetID()].at(ras).any()


class _Limb:
    """A coarse mask of what an image shows beside air."""

    def __init__(self, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
        array = voxels(volumeNode.GetImageData())
        self._toIjk = np.linalg.inv(ijkToRas(volumeNode))
        self._shape = array.shape
        # Two voxels along each axis stand for all of a coarse one: a mean of all takes long.
        self._steps = [-(-size // (2 * _VOXELS_AT_MOST)) for size in array.shape]
        self._factors = [
            2 * step if size > _VOXELS_AT_MOST else 1
            for step, size in zip(self._steps, array.shape, strict=True)
        ]
        self._mask = self._limb(array, int(np.argmax(volumeNode.GetSpacing()[::-1])))

    def _limb(self, array: npt.NDArray[Any], sliceAxis: int) -> npt.NDArray[np.bool_]:
        """Return the mask, coarse; holes are filled in slices along an axis of the array."""
        coarse = array[tuple(slice(None, None, step) for step in self._steps)]
        for axis, (factor, step) in enumerate(zip(self._factors, self._steps, strict=True)):
            starts = np.arange(0, coarse.shape[axis], factor // step)
            coarse = np.add.reduceat(coarse, starts, axis=axis, dtype=np.float32)
        # The square root draws dark fat and bright spots near a coil together.
        root = np.sqrt(np.maximum(coarse - min(float(coarse.min()), 0.0), 0.0))
        bright = np.moveaxis(root > otsu_threshold(root), sliceAxis, 0)
        return np.moveaxis(fill_holes(bright), 0, sliceAxis)

    def at(self, ras: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Return whether points ``(n, 4)``, the last column 1, lie in the limb."""
        kji = np.rint(ras @ self._toIjk.T)[:, 2::-1].astype(int)
        inside = ((kji >= 0) & (kji < self._shape)).all(axis=1)
        found = np.zeros(len(kji), bool)
        found[inside] = self._mask[tuple((kji[inside] // self._factors).T)]
        return found


def _box(sliceNode: Any, corner: float) -> npt.NDArray[np.float64]:
    """Return a corner's box, its lower left and upper right ``(2, 2)`` in pixels of the view."""
    size = np.array(sliceNode.GetDimensions()[:2], float)
    scale = max(1.0, size[0] / _VIEW_WIDTH)
    extent, margin = _SIZE * scale, _MARGIN * scale
    lower = margin + (size - extent - 2 * margin) * (1.0, corner)
    return np.stack((lower, lower + extent))
