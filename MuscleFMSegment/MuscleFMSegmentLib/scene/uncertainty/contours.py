"""The uncertainty as two thin lines: where a muscle surely is, and where it may be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import slicer
from slicer.i18n import tr as _

from musclefm.defaults import UNCERTAIN_FROM
from musclefm.review.findings import FlaggedRegion
from musclefm.uncertainty.bounds import REACH_MM, muscle_bounds
from musclefm.uncertainty.maps import UncertaintyKind
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.geometry import orientedImage, voxels
from MuscleFMSegmentLib.scene.labels import BINARY_LABELMAP
from MuscleFMSegmentLib.scene.nodes import removeDisplayed
from MuscleFMSegmentLib.scene.outlines import showOutlines

SURELY_COLOUR, POSSIBLY_COLOUR = (1.0, 0.7, 1.0), (1.0, 0.0, 1.0)
"""Magenta, the inner line light: no muscle's colour, nor the model's or the region's."""

_LINE_WIDTH = 1


class UncertaintyContours:
    """Two lines around one muscle, as the model left it.

    They are not saved with the scene and not offered for editing.

    Parameters
    ----------
    scene : vtkMRMLScene
        The scene.
    case : CaseInScene
        The case.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, case: CaseInScene) -> None:
        self._scene = scene
        self._case = case
        self._node: slicer.vtkMRMLSegmentationNode | None = None
        self._muscle: int | None = None
        self._kind: UncertaintyKind = "total"
        self._threshold = UNCERTAIN_FROM
        self._visible = False
        self._drawn: tuple[int, str, float] | None = None

    @property
    def isVisible(self) -> bool:
        """Whether they are shown, once there is a muscle."""
        return self._visible

    def setMuscle(self, value: int) -> None:
        """Draw them around a muscle, given its sided value."""
        self._muscle = value
        self._draw()

    def show(self, kind: UncertaintyKind, threshold: float, visible: bool) -> None:
        """Show or hide them, of a kind of uncertainty and from a threshold in [0, 1] on."""
        self._kind, self._threshold, self._visible = kind, threshold, visible
        self._draw()

    def setVisible(self, visible: bool) -> None:
        """Show or hide them."""
        self._visible = visible
        self._draw()

    def remove(self) -> None:
        """Take them out of the scene."""
        if self._node is not None:
            removeDisplayed(self._scene, self._node)
            self._node = self._drawn = None

    def _draw(self) -> None:
        if self._node is not None and self._node.GetScene() is None:
            self._node = self._drawn = None
        heatmap = self._case.heatmapNodes[self._kind]
        isShown = self._visible and self._muscle is not None and heatmap.GetScene() is not None
        if isShown and self._muscle is not None:
            wanted = (self._muscle, self._kind, self._threshold)
            if wanted != self._drawn:
                self._drawn = wanted
                self._redraw(self._muscle, voxels(heatmap.GetImageData()))
        if self._node is not None:
            self._node.SetDisplayVisibility(isShown)

    def _redraw(self, value: int, uncertainty: npt.NDArray[np.float32]) -> None:
        case = self._case
        regions = [
            entry.region for entry in case.queue.entries if value in case.musclesOf(entry.region)
        ]
        box = self._box(value, regions)
        bounds = muscle_bounds(
            case.modelLabels[box] == value,
            uncertainty[box],
            np.isin(case.regions[box], [found.id for found in regions]),
            self._threshold,
            case.grid.spacing,
        )
        if self._node is None:
            self._node = self._made()
        segmentation = self._node.GetSegmentation()
        segmentation.RemoveAllSegments()
        matrix = case.grid.ijk_to_ras
        matrix[:, 3] = matrix @ [*(span.start for span in box[::-1]), 1.0]
        looks = (
            ("surely", _("Surely the muscle"), SURELY_COLOUR),
            ("possibly", _("Possibly the muscle"), POSSIBLY_COLOUR),
        )
        for (segmentId, name, colour), mask in zip(looks, bounds, strict=True):
            segment = slicer.vtkSegment()
            segment.SetName(name)
            segment.SetColor(*colour)
            image = orientedImage(mask.astype(np.uint8), matrix)
            segment.AddRepresentation(BINARY_LABELMAP, image)
            segmentation.AddSegment(segment, segmentId)

    def _box(self, value: int, regions: list[FlaggedRegion]) -> tuple[slice, ...]:
        """Return the part of the arrays that holds a muscle and its regions, with a margin."""
        first = [np.array(region.bounds_ijk[4::-2]) for region in regions]
        last = [np.array(region.bounds_ijk[5::-2]) for region in regions]
        # A muscle that the model did not draw has a box of one voxel, and no line.
        muscle = self._case.muscleBoxes.get(value, (slice(0, 1),) * 3)
        first.append(np.array([span.start for span in muscle]))
        last.append(np.array([span.stop for span in muscle]))
        margin = np.ceil(REACH_MM / np.array(self._case.grid.spacing[::-1])).astype(int) + 1
        start = np.maximum(np.min(first, axis=0) - margin, 0).tolist()
        stop = (np.max(last, axis=0) + margin + 1).tolist()
        return tuple(slice(a, b) for a, b in zip(start, stop, strict=True))

    def _made(self) -> slicer.vtkMRMLSegmentationNode:
        name = _("Surely and possibly the muscle")
        node = self._scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        showOutlines(node, _LINE_WIDTH)
        return node
