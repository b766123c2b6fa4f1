"""Where a muscle surely is lies within its labels, and where it may be around them."""

import numpy as np
import pytest

from musclefm.uncertainty.bounds import muscle_bounds

SPACING = (1.0, 1.0, 6.0)


@pytest.fixture
def muscle() -> np.ndarray:
    """Return a block of 10 x 10 voxels in three slices."""
    mask = np.zeros((5, 30, 40), bool)
    mask[1:4, 10:20, 10:20] = True
    return mask


def test_a_sure_muscle_has_no_band(muscle) -> None:
    surely, possibly = muscle_bounds(
        muscle, np.zeros(muscle.shape, np.float32), np.zeros(muscle.shape, bool), 0.25, SPACING
    )
    assert np.array_equal(surely, muscle) and np.array_equal(possibly, muscle)


def test_uncertain_voxels_are_not_sure_and_near_ones_are_possible(muscle) -> None:
    uncertainty = np.zeros(muscle.shape, np.float32)
    # The right border, from 2 voxels within to 6 beyond: farther than the muscle reaches.
    uncertainty[:, 10:20, 18:26] = 0.4
    surely, possibly = muscle_bounds(
        muscle, uncertainty, np.zeros(muscle.shape, bool), 0.25, SPACING
    )
    assert not surely[:, :, 18:].any() and surely[1:4, 10:20, 10:18].all()
    assert possibly[2, 10:20, 20:23].all() and not possibly[:, :, 23:].any()
    # Slices are thicker than the reach.
    assert not possibly[[0, 4]].any()
    assert (possibly | ~surely).all()


def test_a_flagged_region_of_the_muscle_is_possible_as_far_as_it_is_connected(muscle) -> None:
    uncertainty = np.zeros(muscle.shape, np.float32)
    flagged = np.zeros(muscle.shape, bool)
    flagged[2, 10:20, 20:30] = True
    flagged[2, 10:20, 33:38] = True
    uncertainty[flagged] = 0.4
    _surely, possibly = muscle_bounds(muscle, uncertainty, flagged, 0.25, SPACING)
    assert possibly[2, 10:20, 20:30].all() and not possibly[:, :, 33:].any()
    # Above their uncertainty, nothing of it is uncertain.
    _surely, possibly = muscle_bounds(muscle, uncertainty, flagged, 0.5, SPACING)
    assert np.array_equal(possibly, muscle)
