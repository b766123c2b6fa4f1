"""Reading NIfTI, NRRD and MetaImage: the same as ITK where ITK is right."""

import re
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from image_files import FIELDS, FORMATS, ONE_FILE, PATIENT, edit_nifti, itk_image, refusal

from musclefm.volumes.formats.decoded import SeriesChoice
from musclefm.volumes.reading import read_volume
from musclefm.volumes.writing import write_volume


def assert_as_itk_reads(path, atol=1e-4):
    read, image = read_volume(path).volume, sitk.ReadImage(str(path))
    np.testing.assert_allclose(read.array, sitk.GetArrayFromImage(image), rtol=1e-6)
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    np.testing.assert_allclose(read.grid.ijk_to_lps, matrix, rtol=0, atol=atol)
    return read


class TestFormats:
    @pytest.mark.parametrize("ending", FORMATS)
    @pytest.mark.parametrize("compressed", [False, True])
    def test_any_order_and_direction(
        self, tmp_path, oblique_volume, stored_48_ways, ending, compressed
    ):
        path = tmp_path / f"volume{ending}"
        for stored in list(stored_48_ways(oblique_volume))[::5]:
            sitk.WriteImage(itk_image(stored), str(path), compressed)
            read = assert_as_itk_reads(path)
            np.testing.assert_array_equal(read.array, stored.array)
            assert read.grid.matches(stored.grid, tolerance_mm=1e-3)

    @pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
    def test_nifti_of_every_type_scaled_or_not(self, tmp_path, oblique_volume, kind):
        path = tmp_path / "volume.nii"
        write_volume(oblique_volume.with_array(oblique_volume.array.astype(kind)), path)
        assert_as_itk_reads(path)
        edit_nifti(path, scl_slope=0.25, scl_inter=-7.5)
        assert_as_itk_reads(path)
        edit_nifti(path, scl_slope=0.0)  # means: not scaled
        assert_as_itk_reads(path)

    def test_big_endian_nifti(self, tmp_path, oblique_volume):
        path = tmp_path / "volume.nii"
        write_volume(oblique_volume, path)
        content = bytearray(path.read_bytes())
        for offset, kind in [(0, "i"), *FIELDS.values()]:
            values = struct.unpack_from(f"<{kind}", content, offset)
            struct.pack_into(f">{kind}", content, offset, *values)
        content[352:] = oblique_volume.array.astype(">f4").tobytes()
        path.write_bytes(content)
        assert_as_itk_reads(path)

    def test_nifti_in_micrometres(self, tmp_path, oblique_volume):
        path = tmp_path / "volume.nii"
        write_volume(oblique_volume, path)
        content = path.read_bytes()
        pixdim = struct.unpack_from("<8f", content, 76)
        srow = struct.unpack_from("<12f", content, 280)
        edit_nifti(
            path,
            xyzt_units=3,
            pixdim=(pixdim[0], *(1000 * value for value in pixdim[1:])),
            srow=[1000 * value for value in srow],
        )
        assert read_volume(path).volume.grid.matches(oblique_volume.grid, tolerance_mm=1e-2)

    def test_nifti_zipped_without_saying_so(self, tmp_path, oblique_volume):
        write_volume(oblique_volume, tmp_path / "volume.nii.gz")
        (tmp_path / "volume.nii.gz").rename(tmp_path / "volume.nii")
        read = read_volume(tmp_path / "volume.nii").volume
        np.testing.assert_array_equal(read.array, oblique_volume.array)

    @pytest.mark.parametrize("qform_code", [0, 1, 2])
    @pytest.mark.parametrize("sform_code", [0, 1, 2, 4])
    def test_the_matrix_that_itk_takes(self, tmp_path, oblique_volume, qform_code, sform_code):
        """sform and qform contradict each other; 3D Slicer shows ITK's choice."""
        path = tmp_path / "volume.nii"
        write_volume(oblique_volume, path)
        other = oblique_volume.grid.ijk_to_ras[:3] + [[0, 0, 0, 40]] * 3
        edit_nifti(path, qform_code=qform_code, sform_code=sform_code, srow=other.ravel())
        assert_as_itk_reads(path)

    def test_contradicting_matrices_are_reported(self, tmp_path, oblique_volume):
        path = tmp_path / "volume.nii"
        write_volume(oblique_volume, path)
        other = oblique_volume.grid.ijk_to_ras[:3] + [[0, 0, 0, 40]] * 3
        edit_nifti(path, qform_code=1, sform_code=4, srow=other.ravel())
        assert "up to 69 mm apart: the qform was taken" in read_volume(path).notes[0]

    @pytest.mark.parametrize("ending", [".nii", ".nrrd"])
    def test_a_header_without_a_place_in_the_patient_is_reported(
        self, tmp_path, oblique_volume, ending
    ):
        path = tmp_path / f"volume{ending}"
        write_volume(oblique_volume, path)
        if ending == ".nii":
            edit_nifti(path, qform_code=0, sform_code=0)
        else:
            header, data = path.read_bytes().split(b"\n\n", 1)
            header = re.sub(rb"space.*\n?", b"", header) + b"spacings: 0.9 1.3 6.5"
            path.write_bytes(header + b"\n\n" + data)
        read = read_volume(path)
        assert "left and right may be swapped" in read.notes[0]
        np.testing.assert_allclose(read.volume.grid.spacing, (0.9, 1.3, 6.5), rtol=1e-6)
        assert_as_itk_reads(path)

    def test_ct_without_a_modality_is_a_warning(self, tmp_path, oblique_volume):
        air = np.where(oblique_volume.array < 150, -1000, 40).astype(np.float32)
        write_volume(oblique_volume.with_array(air), tmp_path / "volume.nii.gz")
        assert "looks like CT" in read_volume(tmp_path / "volume.nii.gz").notes[0]

    def test_a_single_slice_is_an_image(self, tmp_path, oblique_volume):
        image = itk_image(oblique_volume)[:, :, 2:3]
        for ending in ONE_FILE:
            sitk.WriteImage(image, str(tmp_path / f"volume{ending}"))
            assert_as_itk_reads(tmp_path / f"volume{ending}")


class TestShear:
    @pytest.fixture
    def sheared(self, tmp_path, oblique_volume):
        """Return a function that writes a file whose rows lean by mm per row."""

        def write(ending, lean):
            path = tmp_path / f"{PATIENT}{ending}"
            write_volume(oblique_volume, path)
            matrix = oblique_volume.grid.ijk_to_ras
            if ending == ".nii":
                matrix[:3, 1] += lean * matrix[:3, 0] / oblique_volume.grid.spacing[0]
                edit_nifti(path, qform_code=0, srow=matrix[:3].ravel())
            else:
                lps = oblique_volume.grid.ijk_to_lps
                lps[:3, 1] += lean * lps[:3, 0] / oblique_volume.grid.spacing[0]
                header, data = path.read_bytes().split(b"\n\n", 1)
                vectors = " ".join(f"({','.join(map(repr, v))})" for v in lps.T[:3, :3].tolist())
                header = re.sub(rb"(space directions:).*", rb"\1 " + vectors.encode(), header)
                path.write_bytes(header + b"\n\n" + data)
            return path

        return write

    @pytest.mark.parametrize("ending", [".nii", ".nrrd"])
    def test_a_little_is_set_right_and_reported(self, sheared, oblique_volume, ending):
        read = read_volume(sheared(ending, 0.04))
        direction = np.reshape(read.volume.grid.direction, (3, 3))
        np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-12)
        assert read.volume.grid.matches(oblique_volume.grid, tolerance_mm=0.7)
        assert "set at right angles" in read.notes[0]
        np.testing.assert_array_equal(read.volume.array, oblique_volume.array)

    @pytest.mark.parametrize("ending", [".nii", ".nrrd"])
    def test_too_much_is_refused(self, sheared, ending):
        assert "not at right angles" in refusal(sheared(ending, 0.4))

    def test_rounding_passes_in_silence(self, sheared, oblique_volume):
        read = read_volume(sheared(".nii", 1e-6))
        assert read.notes == ()
        assert read.volume.grid.matches(oblique_volume.grid, tolerance_mm=1e-3)


class TestFourDimensions:
    @pytest.mark.parametrize("ending", ONE_FILE)
    def test_a_volume_is_chosen_by_number(self, tmp_path, oblique_volume, ending):
        volumes = [oblique_volume.with_array(oblique_volume.array + n) for n in range(3)]
        path = tmp_path / f"{PATIENT}{ending}"
        sitk.WriteImage(sitk.JoinSeries([itk_image(volume) for volume in volumes]), str(path))
        assert "holds 3 volumes: choose one of an image with --echo 1 to 3" in refusal(path)
        assert "--echo 1 to 3" in refusal(path, SeriesChoice(echo=4))
        read = read_volume(path, choice=SeriesChoice(echo=2))
        np.testing.assert_array_equal(read.volume.array, volumes[1].array)
        assert read.volume.grid.matches(oblique_volume.grid, tolerance_mm=1e-3)
        assert "number 2 was taken" in read.notes[0]

    def test_the_real_one(self, shared):
        path = shared / "scans" / "dixon" / "calf-4d-multiecho.nii.gz"
        assert "holds 18 volumes" in refusal(path)
        image = sitk.ReadImage(str(path))
        read = read_volume(path, choice=SeriesChoice(echo=18))
        np.testing.assert_array_equal(read.volume.array, sitk.GetArrayFromImage(image)[17])

    def test_a_choice_for_a_file_that_leaves_none(self, tmp_path, oblique_volume):
        path = tmp_path / f"{PATIENT}.nii.gz"
        write_volume(oblique_volume, path)
        assert "holds 1 volume" in refusal(path, SeriesChoice(echo=2))
        assert "leave out --series" in refusal(path, SeriesChoice(series=1))
        assert read_volume(path, choice=SeriesChoice(echo=1)).notes == ()


class TestHash:
    def test_it_is_that_of_the_content(self, tmp_path, oblique_volume):
        names = ("one.nii", "other.nii", "other.nii.gz")
        for name in names:
            write_volume(oblique_volume, tmp_path / name)
        assert len({read_volume(tmp_path / name).sha256 for name in names}) == 1

    def test_it_tells_voxels_and_places_apart(self, tmp_path, oblique_volume, stored_48_ways):
        brighter = oblique_volume.with_array(oblique_volume.array * 1.001)
        hashes = set()
        for volume in (brighter, *stored_48_ways(oblique_volume)):
            write_volume(volume, tmp_path / "volume.nrrd")
            hashes.add(read_volume(tmp_path / "volume.nrrd").sha256)
        assert len(hashes) == 49
