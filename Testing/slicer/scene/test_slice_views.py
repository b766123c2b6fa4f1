"""Views lie in the volume's planes and go to regions, however the volume is stored."""

import numpy as np
import pytest
import vtk
from made_results import AXIAL, addVolume, made_image, made_results

from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.scene.results import loadResults
from MuscleFMSegmentLib.scene.slice_views import LEAST_FIELD_MM, SliceViews, regionVoxel


@pytest.fixture
def sliceViews(application, views) -> SliceViews:
    return SliceViews(application.scene, application.applicationLogic)


@pytest.fixture
def tilted(scene, tmp_path, stored_48_ways):
    """Return a case on an oblique grid that is stored coronally and flipped."""
    tilt = np.radians(18.0)
    direction = [1, 0, 0, 0, np.cos(tilt), -np.sin(tilt), 0, np.sin(tilt), np.cos(tilt)]
    grid = Grid(AXIAL.shape, AXIAL.spacing, (-140.0, -80.0, -60.0), tuple(map(float, direction)))
    stored = list(stored_48_ways(Volume(np.zeros(grid.shape, np.uint8), grid)))
    maps = made_results(tmp_path / "tilted", stored[13].grid)
    return loadResults(scene, tmp_path / "tilted", addVolume(scene, made_image(maps)))


def axis(matrix: vtk.vtkMatrix4x4, column: int) -> np.ndarray:
    vector = np.array([matrix.GetElement(row, column) for row in range(3)])
    return vector / np.linalg.norm(vector)


def offset_to(sliceNode, ras) -> float:
    """Return how far in mm a point lies off the plane of a slice."""
    toRas = sliceNode.GetSliceToRAS()
    origin = np.array([toRas.GetElement(row, 3) for row in range(3)])
    return float(abs((ras - origin) @ axis(toRas, 2)))


def test_views_lie_in_the_planes_of_an_oblique_volume(sliceViews, views, tilted) -> None:
    sliceViews.showVolume(tilted.volumeNode)
    matrix = vtk.vtkMatrix4x4()
    tilted.volumeNode.GetIJKToRASMatrix(matrix)
    axes = np.stack([axis(matrix, column) for column in range(3)])
    normals = [axis(view.sliceNode.GetSliceToRAS(), 2) for view in views.values()]
    along = np.abs(axes @ np.stack(normals).T)
    assert np.allclose(np.sort(along, axis=0), [[0] * 3, [0] * 3, [1] * 3], atol=1e-6)
    # Still the three planes that the views are named after, and the patient's left on the right.
    for view, patient in zip(views.values(), ([0, 0, 1], [0, 1, 0], [1, 0, 0]), strict=True):
        assert abs(axis(view.sliceNode.GetSliceToRAS(), 2) @ patient) > 0.9
    assert axis(views["Red"].sliceNode.GetSliceToRAS(), 0)[0] < -0.9


def test_every_view_goes_to_a_voxel_of_the_region_and_shows_all_of_it(
    sliceViews, views, tilted
) -> None:
    sliceViews.showVolume(tilted.volumeNode)
    for entry in tilted.queue.entries:
        region = entry.region
        sliceViews.showRegion(tilted, region)
        i, j, k = regionVoxel(tilted, region)
        assert tilted.regions[k, j, i] == region.id
        point = (tilted.grid.ijk_to_ras @ [i, j, k, 1.0])[:3]
        kji = np.argwhere(tilted.regions == region.id)
        ras = np.c_[kji[:, ::-1], np.ones(len(kji))] @ tilted.grid.ijk_to_ras.T
        for view in views.values():
            assert offset_to(view.sliceNode, point) < 1e-6
            pixels = np.array([view.pixelOf(position[:3]) for position in ras])
            assert pixels.min() >= 0 and pixels.max() < 400
            assert np.abs(np.array(view.pixelOf(point)) - 200).max() <= 1
            width, height, _ = view.sliceNode.GetFieldOfView()
            assert min(width, height) >= LEAST_FIELD_MM - 1e-6


def test_the_slice_that_is_shown_holds_most_of_the_region(sliceViews, views, opened) -> None:
    sliceViews.showVolume(opened.case.volumeNode)
    for entry in opened.case.queue.entries:
        sliceViews.showRegion(opened.case, entry.region)
        toRas = views["Red"].sliceNode.GetSliceToRAS()
        centre = [toRas.GetElement(row, 3) for row in range(4)]
        shown = round((np.linalg.inv(opened.case.grid.ijk_to_ras) @ centre)[2])
        counts = (opened.case.regions == entry.region.id).sum(axis=(1, 2))
        assert counts[shown] == counts.max()


def test_a_view_of_another_shape_shows_the_whole_region_too(sliceViews, views, opened) -> None:
    views["Red"].resize((700, 240))
    region = opened.case.queue.entries[0].region
    sliceViews.showVolume(opened.case.volumeNode)
    sliceViews.showRegion(opened.case, region)
    kji = np.argwhere(opened.case.regions == region.id)
    ras = np.c_[kji[:, ::-1], np.ones(len(kji))] @ opened.case.grid.ijk_to_ras.T
    pixels = np.array([views["Red"].pixelOf(position[:3]) for position in ras])
    assert (pixels >= 0).all() and (pixels < [240, 700]).all()
    width, height, _ = views["Red"].sliceNode.GetFieldOfView()
    assert width / height == pytest.approx(700 / 240)


def test_a_slice_along_the_leg_is_shown_without_moving_in_its_plane(
    sliceViews, views, opened
) -> None:
    case = opened.case
    sliceViews.showVolume(case.volumeNode)
    red = views["Red"].sliceNode
    sliceViews.jumpTo(tuple((case.grid.ijk_to_ras @ [20, 30, 3, 1.0])[:3].tolist()))
    before = views["Red"].pixelOf((case.grid.ijk_to_ras @ [40, 30, 9, 1.0])[:3])
    others = [views[name].render() for name in ("Green", "Yellow")]
    sliceViews.jumpToSlice(case, 2, 9)
    assert offset_to(red, (case.grid.ijk_to_ras @ [0, 0, 9, 1.0])[:3]) < 1e-6
    assert views["Red"].pixelOf((case.grid.ijk_to_ras @ [40, 30, 9, 1.0])[:3]) == before
    # The sagittal view would else jump to the gap between the legs.
    for name, picture in zip(("Green", "Yellow"), others, strict=True):
        assert np.array_equal(views[name].render(), picture)


def test_a_slice_along_the_leg_of_a_coronal_oblique_volume(sliceViews, views, tilted) -> None:
    sliceViews.showVolume(tilted.volumeNode)
    axis_ = tilted.queue.entries[0].region.slice_axis
    index = tilted.queue.entries[0].region.slices[0]
    sliceViews.jumpToSlice(tilted, axis_, index)
    ijk = [0.0, 0.0, 0.0, 1.0]
    ijk[axis_] = index
    assert offset_to(views["Red"].sliceNode, (tilted.grid.ijk_to_ras @ ijk)[:3]) < 1e-6


def test_without_the_volume_in_view_nothing_breaks(sliceViews, views, opened, scene) -> None:
    sliceViews.showVolume(opened.case.volumeNode)
    scene.RemoveNode(opened.case.volumeNode)
    sliceViews.fit()
    sliceViews.showRegion(opened.case, opened.case.queue.entries[0].region)
    views["Red"].render()
