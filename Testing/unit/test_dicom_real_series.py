"""Real DICOM series of a scanner: echoes in one series, and mosaics."""

import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from musclefm.errors import MuscleFMError
from musclefm.volumes.dicom.series import list_series
from musclefm.volumes.formats.decoded import SeriesChoice
from musclefm.volumes.reading import read_volume

MM = 1e-4


class TestRealSeries:
    """The MESE series: 17 echoes at each of 7 positions, 40 mm apart, in one series."""

    @pytest.fixture
    def mese(self, shared):
        return shared / "scans" / "thigh-mese-dicom"

    def test_first_echo_by_default_and_any_other_by_choice(self, mese):
        headers = {
            path: pydicom.dcmread(path, stop_before_pixels=True) for path in mese.glob("*.dcm")
        }
        times = sorted({float(header.EchoTime) for header in headers.values()})
        assert len(times) == 17
        for choice, time in ((None, times[0]), (SeriesChoice(echo=9), times[8])):
            echo = [path for path, header in headers.items() if header.EchoTime == time]
            echo.sort(key=lambda path: headers[path].ImagePositionPatient[2])
            image = sitk.ReadImage([str(path) for path in echo])
            read = read_volume(mese, choice=choice)
            np.testing.assert_array_equal(read.volume.array, sitk.GetArrayFromImage(image))
            np.testing.assert_allclose(read.volume.grid.origin, image.GetOrigin(), atol=MM)
            np.testing.assert_allclose(read.volume.grid.spacing, image.GetSpacing(), atol=MM)
            assert "17 echoes at each of 7 positions of the image: " in read.notes[0]
        assert read.series[0].slices == 7
        assert "10 mm thick and lie 40 mm apart" in read.notes[1]
        assert "names the body part CALF" in read.notes[2]

    def test_a_lost_slice_of_the_echo_stays_a_gap(self, mese, tmp_path):
        lost = 3
        for path in sorted(mese.glob("*.dcm"))[:14]:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            if (header.EchoNumbers, header.InstanceNumber) != (1, lost + 1):
                shutil.copy(path, tmp_path)
        whole, gap = read_volume(mese), read_volume(tmp_path)
        assert gap.volume.grid.matches(whole.volume.grid)
        rest = [k for k in range(7) if k != lost]
        np.testing.assert_array_equal(gap.volume.array[rest], whole.volume.array[rest])
        assert not gap.volume.array[lost].any()
        assert any("number 4" in note for note in gap.notes)


class TestMosaics:
    """The orientation series: every file is a mosaic of a whole volume."""

    @pytest.fixture
    def series(self, shared):
        return shared / "dicom-robustness" / "orientation"

    def test_agrees_with_a_conversion_by_others(self, series):
        """The NIfTI file beside the series holds the same two volumes, rows bottom up."""
        image = sitk.ReadImage(str(series / "ax" / "axasc35" / "6_ax_asc_35sl.nii"))
        for number in (1, 2):
            expected = sitk.DICOMOrient(image[:, :, :, number - 1], "LPS")
            read = read_volume(series / "ax" / "axasc35", choice=SeriesChoice(echo=number))
            np.testing.assert_array_equal(read.volume.array, sitk.GetArrayFromImage(expected))
            np.testing.assert_allclose(read.volume.grid.origin, expected.GetOrigin(), atol=0.01)
            np.testing.assert_allclose(read.volume.grid.spacing, expected.GetSpacing(), atol=1e-3)
            np.testing.assert_allclose(
                read.volume.grid.direction, expected.GetDirection(), atol=1e-4
            )

    def test_each_folder_of_the_dataset_is_a_series(self, series):
        found = list_series(series / "cor")
        assert {(each.plane, each.columns, each.rows) for each in found} == {("coronal", 64, 64)}
        assert sorted(each.slices for each in found) == [35, 35, 35, 36, 36, 36]
        assert all(each.kind == "time points" for each in found)

    def test_a_mosaic_without_its_private_attributes_is_no_single_slice(self, series, tmp_path):
        for path in (series / "ax" / "axasc36").iterdir():
            header = pydicom.dcmread(path)
            header.remove_private_tags()
            header.save_as(tmp_path / path.name)
        with pytest.raises(MuscleFMError, match="Siemens mosaic"):
            read_volume(tmp_path)
