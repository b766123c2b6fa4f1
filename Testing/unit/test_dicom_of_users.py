"""DICOM as users have it: each kind is read right, or refused in one line."""

import io

import numpy as np
import pydicom
import pytest
from made_dicom import (
    edit,
    set_rescale_of_frames,
    strip_meta,
    strip_preamble,
    write_enhanced,
    write_series,
)
from PIL import Image

from musclefm.errors import MuscleFMError
from musclefm.exchange.source_series import find_source_series
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


class TestWithoutPreamble:
    @pytest.mark.parametrize("strip", [strip_preamble, strip_meta])
    def test_it_is_read_and_referred_to(self, tmp_path, volume, strip):
        paths = write_series(tmp_path, volume, FrameOfReferenceUID="1.2.3")
        for path in paths:
            strip(path)
        for where in (tmp_path, paths[2]):
            np.testing.assert_array_equal(read_volume(where).volume.array, volume.array)
        assert len(find_source_series(tmp_path).instances) == len(paths)


class TestOneIdentifierForAll:
    def test_no_slice_is_lost(self, tmp_path, volume):
        write_series(tmp_path, volume, SOPInstanceUID="1.2.3")
        read = read_volume(tmp_path)
        np.testing.assert_array_equal(read.volume.array, volume.array)
        assert read.notes == ()

    def test_copies_are_left_out(self, tmp_path, volume):
        paths = write_series(tmp_path, volume, SOPInstanceUID="1.2.3")
        for path in paths:
            path.with_suffix(".copy").write_bytes(path.read_bytes())
        read = read_volume(tmp_path)
        np.testing.assert_array_equal(read.volume.array, volume.array)
        assert any("duplicate" in note for note in read.notes)


class TestCompressed:
    def test_run_length_coding_is_decoded(self, tmp_path, volume):
        for path in write_series(tmp_path, volume, RescaleSlope="0.5", RescaleIntercept="2"):
            header = pydicom.dcmread(path)
            header.compress(pydicom.uid.RLELossless)
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


class TestChannels:
    @pytest.mark.parametrize(
        ("water", "fat"), [("W", "F"), ("WATER", "FAT")], ids=["Philips", "Siemens and GE"]
    )
    def test_each_takes_its_own_image_of_one_series(self, tmp_path, volume, water, fat):
        uid = pydicom.uid.generate_uid()
        for number, kind in enumerate((water, "IP", "OP", fat)):
            write_series(
                tmp_path, volume.with_array(volume.array + number), uid=uid, prefix=kind,
                ImageType=["DERIVED", "PRIMARY", "DIXON", kind],
            )  # fmt: skip
        images = read_channels({"water": tmp_path, "fat": tmp_path}).images
        np.testing.assert_array_equal(images["water"].array, volume.array)
        np.testing.assert_array_equal(images["fat"].array, volume.array + 3)

    def test_one_image_is_not_taken_twice(self, tmp_path, volume):
        write_series(tmp_path, volume)
        with pytest.raises(MuscleFMError, match="are the same image"):
            read_channels({"water": tmp_path, "fat": tmp_path})


class TestWhatElseLiesThere:
    def test_localizers_and_other_objects_are_left_out_and_told(self, tmp_path, volume):
        write_series(tmp_path, volume)
        kind = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        write_series(tmp_path, volume, prefix="a", ImageType=kind, SeriesNumber=1)
        write_series(tmp_path, volume, prefix="b", Modality="SEG", SeriesNumber=9)
        read = read_volume(tmp_path)
        np.testing.assert_array_equal(read.volume.array, volume.array)
        assert any("2 other series" in note for note in read.notes)

    @pytest.mark.parametrize(
        "lost",
        [
            {"ImagePositionPatient": None},
            {"ImagePositionPatient": [0.0, 0.0, float("nan")]},
            {"PixelSpacing": [float("nan"), 1.0]},
        ],
    )
    def test_a_slice_without_position_or_spacing_is_never_dropped(self, tmp_path, volume, lost):
        edit(write_series(tmp_path, volume)[-1], **lost)
        with pytest.raises(MuscleFMError, match="without a position or spacing"):
            read_volume(tmp_path)

    def test_gaps_between_slices_are_told(self, tmp_path, volume):
        write_series(tmp_path / "thin", volume, SliceThickness=1)
        channels = read_channels({"image": tmp_path / "thin"})
        assert channels.has_gaps
        assert any("gaps between them" in note for note in channels.notes)
        write_series(tmp_path / "whole", volume)
        assert not read_channels({"image": tmp_path / "whole"}).has_gaps

    def test_a_name_in_a_coded_value_is_not_repeated(self, tmp_path, volume):
        for number, kind in enumerate(("DOE", "JANE")):
            write_series(
                tmp_path, volume.with_array(volume.array + number), uid="1.2.3", prefix=kind,
                ImageType=["ORIGINAL", "PRIMARY", kind], BodyPartExamined="DOE JANE",
                Modality="DOE",
            )  # fmt: skip
        told = " ".join(read_volume(tmp_path).notes)
        assert "another body part" in told
        assert "DOE" not in told and "JANE" not in told


class TestHostile:
    def test_links_in_a_circle_hide_no_slice(self, tmp_path, volume):
        write_series(tmp_path, volume)
        for name in ("0", "m", "z"):
            (tmp_path / name).symlink_to(name)
        (tmp_path / "up").symlink_to(tmp_path)
        np.testing.assert_array_equal(read_volume(tmp_path).volume.array, volume.array)

    def test_more_files_than_a_scan_has_are_refused(self, tmp_path, volume, monkeypatch):
        """The rest was passed over without a word."""
        monkeypatch.setattr("musclefm.volumes.dicom.files._MOST_FILES", 6)
        write_series(tmp_path, volume)
        with pytest.raises(MuscleFMError, match="more than 6 files"):
            read_volume(tmp_path)

    def test_a_deep_folder_ends_in_one_line(self, tmp_path):
        deep = tmp_path
        for _ in range(100):
            deep /= "d"
            deep.mkdir()
        with pytest.raises(MuscleFMError, match="holds no DICOM series"):
            read_volume(tmp_path)

    def test_damaged_compressed_pixels_are_refused(self, tmp_path, volume):
        (path,) = write_series(tmp_path, volume, order=[0])
        header = pydicom.dcmread(path)
        header.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
        header.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(200)])
        header["PixelData"].is_undefined_length = True
        header.save_as(path)
        with pytest.raises(MuscleFMError, match="truncated or its compression"):
            read_volume(tmp_path)
