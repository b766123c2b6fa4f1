"""All that is shown of a case under review in the slice views."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import slicer
from slicer.i18n import tr as _

from musclefm.labels.segment_names import segment_id
from musclefm.review.findings import FlaggedRegion
from musclefm.uncertainty.maps import UncertaintyKind
from MuscleFMSegmentLib.parameter_node import HeatStyle, MuscleFMSegmentParameterNode
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.comparison import OPINION_COLOUR, Comparison, addOutlines
from MuscleFMSegmentLib.scene.geometry import orientedImage
from MuscleFMSegmentLib.scene.nodes import removeDisplayed
from MuscleFMSegmentLib.scene.region_marker import RegionMarker
from MuscleFMSegmentLib.scene.slice_views import SliceViews
from MuscleFMSegmentLib.scene.uncertainty.contours import UncertaintyContours
from MuscleFMSegmentLib.scene.uncertainty.heatmap import Heatmap
from MuscleFMSegmentLib.scene.view_watch import gathered


class CaseDisplay:
    """Heat or contours, the model's outlines, the line around the region, and the views.

    Parameters
    ----------
    scene : vtkMRMLScene
        Holds the case.
    applicationLogic : vtkMRMLApplicationLogic
        Of Slicer.
    case : CaseInScene
        The case.
    """

    def __init__(
        self,
        scene: slicer.vtkMRMLScene,
        applicationLogic: slicer.vtkMRMLApplicationLogic,
        case: CaseInScene,
    ) -> None:
        self.heatmap = Heatmap(scene, case.heatmapNodes)
        self.contours = UncertaintyContours(scene, case)
        self.comparison = Comparison(scene, case)
        self.views = SliceViews(scene, applicationLogic)
        self._scene = scene
        self._case = case
        self._marker = RegionMarker(scene)
        self._opinionNode: slicer.vtkMRMLSegmentationNode | None = None
        # Sided values of the muscles that are looked at.
        self._muscles: tuple[int, ...] = ()

    def begin(self) -> None:
        """Show the image, and the first region around it."""
        queue = self._case.queue
        with gathered():
            self.views.showVolume(self._case.volumeNode)
            if queue.current is not None:
                self.goTo(queue.current.region)
            elif queue.entries:
                self.views.jumpThrough(self._case, queue.entries[0].region)
        self.heatmap.apply()

    def goTo(self, region: FlaggedRegion) -> None:
        """Go to a region and mark it."""
        self._marker.show(self._case, region)
        self._lookAt(self._case.musclesOf(region))
        self._showMarker()
        with gathered():
            self.views.showRegion(self._case, region)

    def goToMuscle(self, value: int, labels: npt.NDArray[np.uint8]) -> None:
        """Go to a muscle as a whole, where it is largest, given its sided value and the labels."""
        self._marker.remove()
        self._lookAt((value,))
        with gathered():
            self.views.jumpToLargest(self._case, self._case.legAxis, labels, value)

    def leaveRegion(self) -> None:
        """Mark no region."""
        self._marker.remove()

    def showOpinion(self, labels: npt.NDArray[np.uint8] | None) -> None:
        """Outline the muscles that are looked at as a second opinion draws them.

        Parameters
        ----------
        labels : ndarray or None
            ``(K, J, I) uint8``: its sided labels; None shows none.
        """
        if self._opinionNode is not None:
            removeDisplayed(self._scene, self._opinionNode)
            self._opinionNode = None
        if labels is not None:
            layer = orientedImage(labels, self._case.grid.ijk_to_ras)
            self._opinionNode = addOutlines(
                self._scene, self._case.scheme, layer, _("Second opinion"), OPINION_COLOUR
            )
            self._lookAt(self._muscles)

    def follow(self, parameters: MuscleFMSegmentParameterNode) -> None:
        """Show uncertainty and comparison as the parameter node has them."""
        kind: UncertaintyKind = parameters.heatKind.value
        threshold, isHeat = parameters.heatThreshold, parameters.heatStyle is HeatStyle.HEAT
        isShown = parameters.heatVisible
        self.heatmap.show(kind, parameters.heatOpacity, threshold, isShown and isHeat)
        self.contours.show(kind, threshold, isShown and not isHeat)
        self._showMarker()
        if self.comparison.isVisible != parameters.compareWithModel:
            self.comparison.setVisible(parameters.compareWithModel)

    def peek(self, isPeeking: bool) -> None:
        """Take heat, contours and region line away, or bring the line back."""
        if isPeeking:
            self.heatmap.setVisible(False)
            self.contours.setVisible(False)
        self._marker.setVisible(not isPeeking)

    def close(self, removeNodes: bool) -> None:
        """Give the views back, and take out of the scene what was added to it."""
        self.views.release()
        self.heatmap.release()
        if removeNodes:
            self.contours.remove()
            self.comparison.remove()
            self.showOpinion(None)
            self._marker.remove()

    def _lookAt(self, muscles: tuple[int, ...]) -> None:
        """Show bounds and the second opinion of muscles, by their sided values."""
        self._muscles = muscles
        if muscles:
            self.contours.setMuscle(muscles[0])
        if self._opinionNode is not None:
            display = self._opinionNode.GetDisplayNode()
            for value, (side, label) in self._case.scheme.labels_of_sides().items():
                display.SetSegmentVisibility(segment_id(side, label), value in muscles)

    def _showMarker(self) -> None:
        # A third line beside the contours would say again where they part.
        self._marker.setVisible(not self.contours.isVisible)
