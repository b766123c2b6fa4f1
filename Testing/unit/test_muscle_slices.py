"""Which slices a reader has corrected, and which carried ones nobody has looked at yet."""

import time
from dataclasses import replace

import numpy as np
import pytest

from musclefm.errors import MuscleFMError
from musclefm.review.changes import find_changes
from musclefm.review.muscle_slices import (
    MuscleSlices,
    corrected_slices,
    parse_slices,
    slices_text,
    unseen_voxels,
    voxels_of_largest_slice,
)
from musclefm.volumes.grid import Grid

MUSCLE, OTHER = 3, 8
GRID = Grid((6, 20, 30), (1.5, 1.5, 8.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


@pytest.fixture
def model():
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:, 4:16, 3:12] = MUSCLE
    labels[:, 4:16, 18:27] = OTHER
    return labels


@pytest.mark.parametrize("axis, index", [(2, (1, 4)), (1, (7,)), (0, (5, 6, 9))])
def test_the_axis_of_an_edit_is_the_one_with_the_fewest_slices(model, axis, index):
    labels = model.copy()
    at = np.moveaxis(labels, 2 - axis, 0)
    for one in index:
        at[one][at[one] == MUSCLE] = 0
    assert corrected_slices(labels, model, MUSCLE, GRID) == MuscleSlices(MUSCLE, index, axis)


def test_a_single_voxel_is_an_edit_across_the_leg(model):
    labels = model.copy()
    labels[2, 4, 3] = 0
    assert corrected_slices(labels, model, MUSCLE, GRID) == MuscleSlices(MUSCLE, (2,), 2)
    coronal = replace(GRID, direction=(1, 0, 0, 0, 0, 1, 0, 1, 0))
    assert corrected_slices(labels, model, MUSCLE, coronal).slice_axis == 1


def test_other_muscles_and_carried_slices_are_no_edits(model):
    labels = model.copy()
    labels[1][labels[1] == MUSCLE] = 0
    labels[3][labels[3] == MUSCLE] = 0
    labels[4][labels[4] == OTHER] = 0
    carried = [MuscleSlices(MUSCLE, (3,)), MuscleSlices(OTHER, (1,))]
    assert corrected_slices(labels, model, MUSCLE, GRID, carried).slices == (1,)
    assert corrected_slices(model, model, MUSCLE, GRID).slices == ()


def test_slices_that_were_seen_or_edited_are_no_longer_unseen(model):
    unseen = MuscleSlices(MUSCLE, (1, 3, 4))
    assert unseen.without({3, 5}, 2).slices == (1, 4)
    assert unseen.without({3}, 1) == unseen, "slices across these show a line of each"
    edited = model.copy()
    edited[3, 5, 5] = 0
    edited[4, 5, 20] = 0
    assert unseen.unchanged(model, edited).slices == (1, 4), "another muscle was edited in 4"
    assert unseen.unchanged(model, model) == unseen


def test_what_may_be_wrong_in_a_carried_slice_is_the_muscle_and_what_no_muscle_has(model):
    labels = model.copy()
    labels[2, 4:8, 3:12] = OTHER
    mask = unseen_voxels([MuscleSlices(MUSCLE, (2,))], labels, model)
    assert not mask[[0, 1, 3, 4, 5]].any()
    assert mask[2, 4:16, 3:12].all(), "the muscle's, also where it was"
    assert mask[2, :3].all() and not mask[2, 4:16, 18:27].any()
    assert not unseen_voxels([MuscleSlices(MUSCLE, (2,))], labels)[2, 4:8, 3:12].any()
    sagittal = unseen_voxels([MuscleSlices(OTHER, (20,), 0)], labels, model)
    assert sagittal[:, :, 20].all() and sagittal.sum() == sagittal[:, :, 20].size


def test_a_region_with_an_unseen_change_is_not_taken_for_corrected(model):
    regions = np.zeros(GRID.shape, np.uint16)
    regions[:2, 4:8, 3:12], regions[3:5, 4:8, 3:12], regions[3:5, 4:8, 18:27] = 1, 2, 3
    labels = model.copy()
    for k, value in ((1, MUSCLE), (3, MUSCLE), (4, OTHER)):
        labels[k][labels[k] == value] = 0
    assert find_changes(model, labels, regions).regions == {1, 2, 3}
    unseen = [MuscleSlices(MUSCLE, (3, 4))]
    assert find_changes(model, labels, regions, unseen).regions == {1, 3}
    sagittal = [MuscleSlices(MUSCLE, tuple(range(3, 12)), 0)]
    assert find_changes(model, labels, regions, sagittal).regions == {3}
    seen = [muscle.without({3}, 2) for muscle in unseen]
    assert find_changes(model, labels, regions, seen).regions == {1, 2, 3}


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_a_muscle_is_shown_in_its_largest_slice_along_any_axis(slice_axis):
    labels = np.zeros((6, 20, 30), np.uint8)
    labels[1:4, 5:8, 10:14] = MUSCLE
    # One slice a little larger along each axis, and another muscle that is larger still.
    labels[3, 8, 13] = labels[3, 9, 13] = MUSCLE
    labels[0] = OTHER
    found = voxels_of_largest_slice(labels, MUSCLE, slice_axis)
    own = labels == MUSCLE
    areas = own.sum(axis=tuple(axis for axis in range(3) if axis != 2 - slice_axis))
    assert (found[:, slice_axis] == areas.argmax()).all() and len(found) == areas.max()
    assert own[tuple(found[:, ::-1].T)].all()
    assert voxels_of_largest_slice(labels, 9, slice_axis).shape == (0, 3)


def test_the_largest_slice_is_found_without_a_list_of_all_voxels():
    labels = np.zeros((40, 256, 256), np.uint8)
    labels[5:35, 20:200, 30:220] = MUSCLE

    def cpu(work):
        times = []
        for _ in range(3):
            begun = time.thread_time()
            work()
            times.append(time.thread_time() - begun)
        return min(times)

    listing = cpu(lambda: np.argwhere(labels == MUSCLE))
    assert cpu(lambda: voxels_of_largest_slice(labels, MUSCLE, 2)) < 0.5 * listing


@pytest.mark.parametrize(
    ("text", "slices"),
    [("3-5, 9", (3, 4, 5, 9)), ("", ()), ("0", (0,)), (" 7 , 1-2,", (1, 2, 7))],
)
def test_a_list_of_slices_is_read_and_written(text, slices):
    assert parse_slices(text) == slices
    assert parse_slices(slices_text(slices)) == slices


@pytest.mark.parametrize("text", ["one", "5-3", "1-2-3", "-4", "0-99999999999999999999"])
def test_what_is_no_list_of_slices(text):
    with pytest.raises(MuscleFMError, match="no list of slices"):
        parse_slices(text)
