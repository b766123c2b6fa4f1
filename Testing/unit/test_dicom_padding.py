"""Padding that a DICOM header names is no signal, whatever its value."""

import numpy as np
import pydicom
import pytest
from made_dicom import strip_meta, write_enhanced, write_series

from musclefm.volumes.reading import read_volume


@pytest.fixture
def volume(oblique_volume):
    """Return whole intensities from 40 on, as DICOM stores them."""
    array = np.rint(oblique_volume.array)
    return oblique_volume.with_array(array - array.min() + 40)


def padded(volume, value):
    """Return a copy whose first rows are padding, and what it is read as."""
    array, expected = volume.array.copy(), volume.array.copy()
    array[:, :3] = value
    expected[:, :3] = expected[:, 3:].min()
    return volume.with_array(array), expected


@pytest.mark.parametrize("value", [0, 500, 60000], ids=["below", "within", "above"])
def test_padding_is_read_as_the_lowest_intensity(tmp_path, volume, value):
    # The value itself occurs nowhere else.
    volume.array[volume.array == value] += 1
    image, expected = padded(volume, value)
    write_series(tmp_path, image, PixelPaddingValue=value, RescaleSlope="2", RescaleIntercept="-9")
    np.testing.assert_allclose(read_volume(tmp_path).volume.array, 2 * expected - 9)


def test_a_range_of_padding(tmp_path, volume):
    image, expected = padded(volume, 3)
    image.array[:, :2] = 7
    write_series(tmp_path, image, PixelPaddingValue=2, PixelPaddingRangeLimit=8)
    np.testing.assert_array_equal(read_volume(tmp_path).volume.array, expected)


def test_padding_of_an_enhanced_image(tmp_path, volume):
    image, expected = padded(volume, 0)
    write_enhanced(tmp_path / "scan.dcm", {1.5: image})
    header = pydicom.dcmread(tmp_path / "scan.dcm")
    header.add_new("PixelPaddingValue", "US", 0)
    header.save_as(tmp_path / "scan.dcm")
    np.testing.assert_array_equal(read_volume(tmp_path).volume.array, expected)


def test_white_padding_of_monochrome1_is_not_taken_for_the_brightest(tmp_path, volume):
    """With it the whole image was shifted."""
    stored = volume.with_array(3000 - volume.array)
    stored.array[:, :3] = 3500
    folders = []
    for name in ("plain", "padded"):
        folders.append(tmp_path / name)
        paths = write_series(folders[-1], stored, PixelPaddingValue=3500)
        for path in paths:
            header = pydicom.dcmread(path)
            header.PhotometricInterpretation = "MONOCHROME1"
            if name == "plain":
                del header.PixelPaddingValue
            header.save_as(path)
    plain, read = (read_volume(folder).volume.array for folder in folders)
    np.testing.assert_array_equal(np.diff(read[:, 3:], axis=1), np.diff(plain[:, 3:], axis=1))
    assert (read[:, :3] == read[:, 3:].min()).all()
    assert read.min() == stored.array[:, 3:].max() - stored.array[:, 3:].max()


@pytest.mark.parametrize("explicit", [True, False], ids=["explicit VR", "implicit VR"])
@pytest.mark.parametrize(("vr", "written"), [("SS", -2000), ("US", 63536)])
def test_signed_padding_whose_type_does_not_fit(tmp_path, volume, explicit, vr, written):
    image, expected = padded(volume, -2000)
    paths = write_series(tmp_path, volume)
    for path, pixels in zip(paths, image.array, strict=True):
        header = pydicom.dcmread(path)
        header.PixelRepresentation = 1
        header.add_new("PixelPaddingValue", vr, written)
        header.PixelData = pixels.astype("<i2").tobytes()
        header.save_as(path)
        if not explicit:
            strip_meta(path)
    np.testing.assert_array_equal(read_volume(tmp_path).volume.array, expected)


@pytest.mark.parametrize("limit", [65535, 39])
def test_an_image_is_never_all_padding(tmp_path, volume, limit):
    write_series(tmp_path, volume, PixelPaddingValue=0, PixelPaddingRangeLimit=limit)
    np.testing.assert_array_equal(read_volume(tmp_path).volume.array, volume.array)


def test_padding_that_says_nothing_is_none(tmp_path, volume):
    volume.array[0, 0, 0] = 0
    paths = write_series(tmp_path, volume)
    for path in paths:
        header = pydicom.dcmread(path)
        header.add_new("PixelPaddingValue", "US", [])
        header.save_as(path)
    np.testing.assert_array_equal(read_volume(tmp_path).volume.array, volume.array)
