"""NIfTI headers of any making: where 3D Slicer shows the image, or a line that says otherwise."""

import gzip
import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from image_files import PATIENT, edit_nifti, refusal
from nibabel.quaternions import mat2quat

from musclefm.volumes.affine import largest_distance_mm
from musclefm.volumes.formats.decoded import SeriesChoice
from musclefm.volumes.reading import read_volume
from musclefm.volumes.writing import write_volume

RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def itk_matrix(path):
    image = sitk.ReadImage(str(path))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return matrix


def apart(read, path):
    return largest_distance_mm(
        read.volume.grid.ijk_to_lps, itk_matrix(path), read.volume.grid.shape
    )


@pytest.fixture
def nifti(tmp_path, oblique_volume):
    """Return a function that writes a volume and edits the header of the file."""

    def write(**fields):
        path = tmp_path / f"{PATIENT}.nii"
        write_volume(oblique_volume, path)
        edit_nifti(path, **fields)
        return path

    return write


def test_every_place_that_a_header_can_name_is_itks(nifti, oblique_volume):
    """Over codes, spacings and handedness that contradict one another."""
    ras = oblique_volume.grid.ijk_to_ras
    elsewhere = ras[:3] + [[0, 0, 0, 40]] * 3
    larger = ras[:3] * [1.3, 1.3, 1.3, 1]
    small = (0.9, 1.3, 6.5)
    for qform, sform, row, handed, spacing, units in itertools.product(
        (0, 1, 2), (0, 1, 2, 4), (ras[:3], elsewhere, larger), (1, 0, -1), (small, (1, 1, 1)), (2,)
    ):
        path = nifti(
            qform_code=qform,
            sform_code=sform,
            srow=row.ravel(),
            pixdim=(handed, *spacing, 0, 0, 0, 0),
            xyzt_units=units,
        )
        read = read_volume(path)
        assert apart(read, path) < 1e-3, (qform, sform, row, handed, spacing)


@pytest.mark.parametrize(("units", "factor"), [(1, 1e-3), (3, 1e3), (0, 1.0), (2 + 8, 1.0)])
def test_units_are_itks(nifti, oblique_volume, units, factor):
    ras = oblique_volume.grid.ijk_to_ras[:3]
    for qform, sform in ((1, 0), (0, 1), (1, 1)):
        path = nifti(
            xyzt_units=units,
            qform_code=qform,
            sform_code=sform,
            srow=(ras * factor).ravel(),
            qoffset=ras[:, 3] * factor,
            pixdim=(1, *(np.array((0.9, 1.3, 6.5)) * factor), 0, 0, 0, 0),
        )
        read = read_volume(path)
        assert apart(read, path) < 1e-2
        assert read.volume.grid.matches(oblique_volume.grid, tolerance_mm=1e-2)


def test_a_shear_beyond_rounding_leaves_the_qform_as_in_itk(nifti, oblique_volume):
    ras = oblique_volume.grid.ijk_to_ras
    moved = ras[:3] + [[0, 0, 0, 40]] * 3
    for shear in (0.0, 3e-5, 3e-4, 0.1):
        row = moved.copy()
        row[:, 1] += shear * ras[:3, 0] / 0.9 * 1.3
        path = nifti(qform_code=1, sform_code=1, srow=row.ravel())
        assert apart(read_volume(path), path) < 0.01, shear


def test_a_quaternion_of_more_than_one_is_itks(nifti, oblique_volume):
    turn = mat2quat(np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]]))[1:]
    for factor in (1, 1.0001, 1.5, 2):
        path = nifti(sform_code=0, quatern=turn * factor)
        assert apart(read_volume(path), path) < 1e-3


def test_two_spacings_are_reported_with_both(nifti):
    note = read_volume(nifti(pixdim=(1, 1, 1, 1, 0, 0, 0, 0))).notes[0]
    assert "1 x 1 x 1 mm (pixdim) and 0.9 x 1.3 x 6.5 mm (sform)" in note
    assert read_volume(nifti(pixdim=(1, 0.90001, 1.3, 6.5, 0, 0, 0, 0))).notes == ()


@pytest.mark.parametrize("bad", [0.0, -1.3, float("nan")])
@pytest.mark.parametrize(("qform", "sform"), [(0, 1), (1, 1), (1, 2)])
def test_a_good_sform_makes_up_for_a_spacing_that_is_none(nifti, oblique_volume, bad, qform, sform):
    read = read_volume(
        nifti(pixdim=(1, 0.9, bad, 6.5, 0, 0, 0, 0), qform_code=qform, sform_code=sform)
    )
    assert read.volume.grid.matches(oblique_volume.grid, tolerance_mm=1e-3)
    assert "not above zero" in read.notes[0]
    message = refusal(nifti(pixdim=(1, 0.9, bad, 6.5, 0, 0, 0, 0), qform_code=1, sform_code=0))
    assert "spacing of 0.9 x" in message


def test_an_sform_of_zeros_is_none(nifti):
    assert "left and right" in read_volume(nifti(qform_code=0, srow=[0] * 12)).notes[0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_scaling_that_is_no_number_says_nothing(nifti, oblique_volume, bad):
    for fields in ({"scl_slope": 2, "scl_inter": bad}, {"scl_slope": bad, "scl_inter": 7}):
        factor = 2 if fields["scl_slope"] == 2 else 1
        array = read_volume(nifti(**fields)).volume.array
        np.testing.assert_array_equal(array, oblique_volume.array * factor)


@pytest.fixture
def with_nibabel(tmp_path, oblique_volume):
    """Return a function that writes the volume with nibabel's class for a format."""

    def write(image_class, name, array=None):
        array = oblique_volume.array if array is None else array
        nibabel.save(image_class(array.T, oblique_volume.grid.ijk_to_ras), tmp_path / name)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("image_class", "names"),
    [
        (nibabel.Nifti2Image, ("scan.nii",)),
        (nibabel.Nifti2Image, ("scan.nii.gz",)),
        (nibabel.Nifti1Pair, ("scan.hdr", "scan.img")),
        (nibabel.Nifti1Pair, ("scan.hdr.gz", "scan.img.gz")),
        (nibabel.Nifti2Pair, ("scan.img", "scan.hdr")),
    ],
)
def test_nifti_2_and_pairs_are_read(with_nibabel, oblique_volume, image_class, names):
    with_nibabel(image_class, names[0])
    for name in names:
        read = read_volume(with_nibabel(image_class, names[0]).parent / name)
        np.testing.assert_array_equal(read.volume.array, oblique_volume.array)
        assert read.volume.grid.matches(oblique_volume.grid, tolerance_mm=1e-3)
        assert read.notes == ()


def test_a_pair_of_capital_letters_is_read(with_nibabel, oblique_volume):
    path = with_nibabel(nibabel.Nifti1Pair, "scan.hdr")
    for half in (path, path.with_suffix(".img")):
        half.rename(half.with_suffix(half.suffix.upper()))
    read = read_volume(path.with_suffix(".HDR"))
    np.testing.assert_array_equal(read.volume.array, oblique_volume.array)


def test_a_volume_of_a_pair_is_chosen(with_nibabel, oblique_volume):
    both = np.stack((oblique_volume.array, oblique_volume.array + 1))
    path = with_nibabel(nibabel.Nifti2Pair, "scan.hdr", both)
    read = read_volume(path, choice=SeriesChoice(echo=2))
    np.testing.assert_array_equal(read.volume.array, both[1])


def test_analyze_is_read_as_itk_does_and_reported(tmp_path, oblique_volume):
    image = nibabel.AnalyzeImage(oblique_volume.array.T, np.diag([0.9, 1.3, 6.5, 1]))
    nibabel.save(image, tmp_path / "scan.hdr")
    read = read_volume(tmp_path / "scan.hdr")
    np.testing.assert_array_equal(read.volume.array, oblique_volume.array)
    np.testing.assert_allclose(read.volume.grid.spacing, (0.9, 1.3, 6.5), rtol=1e-6)
    assert apart(read, tmp_path / "scan.img") < 1e-4
    assert "left and right may be swapped" in read.notes[0]


def test_half_of_a_pair_is_refused(with_nibabel):
    path: Path = with_nibabel(nibabel.Nifti1Pair, f"{PATIENT}.hdr")
    path.with_suffix(".img").unlink()
    assert "damaged or incomplete" in refusal(path)
    path.rename(path.with_suffix(".nii"))
    assert "not a NIfTI file" in refusal(path.with_suffix(".nii"))


def test_a_header_of_two_that_is_cut_off(tmp_path, with_nibabel):
    content = with_nibabel(nibabel.Nifti2Image, f"{PATIENT}.nii").read_bytes()
    for size in (348, 539, 541, 5000):
        (tmp_path / f"{PATIENT}.nii").write_bytes(content[:size])
        assert refusal(tmp_path / f"{PATIENT}.nii")
        (tmp_path / f"{PATIENT}.nii.gz").write_bytes(gzip.compress(content[:size]))
        assert refusal(tmp_path / f"{PATIENT}.nii.gz")
