"""``musclefm.evaluate``: numbers that are called what they are, on labels of one grid."""

import numpy as np
import pytest

import musclefm
from musclefm.labels.sided import IGNORE
from musclefm.volumes.grid import Grid
from musclefm.volumes.writing import write_volume

GRID = Grid((2, 20, 20), (1.0, 1.0, 5.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


@pytest.fixture
def truth():
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:, :10, :10] = 1
    labels[:, 15:17, 15:17] = 2
    return labels


@pytest.fixture
def found(truth):
    labels = truth.copy()
    labels[:, 15:17, 15] = 0
    return labels


def test_the_mean_counts_muscles_alike_and_the_pool_counts_voxels(found, truth):
    result = musclefm.evaluate(found, truth)
    assert result.muscle_dice[:2] == pytest.approx([1, 2 / 3])
    assert np.isnan(result.muscle_dice[2:]).all()
    assert result.mean_dice == pytest.approx(5 / 6)
    assert result.pooled_dice == pytest.approx(2 * 204 / (204 + 208))
    assert (result.wrong_voxels, result.voxels) == (4, truth.size)
    assert result.calibration is None
    assert result.muscles["name"][0] == result.scheme.labels[0].name


def test_unknown_voxels_do_not_count(found, truth):
    truth[:, 15:17, 15] = IGNORE
    result = musclefm.evaluate(found, truth)
    assert result.mean_dice == result.pooled_dice == 1
    assert result.voxels == truth.size - 4


def test_sides_are_taken_together(truth):
    left = np.where(truth > 0, truth + 11, 0)
    assert musclefm.evaluate(left, truth, scheme="thigh-11").mean_dice == 1


def test_a_reference_may_be_a_file(found, truth, tmp_path):
    write_volume(musclefm.Volume(truth, GRID), tmp_path / "reference.nii.gz")
    result = musclefm.evaluate(musclefm.Volume(found, GRID), tmp_path / "reference.nii.gz")
    assert result.mean_dice == musclefm.evaluate(found, truth).mean_dice
    write_volume(musclefm.Volume(found, GRID), tmp_path / "found.nii.gz")
    files = [tmp_path / "found.nii.gz", tmp_path / "reference.nii.gz"]
    assert musclefm.evaluate(*files).pooled_dice == result.pooled_dice


def test_probabilities_give_the_calibration_near_muscles(truth):
    confident = (np.arange(12)[:, None, None, None] == truth).astype(np.float64)
    unsure = np.where(confident > 0, 0.7, 0.3 / 11)
    volume = musclefm.Volume(truth, GRID)
    perfect = musclefm.evaluate(truth, volume, probabilities=confident).calibration
    assert perfect.top_label.ece == pytest.approx(0) and perfect.nll == pytest.approx(0, abs=1e-6)
    cautious = musclefm.evaluate(truth, volume, probabilities=unsure).calibration
    assert cautious.top_label.ece == pytest.approx(0.3)
    assert cautious.voxels <= truth.size


@pytest.mark.parametrize(
    ("segmentation", "reference", "options", "expected"),
    [
        (np.zeros((2, 3, 4), int), np.zeros((2, 3, 5), int), {}, "shapes"),
        (np.zeros((2, 3, 4), int), np.zeros((2, 3, 4)), {}, "the reference holds float64"),
        (np.full((2, 3, 4), 90), np.zeros((2, 3, 4), int), {}, "does not name"),
        (np.zeros((2, 3), int), np.zeros((2, 3), int), {}, "shapes"),
        (np.zeros((2, 3, 4), int), "no-such-file.nii", {}, "reference is not a file"),
        (np.zeros((2, 3, 4), int),) * 2 + ({"scheme": "calf"}, "unknown label scheme"),
        (np.zeros((2, 3, 4), int),) * 2 + ({"probabilities": np.ones(3)}, "no spacing"),
    ],
)
def test_what_cannot_be_compared_is_refused(segmentation, reference, options, expected):
    with pytest.raises(musclefm.MuscleFMError, match=expected):
        musclefm.evaluate(segmentation, reference, **options)


def test_another_grid_is_refused(truth):
    moved = Grid(GRID.shape, GRID.spacing, (0.5, 0.0, 0.0), GRID.direction)
    with pytest.raises(musclefm.MuscleFMError, match="different grids"):
        musclefm.evaluate(musclefm.Volume(truth, GRID), musclefm.Volume(truth, moved))


SIDED_GRID = Grid((3, 20, 40), (1.0, 1.0, 5.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def both_thighs():
    """Return sided labels: muscles 1 and 2 of both sides."""
    labels = np.zeros(SIDED_GRID.shape, np.uint8)
    labels[:, 5:10, 5:15], labels[:, 10:15, 5:15] = 1, 2
    labels[:, 5:10, 25:35], labels[:, 10:15, 25:35] = 12, 13
    return labels


def test_of_one_labelled_thigh_the_other_one_does_not_count():
    labels = both_thighs()
    reference = np.where(labels > 11, 0, labels)
    found = musclefm.evaluate(
        musclefm.Volume(labels, SIDED_GRID), musclefm.Volume(reference, SIDED_GRID)
    )
    assert found.mean_dice == found.pooled_dice == 1 and found.wrong_voxels == 0
    assert [muscle.side for muscle in found.details.muscles] == ["right", "right"]


def test_a_muscle_that_the_reference_never_shows_is_not_judged_unless_it_was_annotated():
    labels = both_thighs()
    labels[:, 2:4, 5:15] = 3
    reference = both_thighs()
    found = musclefm.evaluate(labels, reference)
    assert found.mean_dice == 1 and found.wrong_voxels == 0 and found.details.judged == (1, 2)
    strict = musclefm.evaluate(labels, reference, annotated=["RF", "sartorius", "VL"])
    assert strict.mean_dice == pytest.approx(2 / 3) and strict.wrong_voxels == 60


def test_muscles_that_the_reference_does_not_tell_apart_count_as_one():
    labels = both_thighs()
    reference = np.where(labels > 0, np.where(labels > 11, 12, 1), 0)
    names = [label.abbreviation for label in musclefm.evaluate(labels, labels).scheme.labels[:2]]
    assert musclefm.evaluate(labels, reference).mean_dice < 1
    found = musclefm.evaluate(labels, reference, merged=[names])
    assert found.mean_dice == 1 and found.details.judged == (1,)


def test_a_reference_without_sides_gets_those_of_the_segmentation():
    labels = both_thighs()
    plain = np.where(labels > 11, labels - 11, labels)
    sided, other = musclefm.Volume(labels, SIDED_GRID), musclefm.Volume(plain, SIDED_GRID)
    found = musclefm.evaluate(sided, other)
    assert {(m.side, m.dice) for m in found.details.muscles} == {("right", 1), ("left", 1)}
    assert found.notes == ()
    swapped = np.where(labels > 11, labels - 11, np.where(labels > 0, labels + 11, 0))
    found = musclefm.evaluate(sided, musclefm.Volume(swapped, SIDED_GRID))
    assert found.mean_dice == 1 and "taken by place" in found.notes[0]


def test_a_reference_that_slicer_cropped_is_put_into_its_place():
    labels = both_thighs()
    cropped = Grid((3, 12, 36), SIDED_GRID.spacing, (3.0, 4.0, 0.0), SIDED_GRID.direction)
    part = musclefm.Volume(labels[:, 4:16, 3:39], cropped)
    found = musclefm.evaluate(musclefm.Volume(labels, SIDED_GRID), part)
    assert found.mean_dice == 1 and found.voxels == labels.size


def test_another_spacing_is_refused_with_the_remedy():
    coarse = Grid((3, 10, 20), (2.0, 2.0, 5.0), (0.5, 0.5, 0.0), SIDED_GRID.direction)
    reference = musclefm.Volume(both_thighs()[:, ::2, ::2], coarse)
    with pytest.raises(musclefm.MuscleFMError, match="resample the reference"):
        musclefm.evaluate(musclefm.Volume(both_thighs(), SIDED_GRID), reference)


def test_a_reference_without_a_label_and_bad_probabilities_are_refused():
    volume = musclefm.Volume(both_thighs(), SIDED_GRID)
    nothing = musclefm.Volume(np.zeros(SIDED_GRID.shape, np.uint8), SIDED_GRID)
    with pytest.raises(musclefm.MuscleFMError, match="has no label of a muscle"):
        musclefm.evaluate(volume, nothing)
    for p in (0.2, np.nan):
        probabilities = np.full((12, *SIDED_GRID.shape), p)
        with pytest.raises(musclefm.MuscleFMError, match="do not sum to 1"):
            musclefm.evaluate(volume, volume, probabilities=probabilities)
    with pytest.raises(musclefm.MuscleFMError, match="no muscle 'heart'"):
        musclefm.evaluate(volume, volume, annotated=["heart"])


def test_calibration_is_measured_near_muscles_everywhere_and_in_the_boxes_of_the_paper():
    labels = both_thighs()
    grid = Grid(SIDED_GRID.shape, (4.0, 4.0, 5.0), SIDED_GRID.origin, SIDED_GRID.direction)
    plain = np.where(labels > 11, labels - 11, labels)
    sure = (np.arange(12)[:, None, None, None] == plain).astype(np.float16)
    sure[:, :, 0] = 1 / 12
    volume = musclefm.Volume(labels, grid)
    found = musclefm.evaluate(volume, volume, probabilities=sure).details.calibration
    assert found.near.nll == 0 and found.everywhere.nll > 0
    assert found.everywhere.voxels == labels.size > found.near.voxels
    # The boxes are (5 + 10 + 5) rows by (5 + 10 + 5) columns, on both sides of three slices.
    assert found.boxes.voxels == 3 * 2 * 20 * 20 and found.untempered is None
