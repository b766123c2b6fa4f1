"""Padding, offsets and outliers change nothing of an image's signal or of what is found in it."""

import numpy as np
import pytest
from thigh_images import T1, body, picture, read, read_legs

from musclefm.anatomy.signal import cleaned, signal_box
from musclefm.anatomy.thighs import find_thighs
from musclefm.volumes.volume import Volume

MIDTHIGH = "station6-midthigh"


def padded(image, value=-1000.0, voxels=12):
    """Overwrite the edge of each slice by a constant."""
    changed = np.full_like(image, value)
    inner = np.s_[:, voxels:-voxels, voxels:-voxels]
    changed[inner] = image[inner]
    return changed


def with_hot_pixels(image):
    changed = image.copy()
    changed[len(image) // 2, 3:6, 3:6] = 60 * image.max()
    return changed


def with_two_outliers(image):
    changed = image.copy()
    changed[1, 8, 9] = 1e7
    changed[2, 12, 30] = -1e7
    return changed


def with_saturated_blocks(image):
    changed = image.copy()
    changed[1:4, 4:16, 4:16] = 32767
    return changed


SPOILT = {
    "padding of -1000": padded,
    "bright padding": lambda image: padded(image, 30000.0),
    "padding that is not a number": lambda image: padded(image, np.nan),
    "offset of 1000": lambda image: image + 1000,
    "offset and padding": lambda image: padded(image + 1000, 0.0),
    "nine hot pixels": with_hot_pixels,
    "two outliers": with_two_outliers,
    "saturated blocks": with_saturated_blocks,
}


@pytest.fixture(scope="module")
def legs(shared):
    """Return a picture of both legs as it is acquired, and its grid."""
    right, left, grid = read_legs(shared / "anatomies" / "HV002_2_0000.nii.gz")
    outline = body(right, grid) | body(left, grid)
    return Volume(picture(right + left, outline, **T1) * 200, grid)


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_two_thighs_are_found_as_in_the_plain_picture(legs, spoil):
    plain = find_thighs(legs)
    found = find_thighs(Volume(spoil(legs.array), legs.grid))
    assert found.count == plain.count == 2
    assert (found.membership == plain.membership).mean() > 0.99


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_the_signal_of_the_body_is_that_of_the_plain_scan(shared, spoil):
    scan = read(shared / "scans" / "dixon" / f"{MIDTHIGH}.nii.gz").array[::6]
    inner = np.s_[:, 20:-20, 20:-20]
    plain, found = (cleaned(x)[inner] for x in (scan, spoil(scan)))
    assert np.abs(found - plain).max() < 0.02 * np.percentile(plain, 99)


def test_what_is_plain_keeps_its_values(shared):
    scan = read(shared / "scans" / "dixon" / f"{MIDTHIGH}.nii.gz").array[::6]
    # Some hundred voxels of this scan are saturated, among them blocks.
    assert np.abs(cleaned(scan) - scan).max() < 0.01 * np.percentile(scan, 99)


def test_a_drawing_and_masked_air_keep_their_air():
    drawing = np.zeros((2, 40, 40), np.float32)
    drawing[:, 10:30, 10:30] = 1
    assert (cleaned(drawing) == drawing).all()
    rng = np.random.default_rng(4)
    masked = np.where(drawing > 0, rng.uniform(300, 1000, drawing.shape), 0).astype(np.float32)
    np.testing.assert_allclose(cleaned(masked), masked)


@pytest.mark.parametrize("value", [-1000, np.nan, 4095])
def test_padding_of_some_slices_leaves_masked_air_the_air(value):
    rng = np.random.default_rng(6)
    masked = np.zeros((6, 60, 80), np.float32)
    masked[:, 15:45, 20:60] = rng.uniform(40, 500, (6, 30, 40))
    spoilt = masked.copy()
    spoilt[:2, :12, :14] = value
    kept = spoilt == masked
    np.testing.assert_allclose(cleaned(spoilt)[kept], cleaned(masked)[kept], atol=1e-3)


def test_an_image_without_signal_is_zero():
    for constant in (0.0, 7.0, -1000.0, np.nan):
        assert (cleaned(np.full((2, 5, 6), constant, np.float32)) == 0).all()


def test_traces_that_an_offset_swallows_belong_to_no_box():
    image = np.zeros((3, 20, 30), np.float32)
    image[:, 5:15, 8:22] = np.random.default_rng(3).uniform(50, 600, (3, 10, 14))
    image[1, 10, 2] = 1e-5
    boxes = [signal_box(cleaned(image + np.float32(offset))) for offset in (0, 1000, -300)]
    assert boxes == [np.s_[0:3, 5:15, 8:22]] * 3
