"""Flagged regions: what is flagged, where it is said to lie, and in which order."""

from itertools import permutations, product

import numpy as np
import pytest
from made_report_case import stored as stored_as

from musclefm.labels.scheme import load_scheme
from musclefm.labels.sides import LEFT, RIGHT
from musclefm.review.regions import FlagRule, flag_regions
from musclefm.uncertainty.maps import ClassStatistics, EnsembleMaps
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

SCHEME = load_scheme("thigh-11")
LN_CLASSES = np.log(SCHEME.class_count)
OBLIQUE = (0.98, 0.17, 0.1)


def _grid(shape, spacing=(1.0, 1.0, 5.0), tilted=True):
    """Return a canonical grid, tilted by some degrees, off centre."""
    first = np.array(OBLIQUE if tilted else (1.0, 0.0, 0.0))
    first /= np.linalg.norm(first)
    second = np.cross((0.0, 0.0, 1.0), first)
    second /= np.linalg.norm(second)
    direction = np.stack([first, second, np.cross(first, second)], axis=1)
    return Grid(shape, spacing, (-120.5, 33.25, -700.0), tuple(direction.ravel()))


def _sure(grid):
    """Return maps without any uncertainty: vastus lateralis, right on the low columns."""
    sides = np.full(grid.shape, RIGHT, np.uint8)
    sides[:, :, grid.shape[2] // 2 :] = LEFT
    none = np.zeros(grid.shape, np.float32)
    classes = SCHEME.class_count
    statistics = ClassStatistics(
        np.zeros((2, classes)), np.zeros((2, classes)), np.zeros((2, classes, 3, 3))
    )
    muscle = np.full(grid.shape, 3, np.uint8)
    return EnsembleMaps(
        grid, SCHEME, muscle.copy(), muscle, sides, *(none.copy() for _ in range(5)), statistics
    )


def _uncertain(maps, where, uncertainty=0.6, error=0.5, muscle=3):
    maps.total[where] = uncertainty * LN_CLASSES
    maps.least_confidence[where] = error
    maps.top_muscle[where] = muscle
    maps.labels[where] = muscle


def _ring(shape, centre, radius, width):
    rows, columns = np.ogrid[: shape[1], : shape[2]]
    distance = np.hypot(rows - centre[0], columns - centre[1])
    return np.broadcast_to(np.abs(distance - radius) <= width / 2, shape)


def test_the_rims_of_muscles_are_not_flagged_but_a_patch_on_one_is():
    maps = _sure(_grid((12, 80, 160)))
    _uncertain(maps, _ring(maps.grid.shape, (40, 40), 25, 2.0))
    _uncertain(maps, _ring(maps.grid.shape, (40, 120), 25, 2.0))
    assert flag_regions(maps).queue == ()

    patch = np.s_[4:8, 60:70, 36:46]
    _uncertain(maps, patch)
    (region,) = flag_regions(maps).queue
    assert region.slices == (4, 7)
    assert region.side == "right"
    assert region.muscles == ("vastus lateralis",)
    assert 0.9 <= region.voxels / (4 * 10 * 10) <= 1.1


def test_thin_rims_are_measured_in_mm_not_in_voxels():
    rule = FlagRule(opening_mm=2.0, least_wrong_mm3=1.0)
    for spacing, flagged in (((0.5, 0.5, 5.0), False), ((2.0, 2.0, 5.0), True)):
        maps = _sure(_grid((4, 60, 60), spacing))
        _uncertain(maps, np.s_[:, 5:55, 10:15])
        assert bool(flag_regions(maps, rule).queue) is flagged


def _varied_maps():
    """Return maps with uncertainty of several muscles, sizes and shapes, and slices 4 mm apart."""
    maps = _sure(_grid((20, 50, 90), (0.9, 1.3, 4.0)))
    rng = np.random.default_rng(7)
    for muscle in (1, 3, 5, 8, 9, 3, 6, 11, 2):
        k, j, i = (int(rng.integers(0, size - 8)) for size in maps.grid.shape)
        box = np.s_[k : k + rng.integers(2, 9), j : j + rng.integers(4, 14), i : i + 8]
        _uncertain(maps, box, rng.uniform(0.3, 0.9), rng.uniform(0.2, 0.8), muscle)
    _uncertain(maps, np.s_[:, 30:38, 20:29], error=0.4, muscle=4)
    maps.least_confidence[:, 30:38, 20:29] *= rng.uniform(0.5, 1.0, (20, 1, 1)).astype(np.float32)
    return maps


ORIENTATIONS = list(product(permutations(range(3)), product((False, True), repeat=3)))


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
def test_the_queue_does_not_depend_on_how_the_scan_is_stored(axes, flips):
    maps = _varied_maps()
    expected = flag_regions(maps)
    assert len(expected.queue) >= 8
    stored, _ = stored_as(maps, Volume(maps.total, maps.grid), axes, flips)
    found = flag_regions(stored)
    for region, same in zip(found.queue, expected.queue, strict=True):
        assert region.centroid_ras == pytest.approx(same.centroid_ras, abs=1e-6)
        assert region.volume_mm3 == pytest.approx(same.volume_mm3)
        exact = ("id", "side", "muscles", "label_ids", "voxels", "expected_wrong_voxels")
        assert [getattr(region, x) for x in exact] == [getattr(same, x) for x in exact]

        at = np.argwhere(found.labelmap == region.id)[:, ::-1]
        assert region.centroid_ijk == pytest.approx(at.mean(axis=0))
        assert region.bounds_ijk == tuple(np.stack([at.min(0), at.max(0)], axis=1).ravel())
        superior = stored.grid.ijk_to_ras[2, :3] / stored.grid.spacing
        assert region.slice_axis == np.abs(superior).argmax()
        axis = region.slice_axis
        assert region.slices == (at[:, axis].min(), at[:, axis].max())


def test_what_is_said_of_a_region_is_what_its_voxels_hold():
    maps = _varied_maps()
    found = flag_regions(maps)
    for region in found.queue:
        inside = found.labelmap == region.id
        assert region.voxels == inside.sum()
        assert region.volume_mm3 == pytest.approx(inside.sum() * 0.9 * 1.3 * 4.0)
        uncertainty = maps.total[inside] / LN_CLASSES
        assert region.mean_uncertainty == pytest.approx(uncertainty.mean(), rel=1e-5)
        assert region.max_uncertainty == pytest.approx(uncertainty.max(), rel=1e-5)
        assert region.expected_wrong_voxels == pytest.approx(
            maps.least_confidence[inside].sum(), rel=1e-5
        )
        centre = maps.grid.ijk_to_ras @ [*region.centroid_ijk, 1.0]
        assert region.centroid_ras == pytest.approx(tuple(centre[:3]))
        assert len(np.unique(maps.sides[inside])) == 1
    wrong = [region.expected_wrong_voxels for region in found.queue]
    assert wrong == sorted(wrong, reverse=True)


@pytest.mark.parametrize(("slice_mm", "regions"), [(10.0, 1), (15.0, 1), (25.0, 4)])
def test_only_slices_that_lie_close_together_are_connected(slice_mm, regions):
    maps = _sure(_grid((4, 40, 40), (1.0, 1.0, slice_mm)))
    _uncertain(maps, np.s_[:, 10:20, 5:15])
    assert len(flag_regions(maps).queue) == regions


def test_a_tall_region_is_cut_where_it_is_least_wrong():
    maps = _sure(_grid((40, 40, 40), (1.0, 1.0, 4.0)))
    _uncertain(maps, np.s_[:, 10:22, 5:15], error=0.5)
    maps.least_confidence[[12, 26], 10:22, 5:15] = 0.3
    queue = flag_regions(maps).queue
    for region in queue:
        assert (region.slices[1] - region.slices[0] + 1) * 4.0 <= 60.0
    first, second, third = sorted(region.slices[0] for region in queue)
    assert first == 0
    assert second in (12, 13)
    assert third in (26, 27)
    assert sum(region.voxels for region in queue) == pytest.approx(40 * 12 * 10, rel=0.12)


def test_a_small_group_joins_what_it_touches_on_its_side_only():
    maps = _sure(_grid((4, 60, 60)))
    _uncertain(maps, np.s_[:, 10:30, 14:30], muscle=3)
    _uncertain(maps, np.s_[:, 30:35, 20:25], muscle=4, error=0.1)
    _uncertain(maps, np.s_[:, 12:18, 30:36], muscle=3, error=0.1)
    (region,) = flag_regions(maps).queue
    assert region.side == "right"
    assert region.voxels == pytest.approx(4 * (20 * 16 + 5 * 5), rel=0.06)
    assert region.label_ids == (3,)

    some = flag_regions(maps, FlagRule(least_share=0.05)).queue
    assert some[0].muscles == ("vastus lateralis", "vastus intermedius")


def test_flickering_small_groups_add_up_to_one_region():
    maps = _sure(_grid((2, 40, 80)))
    for column in range(4):
        _uncertain(
            maps, np.s_[:, 10:25, 5 + 5 * column : 10 + 5 * column], 0.6, 0.25, 3 + column % 2
        )
    (region,) = flag_regions(maps).queue
    assert region.voxels == pytest.approx(2 * 15 * 20, rel=0.06)
    assert set(region.label_ids) == {3, 4}


def test_small_groups_alone_are_dropped():
    maps = _sure(_grid((4, 40, 40)))
    _uncertain(maps, np.s_[1:2, 10:16, 5:11], error=0.9)
    assert flag_regions(maps).queue == ()
    assert len(flag_regions(maps, FlagRule(least_wrong_mm3=100.0)).queue) == 1


def test_groups_of_a_muscle_count_as_one_over_a_small_gap():
    maps = _sure(_grid((4, 60, 80)))
    _uncertain(maps, np.s_[:, 10:20, 5:15])
    _uncertain(maps, np.s_[:, 10:20, 17:27])
    assert len(flag_regions(maps).queue) == 1
    assert len(flag_regions(maps, FlagRule(merge_mm=0.0)).queue) == 2


def test_the_queue_ends_where_the_rule_says():
    maps = _varied_maps()
    everything = flag_regions(maps)
    short = flag_regions(maps, FlagRule(regions_at_most=3))
    assert short.queue == everything.queue[:3]
    assert short.labelmap.max() == 3


def test_a_sure_volume_gives_an_empty_queue():
    found = flag_regions(_sure(_grid((3, 20, 20))))
    assert found.queue == ()
    assert not found.labelmap.any()
