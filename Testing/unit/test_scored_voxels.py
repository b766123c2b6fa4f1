"""Nothing counts as background that the reference does not tell."""

import numpy as np
import pytest

from musclefm.errors import MuscleFMError
from musclefm.evaluation.cohort.severity import severity_of, volume_weighted_fat_fraction
from musclefm.evaluation.review_order import possible_looks, review_order
from musclefm.evaluation.scored_voxels import (
    casali_boxes,
    known_reference,
    labelled_slices,
    without_merged,
)
from musclefm.labels.sided import IGNORE

SPACING = (5.0, 1.0, 1.0)
RIGHT, LEFT = range(1, 12), range(12, 23)


def thighs():
    """Return sided labels ``(3, 20, 40)``: muscles 1 and 2 of both sides."""
    labels = np.zeros((3, 20, 40), np.uint8)
    labels[:, 5:10, 5:15], labels[:, 10:15, 5:15] = 1, 2
    labels[:, 5:10, 25:35], labels[:, 10:15, 25:35] = 12, 13
    return labels


def test_only_slices_that_show_a_muscle_count() -> None:
    labels = thighs()
    reference = labels.copy()
    reference[1] = 0
    reference[2] = np.where(labels[2] == 1, 1, IGNORE)
    assert labelled_slices(reference).tolist() == [True, False, True]
    known = known_reference(reference, labels, {*RIGHT, *LEFT}, (), SPACING)
    assert (known[1] == IGNORE).all()
    np.testing.assert_array_equal(known[[0, 2]], reference[[0, 2]])
    turned = known_reference(
        np.moveaxis(reference, 0, 2), np.moveaxis(labels, 0, 2), {*RIGHT, *LEFT}, (), SPACING, 2
    )
    np.testing.assert_array_equal(np.moveaxis(turned, 2, 0), known)


def test_a_muscle_that_nobody_annotated_is_not_wrong_on_background_but_is_on_a_muscle() -> None:
    labels = thighs()
    labels[0, 2:4, 5:15] = 3
    labels[0, 5, 5:15] = 3
    reference = thighs()
    known = known_reference(reference, labels, {1, 2, 12, 13}, (), SPACING)
    assert (known[0, 2:4, 5:15] == IGNORE).all() and (known[0, 5, 5:15] == 1).all()
    assert (known == IGNORE).sum() == 20


def test_of_a_reference_of_one_side_the_other_side_is_unknown() -> None:
    labels = thighs()
    reference = np.where(labels > 11, 0, labels).astype(np.uint8)
    known = known_reference(reference, labels, RIGHT, LEFT, SPACING)
    assert (known[:, :, 21:] == IGNORE).all() and (known[:, :, :19] != IGNORE).all()
    np.testing.assert_array_equal(known == 1, reference == 1)


def test_where_the_annotated_side_was_missed_it_is_still_wrong() -> None:
    labels = thighs()
    reference = np.where(labels > 11, 0, labels).astype(np.uint8)
    labels[labels < 12] = 0
    known = known_reference(reference, labels, RIGHT, LEFT, SPACING)
    assert (known[reference > 0] == reference[reference > 0]).all()


def test_muscles_that_the_reference_does_not_tell_apart_are_one() -> None:
    merged = without_merged(thighs(), [(2, 1)], 11)
    assert sorted(np.unique(merged)) == [0, 1, 12]
    array = np.full((1, 1, 1), IGNORE, np.uint8)
    assert without_merged(array, [(1, 2)], 11) == IGNORE


def test_boxes_are_five_pixels_around_each_component_of_each_slice() -> None:
    reference = np.zeros((2, 30, 60), np.uint8)
    reference[1, 8:12, 10:20] = 1
    reference[1, 12:14, 20:22] = 2
    reference[1, 2, 50:58] = 3
    boxes = list(casali_boxes(reference))
    assert sorted(boxes, key=lambda box: box[2].start) == [
        (1, slice(3, 19), slice(5, 27)),
        (1, slice(0, 8), slice(45, 63)),
    ]


@pytest.mark.parametrize(
    ("fat", "expected"),
    [(0.1, "early"), (0.3, "moderate"), (0.6, "moderate"), (0.61, "severe"), (None, None)],
)
def test_severity_by_fat_fraction(fat, expected) -> None:
    assert severity_of(fat) == expected
    assert severity_of(0.45, (0.1, 0.4)) == "severe"


def test_limits_of_severity_must_ascend() -> None:
    with pytest.raises(MuscleFMError, match="limits of severity"):
        severity_of(0.4, (0.6, 0.3))


def test_the_fat_fraction_of_a_thigh_weighs_muscles_by_volume() -> None:
    labels = np.array([[[1, 1, 1, 2, 0, IGNORE]]], np.uint8)
    fat = np.array([[[0.2, 0.2, np.nan, 0.8, 0.9, 0.9]]])
    assert volume_weighted_fat_fraction(labels, fat) == pytest.approx(0.4)
    assert volume_weighted_fat_fraction(labels * 0, fat) is None


def test_the_best_order_finds_most_and_the_queue_lies_where_its_regions_are() -> None:
    reference, labels = thighs(), thighs()
    labels[0, 5:9, 5:15] = 0
    labels[2, 12, 25:28] = 0
    looks = possible_looks(labels, reference)
    assert len(looks.finds) == 12 and looks.counts.sum() == 43
    right_first = review_order(looks, [(0, 0, {1}), (2, 2, {13})])
    wrong_first = review_order(looks, [(1, 1, {1, 2, 12, 13})])
    assert right_first.worth == pytest.approx(1)
    assert wrong_first.worth < right_first.worth
    np.testing.assert_allclose(right_first.queue, right_first.best)
    for way in ("queue", "best", "slice_by_slice", "random"):
        curve = getattr(right_first, way)
        assert curve[0] == 0 and curve[-1] == pytest.approx(1) and (np.diff(curve) >= 0).all()
    assert right_first.best.sum() >= right_first.random.sum()


def test_a_voxel_between_two_muscles_is_found_by_a_look_at_either_once() -> None:
    reference, labels = thighs(), thighs()
    labels[0, 9, 5:15] = 2
    looks = possible_looks(labels, reference)
    assert looks.finds[0, 1] == looks.finds[0, 2] != ()
    assert looks.counts.tolist() == [10]
    assert np.isnan(review_order(possible_looks(reference, reference), []).worth)
