"""The canonical view: the same for every way of storing a volume, and back without loss."""

import numpy as np
import pytest
import SimpleITK as sitk

from musclefm.volumes.formats.decoded import SeriesChoice
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view, to_canonical
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume

AXIAL = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
CORONAL = ((1, 0, 0), (0, 0, -1), (0, 1, 0))
SAGITTAL = ((0, 1, 0), (0, 0, -1), (-1, 0, 0))
LEFT_HANDED = ((1, 0, 0), (0, 1, 0), (0, 0, -1))
FEET_UP_LEFT_HANDED = ((0, -1, 0), (-1, 0, 0), (0, 0, 1))


def test_all_48_orders_and_directions_of_an_oblique_volume_look_the_same(
    oblique_volume, stored_48_ways
):
    reference, _ = to_canonical(oblique_volume)
    seen = set()
    for stored in stored_48_ways(oblique_volume):
        seen.add((stored.grid.direction, stored.grid.shape))
        canonical, view = to_canonical(stored)
        np.testing.assert_array_equal(canonical.array, reference.array)
        np.testing.assert_allclose(
            canonical.grid.ijk_to_lps, reference.grid.ijk_to_lps, rtol=0, atol=1e-9
        )
        np.testing.assert_array_equal(view.undo(canonical.array), stored.array)
    assert len(seen) == 48


def test_every_voxel_keeps_its_place_in_the_patient(oblique_volume, stored_48_ways):
    for stored in stored_48_ways(oblique_volume):
        canonical, _ = to_canonical(stored)
        to_stored = np.linalg.inv(stored.grid.ijk_to_lps) @ canonical.grid.ijk_to_lps
        k, j, i = np.indices(canonical.array.shape).reshape(3, -1)
        index = to_stored @ np.stack([i, j, k, np.ones_like(i)])
        nearest = np.rint(index[:3]).astype(int)
        assert np.abs(index[:3] - nearest).max() < 1e-6
        np.testing.assert_array_equal(
            stored.array[nearest[2], nearest[1], nearest[0]], canonical.array[k, j, i]
        )


@pytest.mark.parametrize(
    "columns", [AXIAL, CORONAL, SAGITTAL, LEFT_HANDED, FEET_UP_LEFT_HANDED], ids=str
)
def test_a_mark_in_the_patient_is_found_where_it_lies(columns):
    """Left is the last column, posterior the last row, superior the last slice."""
    direction = np.array(columns, float).T
    grid = Grid((18, 20, 22), (1.1, 1.7, 4.0), (30.0, -700.0, 55.0), tuple(direction.ravel()))
    k, j, i = np.indices(grid.shape)
    lps = np.tensordot(
        grid.ijk_to_lps, np.stack([i, j, k, np.ones(grid.shape)]).astype(float), axes=1
    )
    for world in range(3):
        canonical, _ = to_canonical(Volume(lps[world], grid))
        steps = np.diff(canonical.array, axis=2 - world)
        assert (steps > 0).all()


def test_a_left_handed_grid_is_not_mirrored(oblique_volume, stored_48_ways):
    handed = {
        float(np.sign(np.linalg.det(np.reshape(stored.grid.direction, (3, 3)))))
        for stored in stored_48_ways(oblique_volume)
    }
    assert handed == {-1.0, 1.0}
    for stored in stored_48_ways(oblique_volume):
        assert np.linalg.det(np.reshape(canonical_view(stored.grid).grid.direction, (3, 3))) > 0


def test_agrees_with_itk(oblique_volume, stored_48_ways):
    for stored in stored_48_ways(oblique_volume):
        canonical, _ = to_canonical(stored)
        expected = sitk.DICOMOrient(_itk_image(stored), "LPS")
        np.testing.assert_array_equal(sitk.GetArrayFromImage(expected), canonical.array)
        np.testing.assert_allclose(_itk_matrix(expected), canonical.grid.ijk_to_lps, atol=1e-9)


def test_real_scans_and_anatomies_agree_with_itk_and_come_back(shared):
    scans = ("thigh-distal", "station6-midthigh", "calf-b0")
    paths = [shared / "scans" / "dixon" / f"{name}.nii.gz" for name in scans]
    paths += sorted((shared / "anatomies").glob("THIGH*.nii.gz"))[1::8]
    for path in paths:
        volume = read_volume(path).volume
        canonical, view = to_canonical(volume)
        expected = sitk.DICOMOrient(sitk.ReadImage(str(path), sitk.sitkFloat32), "LPS")
        np.testing.assert_array_equal(sitk.GetArrayFromImage(expected), canonical.array)
        np.testing.assert_allclose(
            _itk_matrix(expected), canonical.grid.ijk_to_lps, rtol=0, atol=1e-3
        )
        np.testing.assert_array_equal(view.undo(canonical.array), volume.array)


@pytest.mark.parametrize(
    "folder",
    [
        *("ax/axdesc36", "ax/axint36", "ax/axasc35", "axmb/AxAsc36mb2a", "axmb/AxInt36mb"),
        *("cor/corasc36", "cor/cordesc35", "cor/corint36"),
        *("sag/sagasc36", "sag/sagdesc35", "sag/sagint36"),
    ],
)
def test_one_head_scanned_in_every_plane_and_order_is_the_same_head(shared, folder):
    """No mirroring fits the axial scan of the same person better than none."""
    series = shared / "dicom-robustness" / "orientation"
    axial, other = (
        _itk_image(to_canonical(read_volume(series / name, choice=SeriesChoice(echo=1)).volume)[0])
        for name in ("ax/axasc36", folder)
    )
    other = sitk.GetArrayFromImage(
        sitk.Resample(other, axial, sitk.Transform(), sitk.sitkLinear, -1.0)
    )
    axial = sitk.GetArrayFromImage(axial)

    def agreement(mirrored_axes):
        mirrored = np.flip(other, mirrored_axes)
        inside = mirrored >= 0
        return np.corrcoef(axial[inside], mirrored[inside])[0, 1]

    as_it_is = agreement(())
    mirrorings = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    assert as_it_is > 0.8
    assert as_it_is > max(agreement(axes) for axes in mirrorings) + 0.01


def _itk_image(volume):
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array))
    image.SetSpacing(volume.grid.spacing)
    image.SetOrigin(volume.grid.origin)
    image.SetDirection(volume.grid.direction)
    return image


def _itk_matrix(image):
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return matrix
