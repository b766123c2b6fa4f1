"""Bad images: each is refused in one line that names no patient, and nothing else is said."""

import gzip
import re

import numpy as np
import pytest
import SimpleITK as sitk
from image_files import FORMATS, ONE_FILE, PATIENT, edit_nifti, itk_image, refusal

from musclefm.volumes.reading import read_volume
from musclefm.volumes.writing import write_volume


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
    @pytest.mark.parametrize(("value", "reported"), [(np.nan, "NaN"), (np.inf, "infinite")])
    def test_inside_the_body_it_is_refused(self, tmp_path, leg, ending, value, reported):
        leg.array[3, 8, 11] = value
        write_volume(leg, tmp_path / f"{PATIENT}{ending}")
        assert f"1 {reported} voxel" in refusal(tmp_path / f"{PATIENT}{ending}")

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
