"""Heat and legend are shown in the views of the layout, and the legend never over a limb."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from offscreen import OffscreenSliceView
from reading import adjust

from MuscleFMSegmentLib.scene.case import CaseInScene


def legend_pixels(view, reading) -> np.ndarray:
    """Return where the legend is drawn, ``(rows, columns) bool``, in a slice without heat."""
    reading.heatmap.setVisible(False)
    before = view.render()
    reading.heatmap.setVisible(True)
    return (view.render() != before).any(axis=2)


def has_legend(view, reading) -> bool:
    """Return whether a view shows the legend; in a corner, where this case has no heat."""
    drawn = legend_pixels(view, reading)
    return bool(drawn[:60, -140:].any() or drawn[-60:, -140:].any())


def test_a_legend_tells_the_fixed_range_in_a_corner_of_the_first_view(reading, views) -> None:
    # There is no uncertainty in this slice.
    reading.sliceViews.jumpToSlice(reading.case, 2, 2)
    for kind in ("total", "aleatoric", "epistemic"):
        adjust(reading.heatmap, kind=kind)
        drawn = legend_pixels(views["Red"], reading)
        colours = views["Red"].render()[drawn].astype(int)
        for value in (0.05, 0.5, 0.95):
            assert np.abs(colours - reading.colour(value)).max(axis=1).min() <= 20
        rows, columns = np.nonzero(drawn)
        width = drawn.shape[1]
        # Small, and neither bar nor letters are cut off.
        assert columns.min() > 260 and columns.max() < width - 1
        assert rows.min() > 0 and rows.max() < 60
        assert not has_legend(views["Green"], reading)


@pytest.mark.parametrize("size", [(400, 400), (880, 405), (300, 250), (1700, 900)])
def test_the_legend_is_never_over_the_limb(reading, views, size) -> None:
    red, case = views["Red"], reading.case
    red.resize(size)
    reading.sliceViews.showVolume(case.volumeNode)
    reading.sliceViews.jumpToSlice(case, 2, 2)
    limb = _limb(case, 2)
    free = 0
    for factor, x, y in ((1.0, 0, 0), (1.4, 0, 0), (1.4, 60, 20), (1.4, 60, -20), (3.0, -75, 0)):
        field = np.array(red.sliceNode.GetFieldOfView())
        red.sliceNode.SetFieldOfView(*(field / (factor, factor, 1)))
        red.sliceNode.SetXYZOrigin(x, y, 0)
        drawn = legend_pixels(red, reading)
        where = np.array([red.pixelOf(point) for point in limb])
        seen = where[((where >= 0) & (where < size[::-1])).all(axis=1)]
        assert not drawn[tuple(seen.T)].any()
        free += drawn.any()
        red.sliceNode.SetFieldOfView(*field)
    assert 1 <= free < 5
    # Nothing is free of the limb: the legend goes to the next view, and comes back from it.
    red.sliceNode.SetFieldOfView(20, 20 * size[1] / size[0], 1)
    red.sliceNode.SetXYZOrigin(-75, 0, 0)
    assert not has_legend(red, reading) and has_legend(views["Green"], reading)
    red.sliceNode.SetFieldOfView(*field)
    red.sliceNode.SetXYZOrigin(0, 0, 0)
    views["Green"].sliceNode.SetFieldOfView(20, 20, 1)
    assert has_legend(red, reading)


def _limb(case: CaseInScene, k: int) -> np.ndarray:
    """Return points in mm, RAS, in the two round thighs, between the voxels, too."""
    j, i = np.mgrid[0:64:0.3, 0:96:0.3]
    ras = np.stack([i, j, np.full(i.shape, k), np.ones(i.shape)], axis=-1) @ case.grid.ijk_to_ras.T
    inside = np.hypot(np.abs(ras[..., 0]) - 75.0, ras[..., 1]) < 64.0
    return ras[inside][:, :3]


def test_heat_is_shown_in_the_views_of_the_layout_alone(application, reading, views) -> None:
    heat = reading.case.heatmapNodes["total"].GetID()
    other = OffscreenSliceView(application, "Compare")
    other.sliceNode.SetMappedInLayout(False)
    composite = other.logic.GetSliceCompositeNode()
    own = reading.case.volumeNode.GetID()
    composite.SetForegroundVolumeID(own)
    composite.SetForegroundOpacity(0.3)
    composite.SetLabelVolumeID(own)
    reading.heatmap.setVisible(True)
    assert composite.GetForegroundVolumeID() == own
    # A layout brings the view, takes the red one away, and both back again.
    red = views["Red"].logic.GetSliceCompositeNode()
    other.sliceNode.SetMappedInLayout(True)
    assert (composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()) == (heat, 0.6)
    views["Red"].sliceNode.SetMappedInLayout(False)
    assert red.GetForegroundVolumeID() is None
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(
        reading.case.heatmapNodes["total"]
    )
    assert views["Red"].sliceNode.GetID() not in legend.GetViewNodeIDs()
    assert legend.GetVisibility()
    new = OffscreenSliceView(application, "New")
    assert new.logic.GetSliceCompositeNode().GetForegroundVolumeID() == heat
    reading.heatmap.release()
    assert composite.GetForegroundVolumeID() == own == composite.GetLabelVolumeID()
    assert composite.GetForegroundOpacity() == 0.3
    assert new.logic.GetSliceCompositeNode().GetForegroundVolumeID() is None
    views["Red"].sliceNode.SetMappedInLayout(True)
    assert red.GetForegroundVolumeID() is None
    for view in (other, new):
        view.close()


def test_a_hidden_heatmap_gives_the_foreground_back(reading, views) -> None:
    composite = views["Red"].logic.GetSliceCompositeNode()
    composite.SetForegroundVolumeID(reading.case.volumeNode.GetID())
    composite.SetForegroundOpacity(0.3)
    for kind in ("total", "epistemic"):
        adjust(reading.heatmap, kind=kind)
        reading.heatmap.setVisible(True)
    reading.heatmap.setVisible(False)
    assert composite.GetForegroundVolumeID() == reading.case.volumeNode.GetID()
    assert composite.GetForegroundOpacity() == 0.3
    assert views["Green"].logic.GetSliceCompositeNode().GetForegroundVolumeID() is None


def test_a_deleted_heatmap_is_no_obstacle(reading, views) -> None:
    reading.heatmap.setVisible(True)
    reading.scene.RemoveNode(reading.case.heatmapNodes["total"])
    adjust(reading.heatmap, opacity=0.9)
    adjust(reading.heatmap, kind="aleatoric")
    shown = views["Red"].logic.GetSliceCompositeNode().GetForegroundVolumeID()
    assert shown == reading.case.heatmapNodes["aleatoric"].GetID()
