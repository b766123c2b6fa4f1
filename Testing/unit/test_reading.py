"""Reading NIfTI, NRRD and MetaImage: the same as ITK where ITK is right, and no bad image."""

import gzip
import re
import struct

import numpy as np
import pytest
import SimpleITK as sitk

from musclefm.errors import MuscleFMError
from musclefm.volumes.decoded import SeriesChoice
from musclefm.volumes.reading import read_volume
from musclefm.volumes.writing import write_volume

FORMATS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
ONE_FILE = (".nii", ".nii.gz", ".nrrd", ".mha")
PATIENT = "jane-doe"

# Where fields lie in a NIfTI-1 header, and their types (nifti1.h).
FIELDS = {
    "dim": (40, "8h"),
    "datatype": (70, "h"),
    "pixdim": (76, "8f"),
    "vox_offset": (108, "f"),
    "scl_slope": (112, "f"),
    "scl_inter": (116, "f"),
    "xyzt_units": (123, "B"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    "srow": (280, "12f"),
}


def itk_image(volume):
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing)
    image.SetOrigin(volume.grid.origin)
    image.SetDirection(volume.grid.direction)
    return image


def assert_as_itk_reads(path, atol=1e-4):
    read, image = read_volume(path).volume, sitk.ReadImage(str(path))
    np.testing.assert_allclose(read.array, sitk.GetArrayFromImage(image), rtol=1e-6)
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    np.testing.assert_allclose(read.grid.ijk_to_lps, matrix, rtol=0, atol=atol)
    return read


def edit_nifti(path, **fields):
    content = bytearray(path.read_bytes())
    for name, values in fields.items():
        offset, kind = FIELDS[name]
        struct.pack_into(f"<{kind}", content, offset, *np.atleast_1d(values))
    path.write_bytes(content)


def refusal(path, choice=None):
    """Return the one line that refuses an image, which never names the file."""
    with pytest.raises(MuscleFMError) as raised:
        read_volume(path, choice=choice)
    message = str(raised.value)
    assert "\n" not in message
    assert PATIENT not in message
    assert re.fullmatch(r"[^:]+.*: .{5,}", message)
    return message


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
        for offset, kind in [(0, "i"), *FIELDS.values(), (256, "6f")]:
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

    def test_contradicting_matrices_are_told(self, tmp_path, oblique_volume):
        path = tmp_path / "volume.nii"
        write_volume(oblique_volume, path)
        other = oblique_volume.grid.ijk_to_ras[:3] + [[0, 0, 0, 40]] * 3
        edit_nifti(path, qform_code=1, sform_code=4, srow=other.ravel())
        assert "up to 69 mm apart: the qform was taken" in read_volume(path).notes[0]

    @pytest.mark.parametrize("ending", [".nii", ".nrrd"])
    def test_a_header_without_a_place_in_the_patient_is_told(
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
    def test_a_little_is_set_right_and_told(self, sheared, oblique_volume, ending):
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
        assert "holds 3 volumes: choose one with --echo 1 to 3" in refusal(path)
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


class TestBadFiles:
    def test_missing(self, tmp_path):
        assert refusal(tmp_path / f"{PATIENT}.nii.gz") == "the image does not exist: check the path"

    @pytest.mark.parametrize("ending", (*FORMATS, ".dcm", ".png"))
    def test_empty(self, tmp_path, ending):
        path = tmp_path / f"{PATIENT}{ending}"
        path.touch()
        assert "is an empty file" in refusal(path)

    @pytest.mark.parametrize("ending", (*FORMATS, ".dcm", ".txt", ""))
    def test_text_instead_of_an_image(self, tmp_path, ending, capfd):
        path = tmp_path / f"{PATIENT}{ending}"
        path.write_text("This is no image.\n" * 100)
        assert refusal(path)
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("ending", ONE_FILE)
    @pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
    def test_truncated(self, tmp_path, oblique_volume, ending, share, capfd):
        path = tmp_path / f"{PATIENT}{ending}"
        write_volume(oblique_volume, path)
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        assert re.search("truncated|damaged or incomplete", refusal(path))
        assert capfd.readouterr() == ("", "")

    def test_truncated_before_it_was_zipped(self, tmp_path, oblique_volume):
        write_volume(oblique_volume, tmp_path / "volume.nii")
        content = (tmp_path / "volume.nii").read_bytes()
        path = tmp_path / f"{PATIENT}.nii.gz"
        path.write_bytes(gzip.compress(content[: len(content) // 2]))
        assert re.search(r"truncated \(4\d % of its voxels", refusal(path))

    def test_flipped_bits_in_a_zipped_file(self, tmp_path, oblique_volume):
        path = tmp_path / f"{PATIENT}.nii.gz"
        write_volume(oblique_volume, path)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
        assert "damaged" in refusal(path)

    @pytest.mark.parametrize("ending", [".nhdr", ".mhd"])
    def test_header_without_its_data(self, tmp_path, oblique_volume, ending, capfd):
        path = tmp_path / f"{PATIENT}{ending}"
        sitk.WriteImage(itk_image(oblique_volume), str(path))
        for data in set(tmp_path.iterdir()) - {path}:
            data.unlink()
        assert "damaged or incomplete" in refusal(path)
        assert capfd.readouterr() == ("", "")

    def test_nifti_2_and_pairs_are_told(self, tmp_path, oblique_volume):
        path = tmp_path / f"{PATIENT}.nii"
        write_volume(oblique_volume, path)
        content = bytearray(path.read_bytes())
        content[:4] = struct.pack("<i", 540)
        path.write_bytes(content)
        assert "not a NIfTI-1 file" in refusal(path)


class TestBadImages:
    @pytest.mark.parametrize("ending", ONE_FILE)
    def test_colour_and_complex(self, tmp_path, oblique_volume, ending):
        colour = np.repeat(oblique_volume.array.astype(np.uint8)[..., None], 3, axis=3)
        images = [
            sitk.GetImageFromArray(colour, isVector=True),
            sitk.GetImageFromArray(oblique_volume.array.astype(np.complex64)),
        ]
        for image in images:
            path = tmp_path / f"{PATIENT}{ending}"
            sitk.WriteImage(image, str(path))
            assert "several values a voxel" in refusal(path)

    @pytest.mark.parametrize("ending", ONE_FILE)
    @pytest.mark.parametrize("size", [(1, 1, 1), (40, 1, 1), (1, 40, 5), (15, 15, 60)], ids=str)
    def test_a_pixel_or_a_row_is_no_image(self, tmp_path, ending, size):
        path = tmp_path / f"{PATIENT}{ending}"
        sitk.WriteImage(sitk.GetImageFromArray(np.arange(np.prod(size)).reshape(size) * 1.0), path)
        assert "voxels: give an image of at least 16 x 16" in refusal(path)

    def test_a_header_that_claims_too_much(self, tmp_path, oblique_volume):
        path = tmp_path / f"{PATIENT}.nii"
        write_volume(oblique_volume, path)
        edit_nifti(path, dim=(3, 32000, 32000, 32000, 1, 1, 1, 1))
        assert "claims 32000 x 32000 x 32000 voxels" in refusal(path)
        edit_nifti(path, dim=(3, 32000, -5, 10, 1, 1, 1, 1))
        assert "damaged" in refusal(path)

    @pytest.mark.parametrize("ending", ONE_FILE)
    @pytest.mark.parametrize("value", [0.0, 250.0])
    def test_constant(self, tmp_path, oblique_volume, ending, value):
        path = tmp_path / f"{PATIENT}{ending}"
        write_volume(oblique_volume.with_array(np.full_like(oblique_volume.array, value)), path)
        assert f"is constant, every voxel is {value:g}" in refusal(path)

    @pytest.mark.parametrize("spacing", [0.0, -1.3, 1e-4, 4000.0])
    @pytest.mark.parametrize("ending", [".nii", ".nrrd", ".mha"])
    def test_zero_negative_and_absurd_spacing(self, tmp_path, oblique_volume, ending, spacing):
        path = tmp_path / f"{PATIENT}{ending}"
        write_volume(oblique_volume, path)
        if ending == ".nii":
            edit_nifti(path, pixdim=(1, 0.9, spacing, 6.5, 0, 0, 0, 0), sform_code=0)
        else:
            separator = b"\n\n" if ending == ".nrrd" else b"LOCAL\n"
            header, data = path.read_bytes().split(separator, 1)
            if ending == ".nrrd":
                header = re.sub(rb"space.*\n?", b"", header) + b"spacings: 1 %g 6" % spacing
            header = re.sub(
                rb"ElementSpacing =.*", f"ElementSpacing = 1 {spacing} 6".encode(), header
            )
            path.write_bytes(header + separator + data)
        message = refusal(path)
        assert "spacing" in message or (ending == ".nrrd" and spacing == 0)

    @pytest.mark.parametrize("ending", [".nii", ".nrrd", ".mha"])
    def test_parallel_axes(self, tmp_path, oblique_volume, ending):
        path = tmp_path / f"{PATIENT}{ending}"
        write_volume(oblique_volume, path)
        content = path.read_bytes()
        if ending == ".nii":
            edit_nifti(path, qform_code=0, srow=(1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0))
        elif ending == ".nrrd":
            header, data = content.split(b"\n\n", 1)
            header = re.sub(rb"(space directions:).*", rb"\1 (1,0,0) (1,0,0) (0,0,5)", header)
            path.write_bytes(header + b"\n\n" + data)
        else:
            path.write_bytes(re.sub(rb"(Matrix =).*", rb"\1 1 0 0 1 0 0 0 0 1", content, count=1))
        assert "parallel axes" in refusal(path)

    def test_a_place_that_is_not_a_number(self, tmp_path, oblique_volume):
        path = tmp_path / f"{PATIENT}.nii"
        write_volume(oblique_volume, path)
        edit_nifti(path, srow=[float("nan")] * 12)
        assert read_volume(path).volume.grid.matches(oblique_volume.grid, tolerance_mm=1e-3)
        edit_nifti(path, qform_code=0)
        assert "left and right may be swapped" in read_volume(path).notes[0]


class TestNotFinite:
    @pytest.fixture
    def leg(self, oblique_volume):
        """Return a bright disc in dark noise on every slice."""
        rows, columns = np.indices(oblique_volume.array.shape[1:])
        disc = (rows - 8) ** 2 + (columns - 11) ** 2 < 36
        noise = oblique_volume.array / oblique_volume.array.max()
        return oblique_volume.with_array((noise + 200 * disc).astype(np.float32))

    @pytest.mark.parametrize("ending", ONE_FILE)
    @pytest.mark.parametrize(("value", "told"), [(np.nan, "NaN"), (np.inf, "infinite")])
    def test_inside_the_body_it_is_refused(self, tmp_path, leg, ending, value, told):
        leg.array[3, 8, 11] = value
        write_volume(leg, tmp_path / f"{PATIENT}{ending}")
        assert f"1 {told} voxel" in refusal(tmp_path / f"{PATIENT}{ending}")

    @pytest.mark.parametrize("ending", ONE_FILE)
    def test_nan_around_the_body_becomes_zero(self, tmp_path, leg, ending):
        outside = leg.array < 100
        leg.array[outside] = np.nan
        write_volume(leg, tmp_path / f"volume{ending}")
        read = read_volume(tmp_path / f"volume{ending}").volume
        assert (read.array[outside] == 0).all()
        np.testing.assert_array_equal(read.array[~outside], leg.array[~outside])

    def test_nan_scattered_in_air_becomes_zero(self, tmp_path, leg, stored_48_ways):
        """As where a map was divided by no signal, on slices of any orientation."""
        leg.array[2, 2, 3] = leg.array[5, 14, 20] = np.nan
        for stored in list(stored_48_ways(leg))[::5]:
            write_volume(stored, tmp_path / "volume.nii.gz")
            array = read_volume(tmp_path / "volume.nii.gz").volume.array
            assert (array[np.isnan(stored.array)] == 0).all()

    def test_nan_in_the_body_of_the_last_slice_is_inside(self, tmp_path, leg, stored_48_ways):
        leg.array[-1, 8, 11] = np.nan
        for stored in list(stored_48_ways(leg))[::5]:
            write_volume(stored, tmp_path / f"{PATIENT}.nii.gz")
            assert "inside the body" in refusal(tmp_path / f"{PATIENT}.nii.gz")

    def test_nothing_but_nan(self, tmp_path, leg):
        leg.array[:] = np.nan
        write_volume(leg, tmp_path / f"{PATIENT}.nii.gz")
        assert "every voxel" in refusal(tmp_path / f"{PATIENT}.nii.gz")


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
