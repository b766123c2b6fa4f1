"""Two thin lines say where the muscle of a region surely is, and where it may be."""

from __future__ import annotations

import numpy as np
import pytest

from musclefm.uncertainty.bounds import muscle_bounds
from MuscleFMSegmentLib.scene.geometry import voxels
from MuscleFMSegmentLib.scene.uncertainty.contours import (
    POSSIBLY_COLOUR,
    SURELY_COLOUR,
    UncertaintyContours,
)

NAME = "Surely and possibly the muscle"


@pytest.fixture
def contours(reading) -> UncertaintyContours:
    made = UncertaintyContours(reading.scene, reading.case)
    made.setMuscle(reading.case.musclesOf(reading.case.queue.entries[0].region)[0])
    return made


def drawn(picture: np.ndarray, colour: tuple[float, ...]) -> np.ndarray:
    """Return where a picture has a colour, ``(rows, columns) bool``."""
    return (np.abs(picture - np.rint(np.array(colour) * 255)) <= 1).all(axis=2)


def test_the_lines_enclose_what_the_library_says_in_every_view(reading, contours, views) -> None:
    case = reading.case
    region = case.queue.entries[0].region
    reading.sliceViews.showRegion(case, region)
    before = {name: view.render() for name, view in views.items()}
    contours.show("total", 0.25, True)
    value = min(case.musclesOf(region))
    heat = voxels(case.heatmapNodes["total"].GetImageData())
    bounds = muscle_bounds(
        case.modelLabels == value, heat, case.regions == region.id, 0.25, case.grid.spacing
    )
    assert bounds[0].sum() < bounds[1].sum()
    for name, view in views.items():
        picture = view.render()
        for colour in (SURELY_COLOUR, POSSIBLY_COLOUR):
            assert drawn(picture, colour).sum() > 20, name
        # Lines alone: most of the picture is as before.
        assert (picture != before[name]).any(axis=2).mean() < 0.05
    # Each line lies at its border: within a voxel and a half of it.
    k = int(np.argmax(bounds[1].sum(axis=(1, 2))))
    reading.sliceViews.jumpToSlice(case, 2, k)
    picture = views["Red"].render()
    for mask, colour in zip(bounds, (SURELY_COLOUR, POSSIBLY_COLOUR), strict=True):
        rows, columns = np.nonzero(drawn(picture, colour))
        inner = mask[k] & np.roll(mask[k], 1, 0) & np.roll(mask[k], -1, 0)
        inner &= np.roll(mask[k], 1, 1) & np.roll(mask[k], -1, 1)
        border = np.argwhere(mask[k] & ~inner)
        ras = np.c_[border[:, ::-1], np.full(len(border), k), np.ones(len(border))]
        at = np.array([views["Red"].pixelOf(p[:3]) for p in ras @ case.grid.ijk_to_ras.T])
        apart = np.abs(at[None] - np.stack((rows, columns), axis=1)[:, None]).max(axis=2)
        assert apart.min(axis=1).max() <= 6


def test_they_follow_the_threshold_and_the_kind(reading, contours, views) -> None:
    reading.sliceViews.showRegion(reading.case, reading.case.queue.entries[0].region)
    contours.show("total", 0.25, True)
    wide = views["Red"].render()
    contours.show("total", 0.45, True)
    narrow = views["Red"].render()
    contours.show("epistemic", 0.45, True)
    assert not np.array_equal(wide, narrow)
    assert not np.array_equal(narrow, views["Red"].render())


def test_hidden_and_removed_they_leave_nothing(reading, contours, views) -> None:
    reading.sliceViews.showRegion(reading.case, reading.case.queue.entries[0].region)
    before = views["Red"].render()
    contours.show("total", 0.25, True)
    contours.setVisible(False)
    assert np.array_equal(views["Red"].render(), before)
    contours.setVisible(True)
    (node,) = [reading.scene.GetFirstNodeByName(NAME)]
    assert node.GetHideFromEditors() and not node.GetSaveWithScene()
    # The user deletes it: it is drawn anew.
    reading.scene.RemoveNode(node)
    contours.setMuscle(reading.case.musclesOf(reading.case.queue.entries[1].region)[0])
    assert reading.scene.GetFirstNodeByName(NAME) is not None
    contours.remove()
    assert reading.scene.GetFirstNodeByName(NAME) is None
    assert np.array_equal(views["Red"].render(), before)
