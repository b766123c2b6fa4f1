"""What an edit does to regions and to a muscle's numbers, and to the profile of the leg."""

import numpy as np
import pytest

from musclefm.labels.scheme import load_scheme
from musclefm.review.changes import find_changes
from musclefm.review.leg_profile import leg_profile
from musclefm.review.measures import MuscleTally
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

SCHEME = load_scheme("thigh-12")
LEFT_LATERALIS = 3 + len(SCHEME.labels)


@pytest.fixture
def labels():
    """Return two thighs of which one muscle touches two regions."""
    labels = np.zeros((6, 20, 30), np.uint8)
    labels[1:5, 4:16, 3:12] = 3
    labels[1:5, 4:16, 18:27] = LEFT_LATERALIS
    return labels


@pytest.fixture
def regions():
    regions = np.zeros((6, 20, 30), np.uint16)
    regions[1:3, 4:8, 3:12] = 1
    regions[3:5, 4:8, 3:12] = 2
    regions[2:4, 12:18, 18:24] = 300
    return regions


def measure_muscles(labels, scheme, voxel_volume_mm3, fat=None):
    """Count every slice, and return the measures."""
    tally = MuscleTally(scheme, len(labels))
    for k, part in enumerate(labels):
        tally.count(k, part, None if fat is None else fat[k])
    return tally.measures(voxel_volume_mm3)


def measure(measures, side, label_id):
    (found,) = (x for x in measures if (x.side, x.label_id) == (side, label_id))
    return found


def test_only_regions_whose_voxels_differ_are_changed(labels, regions):
    edited = labels.copy()
    assert find_changes(labels, edited, regions).regions == frozenset()
    edited[2, 5, 5] = 0
    assert find_changes(labels, edited, regions).regions == {1}
    edited[3, 17, 20] = LEFT_LATERALIS
    assert find_changes(labels, edited, regions).regions == {1, 300}
    edited[5, 0, 0] = 3
    assert find_changes(labels, edited, regions).regions == {1, 300}, "no region lies there"
    edited[2, 5, 5] = 3
    assert find_changes(labels, edited, regions).regions == {300}, "an edit was undone"


def test_a_muscle_painted_as_another_is_a_change(labels, regions):
    swapped = np.where(labels == 3, np.uint8(4), labels)
    assert find_changes(labels, swapped, regions).regions == {1, 2}


def test_the_muscles_that_an_edit_touched_are_known_outside_of_regions_too(labels, regions):
    assert find_changes(labels, labels, regions).muscles == frozenset()
    edited = labels.copy()
    edited[4, 15, 3:6] = 5
    edited[1, 10, 20] = 0
    assert find_changes(labels, edited, regions).muscles == {3, 5, LEFT_LATERALIS}


def test_arrays_of_other_scans_are_not_compared(labels, regions):
    with pytest.raises(ValueError, match="shapes differ"):
        find_changes(labels, labels[:5], regions)


def test_volumes_follow_an_edit_and_every_muscle_has_a_row(labels):
    before = measure_muscles(labels, SCHEME, 45.0)
    assert len(before) == 2 * len(SCHEME.labels)
    assert [x.side for x in before] == ["right"] * 12 + ["left"] * 12
    assert measure(before, "right", 3).volume_ml == pytest.approx(4 * 12 * 9 * 45.0 / 1000)
    assert measure(before, "right", 3).fat_fraction is None
    assert measure(before, "right", 4).volume_ml == 0.0

    edited = labels.copy()
    edited[1:5, 4:16, 11] = 4
    after = measure_muscles(edited, SCHEME, 45.0)
    assert measure(after, "right", 3).volume_ml == pytest.approx(4 * 12 * 8 * 45.0 / 1000)
    assert measure(after, "right", 4).volume_ml == pytest.approx(4 * 12 * 1 * 45.0 / 1000)
    assert measure(after, "left", 3) == measure(before, "left", 3)


def test_fat_is_averaged_where_it_is_defined(labels):
    fat = np.full(labels.shape, np.nan, np.float32)
    fat[1, 4:16, :12] = 0.2
    fat[2, 4:16, :12] = 0.6
    measures = measure_muscles(labels, SCHEME, 45.0, fat)
    assert measure(measures, "right", 3).fat_fraction == pytest.approx(0.4)
    assert measure(measures, "left", 3).fat_fraction is None


def test_counting_the_slices_of_an_edit_anew_gives_what_counting_all_gives(labels):
    fat = np.linspace(0.0, 1.0, labels.size, dtype=np.float32).reshape(labels.shape)
    fat[:, ::3] = np.nan
    tally = MuscleTally(SCHEME, len(labels))
    for k, part in enumerate(labels):
        tally.count(k, part, fat[k])
    edited = labels.copy()
    edited[2, 4:16, 3:12] = 0
    edited[2, 6:9, 14:16] = 7
    tally.count(2, edited[2], fat[2])
    assert tally.measures(45.0) == measure_muscles(edited, SCHEME, 45.0, fat)
    tally.count(2, np.zeros_like(labels[2]), fat[2])
    edited[2] = 0
    assert tally.measures(45.0) == measure_muscles(edited, SCHEME, 45.0, fat)


def test_a_label_of_another_scheme_is_not_counted_as_anything(labels):
    labels[0, 0, 0] = 2 * len(SCHEME.labels) + 1
    with pytest.raises(ValueError, match="not of scheme"):
        measure_muscles(labels, SCHEME, 45.0)


def test_uncertainty_along_the_leg_does_not_depend_on_how_the_scan_is_stored(
    oblique_volume, stored_48_ways
):
    rng = np.random.default_rng(5)
    uncertainty = rng.uniform(0.0, 0.4, oblique_volume.array.shape).astype(np.float32)
    regions = (rng.random(uncertainty.shape) < 0.3).astype(np.uint8)
    regions[2] = 0
    uncertainty[4] += 0.5
    # One array with both, so that both are stored alike.
    both = oblique_volume.with_array(uncertainty + 2 * regions)
    expected = None
    for stored in stored_48_ways(both):
        profile = leg_profile(stored.array % 2, (stored.array // 2).astype(np.uint8), stored.grid)
        heights = [x.superior_mm for x in profile]
        assert heights == sorted(heights)
        facts = np.array([(x.superior_mm, x.uncertain_ml, x.flagged_ml) for x in profile])
        expected = facts if expected is None else expected
        np.testing.assert_allclose(facts, expected, rtol=1e-5, atol=1e-6)

        superior = stored.grid.ijk_to_ras[2, :3] / stored.grid.spacing
        axis = 2 - int(np.abs(superior).argmax())
        for part in profile:
            voxels = np.take(stored.array % 2, part.index, axis) >= 0.25
            volume_ml = voxels.sum() * stored.grid.voxel_volume_mm3 / 1000
            assert part.uncertain_ml == pytest.approx(volume_ml)
    assert (expected[:, 2] == 0).sum() == 1
    assert expected[:, 2].argmax() == expected[:, 1].argmax()


def test_a_slice_without_regions_is_uncertain_elsewhere():
    grid = Grid((2, 16, 16), (1.0, 1.0, 5.0), (0.0, 0.0, 40.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    volume = Volume(np.full(grid.shape, 0.5, np.float32), grid)
    lower, upper = leg_profile(volume.array, np.zeros(grid.shape, np.uint8), grid)
    assert (lower.superior_mm, upper.superior_mm) == (40.0, 45.0)
    assert lower.uncertain_ml == pytest.approx(256 * 5 / 1000) and lower.flagged_ml == 0
