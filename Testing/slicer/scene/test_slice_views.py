"""Views lie in the volume's planes and go to regions, however the volume is stored."""

import numpy as np
import pytest
import vtk
from made_results import AXIAL, addVolume, made_image, made_results
from offscreen import OffscreenSliceView

from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.scene.results import loadResults
from MuscleFMSegmentLib.scene.slice_views import SliceViews, regionVoxel


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


def positions(case, mask) -> np.ndarray:
    """Return where voxels lie, ``(n, 3)`` in mm, RAS."""
    kji = np.argwhere(mask)
    return (np.c_[kji[:, ::-1], np.ones(len(kji))] @ case.grid.ijk_to_ras.T)[:, :3]


def rows_and_columns(view, ras) -> np.ndarray:
    return np.array([view.pixelOf(point) for point in ras])


def field_of(view) -> tuple[float, ...]:
    return view.sliceNode.GetFieldOfView()[:2]


def zoom(view, factor: float) -> None:
    """Magnify a view, as the reader does with the right mouse button."""
    width, height, depth = view.sliceNode.GetFieldOfView()
    view.sliceNode.SetFieldOfView(width / factor, height / factor, depth)


def pan(view, right_mm: float, up_mm: float) -> None:
    """Move a view, as the reader does with the middle mouse button."""
    x, y, z = view.sliceNode.GetXYZOrigin()
    view.sliceNode.SetXYZOrigin(x - right_mm, y - up_mm, z)


def test_every_view_goes_to_a_voxel_of_the_region_and_shows_all_of_it(
    sliceViews, views, tilted
) -> None:
    sliceViews.showVolume(tilted.volumeNode)
    for factor in (1.0, 1.6):
        for view in views.values():
            zoom(view, factor)
        fields = [field_of(view) for view in views.values()]
        for entry in tilted.queue.entries:
            region = entry.region
            sliceViews.showRegion(tilted, region)
            i, j, k = regionVoxel(tilted, region)
            assert tilted.regions[k, j, i] == region.id
            point = (tilted.grid.ijk_to_ras @ [i, j, k, 1.0])[:3]
            ras = positions(tilted, tilted.regions == region.id)
            for view in views.values():
                assert offset_to(view.sliceNode, point) < 1e-6
                pixels = rows_and_columns(view, ras)
                assert pixels.min() >= 0 and pixels.max() < 400
        # Nothing but the reader magnifies.
        assert [field_of(view) for view in views.values()] == fields


def test_a_view_in_which_the_region_lies_with_a_margin_moves_through_its_slices_alone(
    sliceViews, views, opened
) -> None:
    case = opened.case
    sliceViews.showVolume(case.volumeNode)
    corner = (case.grid.ijk_to_ras @ [5.0, 5.0, 5.0, 1.0])[:3]
    for view in views.values():
        zoom(view, 0.8)
        pan(view, 3.0, -2.0)
    before = [view.pixelOf(corner) for view in views.values()]
    for entry in case.queue.entries:
        sliceViews.showRegion(case, entry.region)
        assert [view.pixelOf(corner) for view in views.values()] == before


def test_a_view_that_has_to_move_keeps_the_whole_thigh_in_it(sliceViews, views, opened) -> None:
    case = opened.case
    sliceViews.showVolume(case.volumeNode)
    region = case.queue.entries[0].region
    left = case.modelLabels > len(case.scheme.labels)
    thigh = positions(case, left if region.side == "left" else (case.modelLabels > 0) & ~left)
    for view in views.values():
        # A little more than a thigh with its skin, and far off it, above and beside.
        zoom(view, 1.15)
        pan(view, 150.0, 150.0)
    sliceViews.showRegion(case, region)
    for view in views.values():
        pixels = rows_and_columns(view, thigh)
        assert pixels.min() >= 0 and pixels.max() < 400


def test_a_view_of_a_part_of_the_thigh_shows_nothing_beyond_it(sliceViews, views, opened) -> None:
    case = opened.case
    sliceViews.showVolume(case.volumeNode)
    for view in views.values():
        zoom(view, 5.0)
    for entry in case.queue.entries:
        sliceViews.showRegion(case, entry.region)
        point = (case.grid.ijk_to_ras @ [*regionVoxel(case, entry.region), 1.0])[:3]
        for view in views.values():
            assert offset_to(view.sliceNode, point) < 1e-6
            row, column = view.pixelOf(point)
            assert 0 <= row < 400 and 0 <= column < 400
            ends = [view.sliceNode.GetXYToRAS().MultiplyPoint((x, y, 0, 1)) for x, y in CORNERS]
            ijk = np.array(ends) @ np.linalg.inv(case.grid.ijk_to_ras).T
            assert (ijk[:, :3] > -1.0).all(), "half of the view is empty"
            assert (ijk[:, :3] < np.array(case.grid.shape[::-1]) + 1e-6).all()


CORNERS = ((0, 0), (400, 0), (0, 400), (400, 400))


def test_going_to_a_muscle_does_not_magnify_either(sliceViews, views, opened) -> None:
    case = opened.case
    sliceViews.showVolume(case.volumeNode)
    zoom(views["Red"], 1.4)
    fields = [field_of(view) for view in views.values()]
    for value in (1, 13):
        sliceViews.jumpToLargest(case, 2, case.modelLabels, value)
        pixels = rows_and_columns(views["Red"], positions(case, case.modelLabels == value))
        assert pixels.min() >= 0 and pixels.max() < 400
    assert [field_of(view) for view in views.values()] == fields


def test_views_of_other_layouts_are_the_users(sliceViews, views, opened, application) -> None:
    other = OffscreenSliceView(application, "Compare")
    other.sliceNode.SetMappedInLayout(False)
    before = other.sliceNode.GetSliceToRAS().GetElement(2, 3)
    sliceViews.showVolume(opened.case.volumeNode)
    sliceViews.showRegion(opened.case, opened.case.queue.entries[0].region)
    composite = other.logic.GetSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() is None
    assert other.sliceNode.GetSliceToRAS().GetElement(2, 3) == before
    other.close()


def test_a_view_that_a_later_layout_brings_shows_the_volume(
    sliceViews, views, opened, application
) -> None:
    case = opened.case
    sliceViews.showVolume(case.volumeNode)
    moves = []
    stop = sliceViews.observe(lambda: moves.append(1))
    late = OffscreenSliceView(application, "Compare")
    composite = late.logic.GetSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == case.volumeNode.GetID()
    moves.clear()
    late.sliceNode.SetSliceOffset(7.0)
    assert moves, "what it shows is not counted as looked at"
    stop()
    moves.clear()
    late.sliceNode.SetSliceOffset(9.0)
    assert not moves
    # The user's own image stays in a view that comes back.
    late.sliceNode.SetMappedInLayout(False)
    own = scene_volume(case)
    composite.SetBackgroundVolumeID(own.GetID())
    late.sliceNode.SetMappedInLayout(True)
    assert composite.GetBackgroundVolumeID() == own.GetID()
    sliceViews.release()
    later = OffscreenSliceView(application, "Later")
    assert later.logic.GetSliceCompositeNode().GetBackgroundVolumeID() is None
    for view in (late, later):
        view.close()


def scene_volume(case):
    """Return another image of the scene."""
    return case.heatmapNodes["epistemic"]


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
    pan(views["Red"], 5.0, 5.0)
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
    sliceViews.showRegion(opened.case, opened.case.queue.entries[0].region)
    views["Red"].render()
