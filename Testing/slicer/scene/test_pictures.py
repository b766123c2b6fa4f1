"""What the reader sees: outlines, heat, legend and marks, asserted at known voxels."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from made_results import addVolume
from PIL import Image
from reading import Reading, adjust
from segment_editor import SegmentEditor

from musclefm.defaults import HEAT_OPACITY
from musclefm.volumes.reading import read_volume
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.comparison import MODEL_COLOUR, Comparison
from MuscleFMSegmentLib.scene.editing import Editing
from MuscleFMSegmentLib.scene.region_marker import COLOUR
from MuscleFMSegmentLib.scene.results import loadResults
from MuscleFMSegmentLib.scene.slice_views import regionVoxel

CYAN = tuple(round(255 * channel) for channel in COLOUR)
WHITE = tuple(round(255 * channel) for channel in MODEL_COLOUR)


def keep(name: str, pictures: list[np.ndarray]) -> None:
    """Keep pictures side by side for people to look at, where ``MUSCLEFM_PICTURES`` says."""
    if folder := os.environ.get("MUSCLEFM_PICTURES"):
        Image.fromarray(np.concatenate(pictures, axis=1)).save(Path(folder) / f"{name}.png")


def far_from_borders(labels: np.ndarray, slice_index: int) -> np.ndarray:
    """Return where the eight neighbours in a slice ``(J, I)`` have the same label."""
    flat = labels[slice_index]
    inner = np.ones(flat.shape, bool)
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            inner &= np.roll(flat, (row, column), (0, 1)) == flat
    return inner


def slice_voxels(mask: np.ndarray, slice_index: int, at_most: int = 60) -> np.ndarray:
    """Return voxels ``(n, 3)`` of a mask ``(J, I)``, evenly picked."""
    found = np.argwhere(mask)
    found = found[:: max(1, len(found) // at_most)]
    return np.c_[np.full(len(found), slice_index), found]


@pytest.fixture(scope="session")
def real_results(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the results that the real command writes of a real scan."""
    folder = tmp_path_factory.mktemp("real") / "results"
    python = os.environ["MUSCLEFM_LIBRARY_PYTHON"]
    scan = shared / "scans" / "dixon" / "thigh-distal.nii.gz"
    command = [python, "-m", "musclefm", "segment", str(scan), "--out", str(folder)]
    subprocess.run([*command, "--progress", "none"], check=True, capture_output=True)
    return folder


@pytest.fixture
def real(application, views, shared: Path, real_results: Path) -> Reading:
    scan = read_volume(shared / "scans" / "dixon" / "thigh-distal.nii.gz").volume
    volumeNode = addVolume(application.scene, scan)
    return Reading(application, views, loadResults(application.scene, real_results, volumeNode))


def test_heat_is_drawn_where_the_map_is_high_in_its_colour_and_nowhere_else(reading) -> None:
    reading.sliceViews.jumpToSlice(reading.case, 2, 9)
    inner = far_from_borders(reading.case.modelLabels, 9)
    heat = reading.heat()[9]
    hot, cold = slice_voxels(inner & (heat > 0.3), 9), slice_voxels(inner & (heat < 0.2), 9)
    assert len(hot) > 10 and len(cold) > 30
    grey = {"hot": reading.pixels(hot), "cold": reading.pixels(cold)}
    assert (np.ptp(grey["hot"], axis=1) == 0).all()
    reading.heatmap.setVisible(True)
    beneath = (reading.pixels(cold) == grey["cold"]).all(axis=1)
    # The legend lies over some voxels of the picture.
    assert beneath.mean() > 0.8
    expected = np.array([reading.colour(reading.heat()[tuple(at)]) for at in hot])
    mixed = (1 - HEAT_OPACITY) * grey["hot"] + HEAT_OPACITY * expected
    apart = np.abs(reading.pixels(hot) - mixed).max(axis=1)
    assert np.median(apart) <= 4
    reading.heatmap.setVisible(False)
    assert np.array_equal(reading.pixels(hot), grey["hot"])


def test_threshold_and_opacity_change_what_is_drawn(reading) -> None:
    reading.sliceViews.jumpToSlice(reading.case, 2, 9)
    inner = far_from_borders(reading.case.modelLabels, 9)
    heat = reading.heat()[9]
    # The legend lies in the corner above the patient's left.
    inner[:, 48:] = False
    middling = slice_voxels(inner & (heat > 0.3) & (heat < 0.4), 9)
    grey = reading.pixels(middling)
    reading.heatmap.setVisible(True)
    adjust(reading.heatmap, threshold=0.42)
    assert np.abs(reading.pixels(middling) - grey).max() <= 1
    adjust(reading.heatmap, threshold=0.1)
    adjust(reading.heatmap, opacity=1.0)
    expected = np.array([reading.colour(reading.heat()[tuple(at)]) for at in middling])
    assert np.median(np.abs(reading.pixels(middling) - expected).max(axis=1)) <= 4
    adjust(reading.heatmap, kind="epistemic")
    assert np.median(np.abs(reading.pixels(middling) - expected).max(axis=1)) > 20
    assert reading.heat()[tuple(middling[0])] == pytest.approx(0.3 * heat[tuple(middling[0][1:])])


def test_each_muscle_is_outlined_in_its_colour_and_not_filled(reading) -> None:
    reading.sliceViews.jumpToSlice(reading.case, 2, 2)
    picture = reading.views["Red"].render().reshape(-1, 3)
    drawn = {tuple(colour) for colour in picture.tolist()}
    for label in reading.case.scheme.labels:
        assert label.colour in drawn
    inner = far_from_borders(reading.case.modelLabels, 2) & (reading.case.modelLabels[2] > 0)
    assert (np.ptp(reading.pixels(slice_voxels(inner, 2)), axis=1) == 0).all()


def test_the_region_is_marked_around_and_nothing_in_it_is_hidden(reading, views) -> None:
    region = reading.case.queue.entries[0].region
    reading.sliceViews.showRegion(reading.case, region)
    before = views["Red"].render()
    reading.marker.show(reading.case, region)
    marked = views["Red"].render()
    cyan = (marked == CYAN).all(axis=2)
    assert cyan.sum() > 100
    assert not (before == CYAN).all(axis=2).any()
    k = reading.case.regions.shape[0] // 2 + 1
    inside = slice_voxels(reading.case.regions[k] == region.id, k)
    reading.sliceViews.jumpToSlice(reading.case, 2, k)
    assert not (reading.pixels(inside) == CYAN).all(axis=1).any()
    reading.marker.setVisible(False)
    assert not (views["Red"].render() == CYAN).all(axis=2).any()
    reading.marker.remove()
    reading.marker.show(reading.case, reading.case.queue.entries[1].region)
    assert reading.scene.GetNodesByName("Region to check").GetNumberOfItems() == 1


def test_the_models_outline_shows_only_where_the_corrected_one_parted_from_it(
    application, reading, views
) -> None:
    case = reading.case
    reading.sliceViews.jumpToSlice(case, 2, 2)
    before = views["Red"].render()
    comparison = Comparison(reading.scene, case)
    comparison.setVisible(True)
    assert np.array_equal(views["Red"].render(), before)
    editing = Editing(reading.scene, case)
    editor = SegmentEditor(application, editing.editorNode, case)
    editing.selectMuscle("left", 4)
    editor.apply(case.modelLabels == 16, "erase")
    shown = views["Red"].render()
    comparison.setVisible(False)
    assert not comparison.isVisible
    drawn = (shown != views["Red"].render()).any(axis=2)
    assert (shown[drawn] == WHITE).all()
    rows, columns = np.nonzero(drawn)
    assert len(rows) > 50
    centre = views["Red"].pixelOf(_centre(case, case.modelLabels[2] == 16, 2))
    assert np.abs(rows - centre[0]).max() < 60 and np.abs(columns - centre[1]).max() < 60


def test_the_models_outlines_come_back_after_the_user_deleted_them(reading, views) -> None:
    comparison = Comparison(reading.scene, reading.case)
    before = views["Red"].render()
    reading.scene.RemoveNode(reading.case.modelNode)
    assert not comparison.isVisible
    comparison.setVisible(True)
    assert comparison.isVisible
    assert not np.array_equal(views["Red"].render(), before)
    comparison.remove()
    assert np.array_equal(views["Red"].render(), before)


def test_the_patients_left_is_on_the_right_of_the_picture(reading, views) -> None:
    case = reading.case
    for value, onRight in ((1, False), (13, True)):
        _, column = views["Red"].pixelOf(_centre(case, case.modelLabels[2] == value, 2))
        assert (column > 200) is onRight


def test_a_real_scan_is_seen_with_outlines_heat_and_mark(real, views) -> None:
    case = real.case
    region = case.queue.entries[0].region
    real.sliceViews.showRegion(case, region)
    i, j, k = regionVoxel(case, region)
    inner = far_from_borders(case.modelLabels, k)
    heat = real.heat()[k]
    near = np.zeros(inner.shape, bool)
    near[j - 15 : j + 15, i - 15 : i + 15] = True
    hot = slice_voxels(inner & near & (heat > 0.3), k)
    grey = real.pixels(hot)
    real.heatmap.setVisible(True)
    real.marker.show(case, region)
    expected = np.array([real.colour(real.heat()[tuple(at)]) for at in hot])
    mixed = (1 - HEAT_OPACITY) * grey + HEAT_OPACITY * expected
    assert np.median(np.abs(real.pixels(hot) - mixed).max(axis=1)) <= 6
    picture = views["Red"].render()
    assert (picture == CYAN).all(axis=2).sum() > 50
    colour = case.scheme.label(region.label_ids[0]).colour
    assert (picture == colour).all(axis=2).any()
    keep("slices-of-a-real-scan", [view.render() for view in views.values()])


def _centre(case: CaseInScene, mask: np.ndarray, k: int) -> np.ndarray:
    j, i = np.argwhere(mask).mean(axis=0)
    return (case.grid.ijk_to_ras @ [i, j, k, 1.0])[:3]
