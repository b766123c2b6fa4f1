"""Left stays the patient's left, however the image is stored."""

import numpy as np
import pytest
from thigh_images import T1, body, picture, pushed_together, read_legs

from musclefm.anatomy.sides import name_sides, sides_map
from musclefm.anatomy.thighs import Thighs, find_thighs
from musclefm.labels.scheme import load_scheme
from musclefm.labels.sides import LEFT, RIGHT
from musclefm.volumes.orientation import to_canonical
from musclefm.volumes.volume import Volume

SCHEME = load_scheme("thigh-11")


@pytest.fixture(scope="module")
def legs(shared):
    """Return both legs of an anatomy and their grid."""
    return read_legs(shared / "anatomies" / "THIGH_061_0003.nii.gz")


def sides_of(image, labels):
    """Find, name and map the sides of an image and its labelmap, stored alike."""
    canonical, view = to_canonical(image)
    thighs = find_thighs(canonical)
    sides = name_sides(thighs, view.apply(labels), SCHEME)
    return view.undo(sides_map(thighs, sides))


def assert_sides(found, right, left):
    for leg, side in ((right, RIGHT), (left, LEFT)):
        assert np.count_nonzero((leg > 0) & (found != side)) <= 0.01 * np.count_nonzero(leg)
    assert np.isin(found, (RIGHT, LEFT)).all()


def one_voxel_thigh(columns=40, centre=10.0):
    """Return one thigh in three slices, its centre at a given column."""
    centres = np.full((1, 3, 2), centre)
    return Thighs(1, np.ones((3, 20, columns), np.uint8), centres)


def test_every_leg_of_every_anatomy_alone(shared):
    for path in sorted((shared / "anatomies").glob("*.nii.gz")):
        right, left, _ = read_legs(path)
        for leg, expected in ((right, "right"), (left, "left")):
            columns = np.nonzero(leg.any(axis=(0, 1)))[0]
            crop = leg[:, :, columns[0] : columns[-1] + 1]
            middle = np.full((1, len(crop), 2), crop.shape[2] / 2)
            thigh = Thighs(1, np.ones(crop.shape, np.uint8), middle)
            assert name_sides(thigh, crop, SCHEME) == (expected,), path.name
            # The same leg seen in a mirror is one of the other side.
            other = {"right": "left", "left": "right"}[expected]
            assert name_sides(thigh, crop[:, :, ::-1], SCHEME) == (other,), path.name


def test_every_way_of_storing(legs, stored_48_ways):
    right, left, grid = legs
    moved, together = pushed_together(right, left, grid)
    outlines = body(right, grid), body(left, grid)
    nothing = np.zeros_like(right)
    cases = {
        "apart": (right, left, outlines[0] | outlines[1]),
        "touching": (right, moved, together),
        "right alone": (right, nothing, outlines[0]),
        "left alone": (nothing, left, outlines[1]),
    }
    for right_leg, left_leg, outline in cases.values():
        image = Volume(picture(right_leg + left_leg, outline, **T1), grid)
        both = Volume(np.where(right_leg > 0, right_leg, left_leg + 100 * (left_leg > 0)), grid)
        for stored, truth in zip(stored_48_ways(image), stored_48_ways(both), strict=True):
            labels = truth.array % 100
            found = sides_of(stored, labels.astype(np.uint8))
            on_right, on_left = (truth.array > 0) & (truth.array < 100), truth.array > 100
            assert_sides(found, on_right, on_left)


def test_a_pair_needs_no_labels(legs):
    right, left, grid = legs
    image = Volume(picture(right + left, body(right, grid) | body(left, grid), **T1), grid)
    assert_sides(sides_of(image, np.zeros_like(right)), right, left)


def test_a_mirrored_patient_changes_sides(legs):
    right, left, grid = legs
    image = picture(right + left, body(right, grid) | body(left, grid), **T1)[:, :, ::-1]
    labels = (right + left)[:, :, ::-1]
    found = sides_of(Volume(image, grid), labels)
    assert_sides(found, left[:, :, ::-1], right[:, :, ::-1])


def test_an_oblique_leg_is_reported_within_slices():
    # Through the slices the muscles move left by more than the leg is wide, and
    # the lateral muscle shows only in the last slice: over the whole
    # volume it lies farther left than the medial one, in no slice does it.
    labels = np.zeros((3, 20, 40), np.uint8)
    labels[0, 5:15, 2:6] = 7
    labels[1, 5:15, 10:14] = 7
    labels[2, 5:15, 28:32], labels[2, 5:15, 22:26] = 7, 3
    assert name_sides(one_voxel_thigh(), labels, SCHEME) == ("right",)


@pytest.mark.parametrize(
    ("muscle", "columns", "expected"),
    [
        (3, slice(2, 6), "right"),
        (3, slice(14, 18), "left"),
        (7, slice(2, 6), "left"),
        (7, slice(14, 18), "right"),
    ],
)
def test_one_muscle_alone(muscle, columns, expected):
    labels = np.zeros((3, 20, 40), np.uint8)
    labels[:, 5:15, columns] = muscle
    assert name_sides(one_voxel_thigh(centre=10.0), labels, SCHEME) == (expected,)


def test_no_label_at_all_goes_by_the_half_of_the_image():
    labels = np.zeros((3, 20, 40), np.uint8)
    assert name_sides(one_voxel_thigh(centre=8.0), labels, SCHEME) == ("right",)
    assert name_sides(one_voxel_thigh(centre=30.0), labels, SCHEME) == ("left",)


def test_as_many_sides_as_thighs():
    with pytest.raises(ValueError, match="2 sides for 1 thighs"):
        sides_map(one_voxel_thigh(), ("right", "left"))
