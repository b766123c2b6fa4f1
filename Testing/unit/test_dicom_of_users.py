"""DICOM as users have it: each kind is read right, or refused in one line."""

import sys
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from made_dicom import (
    edit,
    strip_meta,
    strip_preamble,
    write_document,
    write_series,
)

from musclefm.errors import MuscleFMError
from musclefm.exchange.dicom_seg import write_dicom_segmentation
from musclefm.exchange.parametric_map import write_parametric_map
from musclefm.exchange.source_series import find_source_series
from musclefm.labels.scheme import load_scheme
from musclefm.volumes.channels import read_channels
from musclefm.volumes.dicom import pixels as dicom_pixels
from musclefm.volumes.grid import Grid
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume


@pytest.fixture
def volume(oblique_volume):
    """Return whole intensities, as DICOM stores them."""
    return oblique_volume.with_array(np.rint(oblique_volume.array))


class TestPatientPositions:
    @pytest.mark.parametrize(
        ("position", "rows", "columns"),
        [
            ("HFS", (1, 0, 0), (0, 1, 0)), ("HFP", (-1, 0, 0), (0, -1, 0)),
            ("FFS", (-1, 0, 0), (0, 1, 0)), ("FFP", (1, 0, 0), (0, -1, 0)),
            ("FFDR", (0, 1, 0), (1, 0, 0)), ("HFDL", (0, -1, 0), (1, 0, 0)),
        ],
    )  # fmt: skip
    def test_what_is_bright_lies_where_it_is_in_the_patient(
        self, tmp_path, position, rows, columns
    ):
        places = [(60.0, 5.0, -20.0), (-35.0, -15.0, 12.0)]
        direction = np.column_stack([rows, columns, np.cross(rows, columns)])
        grid = Grid((9, 40, 44), (4.0, 4.0, 8.0), (0.0, 0.0, 0.0), tuple(direction.ravel()))
        middle = (grid.ijk_to_lps @ (22, 20, 4, 1))[:3]
        grid = replace(grid, origin=tuple((-middle).tolist()))
        array = np.full(grid.shape, 10, np.float32)
        for bright, place in zip((900, 700), places, strict=True):
            i, j, k = np.rint(np.linalg.solve(grid.ijk_to_lps, (*place, 1)))[:3].astype(int)
            array[k, j, i] = bright
        write_series(tmp_path, Volume(array, grid), PatientPosition=position)
        read = read_volume(tmp_path).volume
        for bright, place in zip((900, 700), places, strict=True):
            k, j, i = np.argwhere(read.array == bright)[0]
            assert np.abs((read.grid.ijk_to_lps @ (i, j, k, 1))[:3] - place).max() < 5


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


class TestChannels:
    @pytest.mark.parametrize(
        "image_types",
        [
            [f"DERIVED/PRIMARY/{kind}/{kind}/DERIVED" for kind in ("W", "F", "IP", "OP")],
            [f"ORIGINAL/PRIMARY/{kind}" for kind in ("W_FFE/W", "F_FFE/F", "IP_FFE/IP", "OP")],
            [f"DERIVED/PRIMARY/M/DIXON/{kind}/ND" for kind in
             ("WATER", "FAT", "IN_PHASE", "OPP_PHASE")],
            [f"DERIVED/PRIMARY/DIXON/{kind}" for kind in
             ("WATER", "FAT", "IN_PHASE", "OUT_PHASE")],
            [f"DERIVED/PRIMARY/DIXON/{kind}/NORM" for kind in ("Water", "Fat", "IP", "OP")],
        ],
        ids=["Philips", "Philips by sequence", "Siemens", "GE", "mixed case"],
    )  # fmt: skip
    @pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
    def test_each_takes_its_own_image_of_one_series(self, tmp_path, volume, image_types):
        uid = pydicom.uid.generate_uid()
        for number, kind in enumerate(image_types):
            write_series(
                tmp_path, volume.with_array(volume.array + number), uid=uid, prefix=f"{number}-",
                ImageType=kind.split("/"),
            )  # fmt: skip
        names = ("water", "fat", "in-phase", "out-of-phase")
        images = read_channels(dict.fromkeys(names, tmp_path)).images
        for number, name in enumerate(names):
            np.testing.assert_array_equal(images[name].array, volume.array + number)

    def test_one_image_is_not_taken_twice(self, tmp_path, volume):
        write_series(tmp_path, volume)
        with pytest.raises(MuscleFMError, match="are the same image"):
            read_channels({"water": tmp_path, "fat": tmp_path})


class TestWhatElseLiesThere:
    def test_localizers_and_other_objects_are_left_out_and_reported(self, tmp_path, volume):
        write_series(tmp_path, volume)
        kind = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        write_series(tmp_path, volume, prefix="a", ImageType=kind, SeriesNumber=1)
        write_series(tmp_path, volume, prefix="b", Modality="SEG", SeriesNumber=9)
        read = read_volume(tmp_path)
        np.testing.assert_array_equal(read.volume.array, volume.array)
        assert any("2 other series" in note for note in read.notes)

    def test_a_segmentation_a_map_a_report_and_a_document_are_left_out(self, tmp_path, volume):
        folder = tmp_path / "scan"
        write_series(folder, volume, FrameOfReferenceUID="1.2.3")
        source = find_source_series(folder)
        labels = np.zeros(volume.array.shape, np.uint8)
        labels[:, 4:9, 5:9] = 3
        for number in range(2):
            write_dicom_segmentation(
                folder / f"{number}.dcm", volume.with_array(labels), load_scheme("thigh-12"), source
            )
        halves = volume.with_array(np.full(volume.array.shape, np.float32(0.5)))
        write_parametric_map(folder / "map.dcm", halves, source)
        for kind in ("BasicTextSRStorage", "EncapsulatedPDFStorage"):
            write_document(folder / kind, getattr(pydicom.uid, kind), source.instances[0])
        read = read_volume(folder)
        np.testing.assert_array_equal(read.volume.array, volume.array)
        assert any("3 other series" in note for note in read.notes)

    @pytest.mark.parametrize("which", [0, 3, -1], ids=["first", "middle", "last"])
    @pytest.mark.parametrize(
        "lost",
        [
            {"ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, float("nan"), 0.0]},
            {"ImagePositionPatient": [0.0, float("inf"), 0.0]},
            {"PixelSpacing": [0.0, 1.0]},
            {"RescaleSlope": float("nan"), "RescaleIntercept": 0.0},
            {"RescaleSlope": 1.0, "RescaleIntercept": float("inf")},
            {"ImagePositionPatient": None},
            {"ImagePositionPatient": [0.0, 0.0, float("nan")]},
            {"PixelSpacing": [float("nan"), 1.0]},
        ],
    )
    def test_a_slice_without_position_or_spacing_is_never_dropped(
        self, tmp_path, volume, lost, which
    ):
        edit(write_series(tmp_path, volume)[which], **lost)
        with pytest.raises(MuscleFMError, match="without a position, spacing or"):
            read_volume(tmp_path)

    def test_gaps_between_slices_are_reported(self, tmp_path, volume):
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
        reported = " ".join(read_volume(tmp_path).notes)
        assert "another body part" in reported
        assert "DOE" not in reported and "JANE" not in reported


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


def test_no_second_slicer_is_started_to_read_compressed_images(monkeypatch):
    monkeypatch.setattr(dicom_pixels.shutil, "which", lambda name: None)
    assert dicom_pixels._python() == sys.executable
    for running in ("/opt/Slicer with python/bin/SlicerApp-real", ""):
        monkeypatch.setattr(dicom_pixels.sys, "executable", running)
        with pytest.raises(MuscleFMError, match="another Python"):
            dicom_pixels._python()
    monkeypatch.setattr(dicom_pixels.shutil, "which", lambda name: f"/opt/Slicer/bin/{name}")
    assert dicom_pixels._python() == "/opt/Slicer/bin/PythonSlicer"
