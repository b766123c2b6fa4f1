"""What stored DICOM pixels mean: rescaling, bits, inversion and compression."""

import io

import numpy as np
import pydicom
import pytest
from made_dicom import (
    edit,
    set_rescale_of_frames,
    write_enhanced,
    write_series,
)
from PIL import Image

from musclefm.volumes.channels import read_channels
from musclefm.volumes.reading import read_volume


@pytest.fixture
def volume(oblique_volume):
    """Return whole intensities, as DICOM stores them."""
    return oblique_volume.with_array(np.rint(oblique_volume.array))


class TestRescaling:
    def test_each_frame_has_its_own_slope(self, tmp_path, volume):
        write_enhanced(tmp_path / "scan.dcm", {1.5: volume})
        slopes = 0.5 + 0.25 * np.arange(volume.array.shape[0])
        set_rescale_of_frames(tmp_path / "scan.dcm", slopes, intercept=-3)
        expected = volume.array * slopes[:, None, None] - 3
        np.testing.assert_allclose(read_volume(tmp_path).volume.array, expected, rtol=1e-6)

    def test_the_shared_slope_holds_for_all_frames(self, tmp_path, volume):
        write_enhanced(tmp_path / "scan.dcm", {1.5: volume})
        set_rescale_of_frames(tmp_path / "scan.dcm", [0.25], shared=True)
        np.testing.assert_allclose(
            read_volume(tmp_path).volume.array, volume.array * 0.25, rtol=1e-6
        )

    def test_each_image_of_an_enhanced_dixon_scan_has_its_own(self, tmp_path, volume):
        """The first frame's slope made a fat image four times too bright."""
        path = tmp_path / "scan.dcm"
        fat = volume.with_array(volume.array[::-1].copy())
        write_enhanced(path, {1.1: volume, 2.3: fat})
        count = volume.array.shape[0]
        set_rescale_of_frames(path, [2.0, 0.5] * count)
        header = pydicom.dcmread(path)
        for number, group in enumerate(header.PerFrameFunctionalGroupsSequence):
            kind = pydicom.Dataset()
            kind.FrameType = ["DERIVED", "PRIMARY", "DIXON", ("WATER", "FAT")[number % 2]]
            group.MRImageFrameTypeSequence = [kind]
            del group.MREchoSequence
        header.save_as(path)
        images = read_channels({"water": path, "fat": path}).images
        np.testing.assert_allclose(images["water"].array, volume.array * 2, rtol=1e-6)
        np.testing.assert_allclose(images["fat"].array, fat.array * 0.5, rtol=1e-6)


class TestStoredBits:
    @pytest.mark.parametrize("order", [1, -1], ids=["as it is", "MONOCHROME1"])
    def test_signed_pixels_of_12_bits_with_padding(self, tmp_path, volume, order):
        """Above the stored bits old files keep overlays."""
        truth = np.clip(np.rint(volume.array), 0, 1900) - 900
        truth[:, :3] = -2048
        stored = (truth if order == 1 else -1 - truth).astype(np.int16)
        paths = write_series(tmp_path, volume, RescaleSlope=2, RescaleIntercept=7)
        for path, pixels in zip(paths, stored, strict=True):
            header = pydicom.dcmread(path)
            header.add_new("PixelPaddingValue", "SS", int(pixels[0, 0]))
            header.BitsStored, header.HighBit, header.PixelRepresentation = 12, 11, 1
            header.PhotometricInterpretation = "MONOCHROME2" if order == 1 else "MONOCHROME1"
            bits = (pixels.astype(np.uint16) & 0x0FFF) | np.uint16(0x7000)
            header.PixelData = bits.tobytes()
            header.save_as(path)
        # Padding is no signal, whatever its value.
        truth[:, :3] = truth[:, 3:].min()
        read = read_volume(tmp_path).volume.array
        # White is the lowest value: only differences are known, and which of two is brighter.
        offset = read.flat[0] - (2 * truth.flat[0] + 7)
        np.testing.assert_allclose(read - offset, 2 * truth + 7, atol=1e-3)
        assert order == -1 or offset == 0


class TestMonochrome1:
    @pytest.mark.parametrize("white", ["the range's end", "the image's own"])
    def test_it_is_the_same_image(self, tmp_path, volume, white):
        volume = volume.with_array(volume.array - volume.array.min())
        top = 65535 if white == "the range's end" else volume.array.max()
        write_series(
            tmp_path,
            volume.with_array(top - volume.array),
            PhotometricInterpretation="MONOCHROME1",
        )
        for path in tmp_path.iterdir():
            edit(path, PhotometricInterpretation="MONOCHROME1")
        np.testing.assert_allclose(read_volume(tmp_path).volume.array, volume.array, atol=1)


class TestCompressed:
    def test_run_length_coding_is_decoded(self, tmp_path, volume):
        for path in write_series(tmp_path, volume, RescaleSlope="0.5", RescaleIntercept="2"):
            header = pydicom.dcmread(path)
            header.compress(pydicom.uid.RLELossless)
            header.save_as(path)
        expected = volume.array * 0.5 + 2
        np.testing.assert_allclose(read_volume(tmp_path).volume.array, expected, rtol=1e-6)

    def test_deflated_files_are_read(self, tmp_path, volume):
        for path in write_series(tmp_path, volume, RescaleSlope="0.5", RescaleIntercept="2"):
            header = pydicom.dcmread(path)
            header.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
            header.save_as(path)
        expected = volume.array * 0.5 + 2
        np.testing.assert_allclose(read_volume(tmp_path).volume.array, expected, rtol=1e-6)

    def test_jpeg_2000_is_decoded(self, tmp_path, volume):
        for path in write_series(tmp_path, volume):
            header = pydicom.dcmread(path)
            frame = io.BytesIO()
            Image.fromarray(header.pixel_array).save(frame, "JPEG2000", no_jp2=True)
            header.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
            header.PixelData = pydicom.encaps.encapsulate([frame.getvalue()])
            header["PixelData"].is_undefined_length = True
            header.save_as(path)
        np.testing.assert_array_equal(read_volume(tmp_path).volume.array, volume.array)
