"""DICOM: which series, which image of it, and every slice in its place."""

import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from made_dicom import NAME, edit, write_enhanced, write_series

from musclefm.errors import MuscleFMError
from musclefm.volumes.dicom.series import list_series
from musclefm.volumes.formats.decoded import SeriesChoice
from musclefm.volumes.reading import read_volume

MM = 1e-4
ECHO_TIMES = {"EchoTime": 10.9}


@pytest.fixture
def volume(oblique_volume):
    """Return whole intensities, as DICOM stores them."""
    return oblique_volume.with_array(np.rint(oblique_volume.array))


def assert_same(read, volume):
    """The voxels are the same and lie at the same place."""
    np.testing.assert_array_equal(read.volume.array, volume.array)
    np.testing.assert_allclose(read.volume.grid.ijk_to_lps, volume.grid.ijk_to_lps, rtol=0, atol=MM)


class TestOneSeries:
    @pytest.mark.parametrize("order", [range(7), range(6, -1, -1), (1, 3, 5, 0, 2, 4, 6)], ids=str)
    def test_slices_are_put_in_place_whatever_their_order(self, tmp_path, volume, order):
        write_series(tmp_path, volume, order=order)
        read = read_volume(tmp_path)
        assert_same(read, volume)
        assert read.modality == "MR"
        assert read.notes == ()

    def test_any_plane_agrees_with_itk(self, tmp_path, volume, stored_48_ways):
        for number, stored in enumerate(stored_48_ways(volume)):
            if number % 7 or min(stored.array.shape[1:]) < 16:
                continue
            folder = tmp_path / str(number)
            write_series(folder, stored)
            image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
            read = read_volume(folder)
            np.testing.assert_array_equal(read.volume.array, sitk.GetArrayFromImage(image))
            np.testing.assert_allclose(read.volume.grid.origin, image.GetOrigin(), atol=MM)
            np.testing.assert_allclose(read.volume.grid.spacing, image.GetSpacing(), atol=MM)
            np.testing.assert_allclose(read.volume.grid.direction, image.GetDirection(), atol=MM)

    def test_a_file_stands_for_its_series(self, tmp_path, volume):
        paths = write_series(tmp_path, volume)
        write_series(tmp_path, volume.with_array(volume.array + 1), prefix="other")
        assert_same(read_volume(paths[4]), volume)

    def test_a_file_alone_is_a_single_slice(self, tmp_path, volume):
        path = write_series(tmp_path / "all", volume)[2]
        alone = tmp_path / "alone.dcm"
        shutil.move(path, alone)
        read = read_volume(alone)
        assert read.volume.array.shape == (1, 17, 23)
        np.testing.assert_array_equal(read.volume.array[0], volume.array[2])
        np.testing.assert_allclose(
            read.volume.grid.ijk_to_lps @ (0, 0, 0, 1),
            volume.grid.ijk_to_lps @ (0, 0, 2, 1),
            atol=MM,
        )
        assert read.volume.grid.spacing[2] == pytest.approx(6.5)

    def test_rescaling_is_applied(self, tmp_path, volume):
        write_series(tmp_path, volume, RescaleSlope=2, RescaleIntercept=-100)
        read = read_volume(tmp_path)
        np.testing.assert_allclose(read.volume.array, 2 * volume.array - 100)

    def test_an_enhanced_file_holds_echoes_too(self, tmp_path, volume):
        second = volume.with_array(volume.array[::-1].copy())
        write_enhanced(tmp_path / "enhanced.dcm", {2.3: volume, 4.6: second})
        first = read_volume(tmp_path)
        assert_same(first, volume)
        assert "2 echoes at each of 7 positions" in first.notes[0]
        assert_same(read_volume(tmp_path, choice=SeriesChoice(echo=2)), second)


class TestSeveralImagesAtAPlace:
    def test_echoes_in_any_order_of_files(self, tmp_path, volume):
        uid = pydicom.uid.generate_uid()
        echoes = {}
        for echo, time in enumerate((32.7, 10.9, 21.8)):
            echoes[time] = volume.with_array(volume.array + echo)
            write_series(tmp_path, echoes[time], prefix=f"{echo}", uid=uid, EchoTime=time)
        read = read_volume(tmp_path)
        assert_same(read, echoes[10.9])
        assert read.notes == (
            "3 echoes at each of 7 positions of the image: the first, 10.9 ms, was taken;"
            " choose another with --echo N",
        )
        third = read_volume(tmp_path, choice=SeriesChoice(echo=3))
        assert_same(third, echoes[32.7])
        assert "number 3, 32.7 ms, was taken" in third.notes[0]
        with pytest.raises(MuscleFMError, match="--echo 1 to 3"):
            read_volume(tmp_path, choice=SeriesChoice(echo=4))

    def test_magnitude_comes_before_phase(self, tmp_path, volume):
        uid = pydicom.uid.generate_uid()
        phase = volume.with_array(volume.array[:, ::-1].copy())
        kinds = {"P": phase, "M": volume}
        for kind, image in kinds.items():
            image_type = ["ORIGINAL", "PRIMARY", kind, "ND"]
            write_series(tmp_path, image, prefix=kind, uid=uid, ImageType=image_type)
        read = read_volume(tmp_path)
        assert_same(read, volume)
        assert "2 image types" in read.notes[0]
        assert read.series[0].stacks == ("M ND", "P ND")

    def test_time_points_that_only_their_numbers_tell_apart(self, tmp_path, volume):
        uid = pydicom.uid.generate_uid()
        later = volume.with_array(volume.array + 7)
        write_series(tmp_path, later, prefix="a", uid=uid, AcquisitionNumber=2)
        write_series(tmp_path, volume, prefix="b", uid=uid, AcquisitionNumber=1)
        read = read_volume(tmp_path)
        assert_same(read, volume)
        assert "2 time points" in read.notes[0]
        assert_same(read_volume(tmp_path, choice=SeriesChoice(echo=2)), later)

    def test_an_image_without_what_the_others_have_is_named(self, tmp_path, volume):
        uid = pydicom.uid.generate_uid()
        weighted = volume.with_array(volume.array + 5)
        write_series(tmp_path, weighted, prefix="a", uid=uid, DiffusionBValue=500.0)
        write_series(tmp_path, volume, prefix="b", uid=uid)
        read = read_volume(tmp_path)
        assert_same(read, volume)
        assert "2 b-values" in read.notes[0]
        assert read.series[0].stacks == ("no b-value", "b 500 s/mm²")

    def test_what_differs_from_slice_to_slice_is_no_further_image(self, tmp_path, volume):
        write_series(tmp_path, volume, InversionTime=lambda k: 100.0 + k)
        read = read_volume(tmp_path)
        assert_same(read, volume)
        assert read.notes == ()


class TestGapsAndDuplicates:
    def test_a_missing_slice_leaves_a_gap_and_moves_nothing(self, tmp_path, volume):
        paths = write_series(tmp_path, volume)
        paths[2].unlink()
        read = read_volume(tmp_path)
        expected = volume.array.copy()
        expected[2] = expected[[0, 1, 3, 4, 5, 6]].min()
        assert_same(read, volume.with_array(expected))
        assert "1 slice missing (number 3)" in read.notes[0]

    def test_copies_are_left_out(self, tmp_path, volume):
        paths = write_series(tmp_path, volume)
        shutil.copy(paths[3], tmp_path / "copy.dcm")
        shutil.copy(paths[5], tmp_path / "resent.dcm")
        edit(tmp_path / "resent.dcm", SOPInstanceUID=pydicom.uid.generate_uid())
        read = read_volume(tmp_path)
        assert_same(read, volume)
        assert read.notes == ("2 duplicate slices of the image left out",)

    def test_uneven_distances_are_refused(self, tmp_path, volume):
        paths = write_series(tmp_path, volume)
        shift_slice(paths[3], volume, along=2.0)
        with pytest.raises(MuscleFMError, match="irregular distances"):
            read_volume(tmp_path)

    def test_a_little_unevenness_is_reported(self, tmp_path, volume):
        paths = write_series(tmp_path, volume)
        shift_slice(paths[3], volume, along=0.2)
        read = read_volume(tmp_path)
        np.testing.assert_array_equal(read.volume.array, volume.array)
        assert "mm off even distances" in read.notes[0]

    def test_a_sheared_stack_is_refused(self, tmp_path, volume):
        for k, path in enumerate(write_series(tmp_path, volume)):
            shift_slice(path, volume, aside=1.5 * k)
        with pytest.raises(MuscleFMError, match="shifted against one another"):
            read_volume(tmp_path)


def shift_slice(path, volume, along=0.0, aside=0.0):
    """Move a slice along the normal of its stack, or along its rows, in mm."""
    directions = np.reshape(volume.grid.direction, (3, 3))
    position = pydicom.dcmread(path).ImagePositionPatient
    moved = np.asarray(position, float) + along * directions[:, 2] + aside * directions[:, 0]
    edit(path, ImagePositionPatient=[float(f"{value:.10g}") for value in moved])


class TestFolders:
    def test_several_series_are_listed_and_chosen(self, tmp_path, volume):
        first = volume.with_array(volume.array + 1)
        write_series(tmp_path / "deep" / "er", volume, SeriesNumber=9)
        write_series(tmp_path, first, SeriesNumber=4)
        with pytest.raises(MuscleFMError) as raised:
            read_volume(tmp_path)
        assert "2 series (1: MR axial 23 x 17, 7 slices; 2: MR" in str(raised.value)
        assert "--series N" in str(raised.value)
        assert_same(read_volume(tmp_path, choice=SeriesChoice(series=1)), first)
        assert_same(read_volume(tmp_path, choice=SeriesChoice(series=2)), volume)
        with pytest.raises(MuscleFMError, match="--series 1 to 2"):
            read_volume(tmp_path, choice=SeriesChoice(series=3))
        assert [series.slices for series in list_series(tmp_path)] == [7, 7]

    def test_planes_of_one_series_are_series_of_their_own(self, tmp_path, volume, stored_48_ways):
        uid = pydicom.uid.generate_uid()
        planes = [stored for stored in stored_48_ways(volume) if min(stored.array.shape[1:]) >= 16]
        write_series(tmp_path, planes[0], prefix="a", uid=uid)
        write_series(tmp_path, planes[-1], prefix="b", uid=uid)
        with pytest.raises(MuscleFMError, match="2 series"):
            read_volume(tmp_path)

    def test_other_files_in_the_folder_do_not_matter(self, tmp_path, volume):
        write_series(tmp_path, volume)
        (tmp_path / "notes.txt").write_text("of a reader")
        (tmp_path / "empty.dcm").touch()
        assert_same(read_volume(tmp_path), volume)

    def test_a_folder_without_a_series(self, tmp_path):
        (tmp_path / "notes.txt").write_text("of a reader")
        with pytest.raises(MuscleFMError, match="no DICOM series"):
            read_volume(tmp_path)

    def test_a_screen_capture_has_no_place(self, tmp_path, volume):
        for path in write_series(tmp_path, volume):
            edit(path, ImagePositionPatient=None)
        with pytest.raises(MuscleFMError, match="no position in the patient"):
            read_volume(tmp_path)

    def test_truncated_pixels_are_refused(self, tmp_path, volume):
        path = write_series(tmp_path, volume)[1]
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(MuscleFMError, match="truncated"):
            read_volume(tmp_path)

    def test_a_file_cut_in_its_header_is_reported(self, tmp_path, volume):
        """Even the last one, which leaves no gap behind."""
        path = write_series(tmp_path, volume)[6]
        path.write_bytes(path.read_bytes()[:600])
        read = read_volume(tmp_path)
        assert read.volume.array.shape[0] == 6
        assert "1 DICOM file that cannot be read left out" in read.notes

    def test_colour_is_refused(self, tmp_path, volume):
        for path in write_series(tmp_path, volume):
            rgb = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}
            edit(path, **rgb, PlanarConfiguration=0, PixelData=bytes(3 * 2 * 17 * 23))
        with pytest.raises(MuscleFMError, match="colour"):
            read_volume(tmp_path)

    @pytest.mark.parametrize(
        ("attributes", "reported"),
        [
            ({"Modality": "CT"}, "is CT, while the models know only MR"),
            ({"BodyPartExamined": "HEAD"}, "names the body part HEAD: make sure it shows thighs"),
        ],
    )
    def test_another_modality_or_body_part_is_a_warning(
        self, tmp_path, volume, attributes, reported
    ):
        write_series(tmp_path, volume, **attributes)
        assert reported in read_volume(tmp_path).notes[0]

    @pytest.mark.parametrize("part", ["THIGH", "LEG", "UPPER LEG", "LOWER EXTREMITY"])
    def test_thighs_are_no_warning(self, tmp_path, volume, part):
        write_series(tmp_path, volume, BodyPartExamined=part)
        assert read_volume(tmp_path).notes == ()

    def test_nothing_names_the_patient(self, tmp_path, volume, capfd):
        folder = tmp_path / NAME
        paths = write_series(folder, volume, prefix=NAME, BodyPartExamined="HEAD")
        shutil.copy(paths[3], folder / f"{NAME} again.dcm")
        read = read_volume(folder)
        reported = [*read.notes, *map(repr, read.series), *map(str, read.series)]
        paths[0].write_bytes(paths[0].read_bytes()[:-100])
        with pytest.raises(MuscleFMError) as raised:
            read_volume(folder)
        reported += [str(raised.value), *capfd.readouterr()]
        assert not any(word in text for text in reported for word in ("Doe", "Jane", "4711"))
