"""A case on the screen, as a reader sees it."""

from __future__ import annotations

import numpy as np

from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.geometry import voxels
from MuscleFMSegmentLib.scene.region_marker import RegionMarker
from MuscleFMSegmentLib.scene.slice_views import SliceViews
from MuscleFMSegmentLib.scene.uncertainty.heatmap import Heatmap, heatColours


class Reading:
    """A case on the screen.

    Parameters
    ----------
    application, views
        The scene, and its slice views.
    case : CaseInScene
        What is looked at.
    """

    def __init__(self, application, views, case: CaseInScene) -> None:
        self.scene, self.views, self.case = application.scene, views, case
        self.sliceViews = SliceViews(application.scene, application.applicationLogic)
        self.heatmap = Heatmap(application.scene, case.heatmapNodes)
        self.marker = RegionMarker(application.scene)
        self.sliceViews.showVolume(case.volumeNode)

    def pixels(self, kji: np.ndarray, view: str = "Red") -> np.ndarray:
        """Return the colours ``(n, 3)`` at the centres of voxels ``(n, 3)``."""
        picture = self.views[view].render().astype(int)
        ras = np.c_[kji[:, ::-1], np.ones(len(kji))] @ self.case.grid.ijk_to_ras.T
        rows, columns = np.array([self.views[view].pixelOf(point[:3]) for point in ras]).T
        return picture[rows, columns]

    def heat(self) -> np.ndarray:
        return voxels(self.case.heatmapNodes[self.heatmap.kind].GetImageData())

    def colour(self, value: float) -> np.ndarray:
        table = heatColours(self.scene).GetLookupTable()
        return np.rint(np.array(table.GetTableValue(round(value * 255))[:3]) * 255)


def adjust(heatmap: Heatmap, **settings: object) -> None:
    """Show the heat as before but for some settings of :meth:`Heatmap.show`."""
    before = {name: getattr(heatmap, name) for name in ("kind", "opacity", "threshold")}
    heatmap.show(**(before | {"visible": heatmap.isVisible} | settings))
