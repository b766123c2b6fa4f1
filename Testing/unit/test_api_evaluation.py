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
    moved = Grid(GRID.shape, GRID.spacing, (1.0, 0.0, 0.0), GRID.direction)
    with pytest.raises(musclefm.MuscleFMError, match="different grids"):
        musclefm.evaluate(musclefm.Volume(truth, GRID), musclefm.Volume(truth, moved))
