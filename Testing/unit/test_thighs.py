"""Thighs are found in every contrast, apart or touching, alone or a pair."""

import time
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from scipy import ndimage
from thigh_images import (
    CONTRASTS,
    NOISY,
    T1,
    WATER,
    body,
    canonical,
    picture,
    pushed_together,
    read,
    read_legs,
)

from musclefm.anatomy.thighs import find_thighs
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

SAMPLE = ("HV002_2_0000", "THIGH_031_0000", "THIGH_042_0001")
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@pytest.fixture(scope="module", params=SAMPLE)
def legs(request, shared):
    """Return both legs of an anatomy and their grid."""
    return read_legs(shared / "anatomies" / f"{request.param}.nii.gz")


def right_share(thighs, right, left):
    """Return the share of muscle voxels on the side that they belong to."""
    found = ((right > 0) & (thighs.membership == 1)) | ((left > 0) & (thighs.membership == 2))
    return found.sum() / (np.count_nonzero(right) + np.count_nonzero(left))


def farthest_centre_mm(centres, labels, grid):
    """Return how far the centres are from the muscles' centroid, at worst, in mm."""
    pixel = np.array([grid.spacing[1], grid.spacing[0]])
    distances = [0.0]
    for k, muscles in enumerate(labels):
        if np.count_nonzero(muscles) * pixel.prod() > 2000:
            distances.append(np.linalg.norm((np.argwhere(muscles).mean(0) - centres[k]) * pixel))
    return max(distances)


def test_all_anatomies_as_pairs(shared):
    for path in sorted((shared / "anatomies").glob("*.nii.gz")):
        right, left, grid = read_legs(path)
        outline = body(right, grid) | body(left, grid)
        thighs = find_thighs(Volume(picture(right + left, outline, **T1), grid))
        assert thighs.count == 2, path.name
        assert right_share(thighs, right, left) > 0.999, path.name
        for centres, leg in zip(thighs.centres, (right, left), strict=True):
            assert farthest_centre_mm(centres, leg, grid) < 40, path.name


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_contrasts(legs, contrast):
    right, left, grid = legs
    outlines = body(right, grid), body(left, grid)
    pair = picture(right + left, outlines[0] | outlines[1], **CONTRASTS[contrast])
    thighs = find_thighs(Volume(pair, grid))
    assert thighs.count == 2
    assert right_share(thighs, right, left) > 0.999
    for leg, outline in zip((right, left), outlines, strict=True):
        alone = find_thighs(Volume(picture(leg, outline, **CONTRASTS[contrast]), grid))
        assert alone.count == 1
        assert (alone.membership == 1).all()
        assert farthest_centre_mm(alone.centres[0], leg, grid) < 40


@pytest.mark.parametrize("contrast", ["t1", "water"])
def test_one_thigh_that_fills_the_field(legs, contrast):
    right, _, grid = legs
    outline = body(right, grid)
    columns = np.nonzero(outline.any(axis=(0, 1)))[0]
    rows = np.nonzero(outline.any(axis=(0, 2)))[0]
    box = np.s_[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    image = picture(right, outline, **CONTRASTS[contrast])[box]
    thighs = find_thighs(Volume(image, Grid(image.shape, grid.spacing, grid.origin, AXIAL)))
    assert thighs.count == 1
    assert farthest_centre_mm(thighs.centres[0], right[box], grid) < 40


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_touching_thighs(legs, contrast):
    right, left, grid = legs
    left, outline = pushed_together(right, left, grid)
    image = picture(right + left, outline, **CONTRASTS[contrast])
    thighs = find_thighs(Volume(image, grid))
    assert thighs.count == 2
    assert right_share(thighs, right, left) > 0.99


@pytest.mark.parametrize("degrees", [-12, 12])
@pytest.mark.parametrize("contrast", ["t1", "noisy"])
def test_touching_thighs_of_a_rolled_patient(legs, contrast, degrees):
    right, left, grid = legs
    left, outline = pushed_together(right, left, grid)

    def rolled(array):
        return ndimage.rotate(array, degrees, axes=(1, 2), reshape=False, order=0)

    image = rolled(picture(right + left, outline, **CONTRASTS[contrast]))
    thighs = find_thighs(Volume(image, grid))
    assert thighs.count == 2
    assert right_share(thighs, rolled(right), rolled(left)) > 0.98


@pytest.mark.parametrize("slope", [-0.2, 0.2])
def test_touching_thighs_that_run_obliquely_through_the_slices(legs, slope):
    right, left, grid = legs
    left, outline = pushed_together(right, left, grid)

    def sheared(array):
        steps = (np.arange(len(array)) - len(array) / 2) * slope * grid.spacing[2]
        moved = [
            ndimage.shift(x, (0, n), order=0)
            for x, n in zip(array, np.rint(steps / grid.spacing[0]), strict=True)
        ]
        return np.stack(moved)

    image = sheared(picture(right + left, outline, **T1))
    thighs = find_thighs(Volume(image, grid))
    assert thighs.count == 2
    assert right_share(thighs, sheared(right), sheared(left)) > 0.99


def test_a_leg_that_shows_in_some_slices_only_stays_in_one_piece(legs):
    right, left, grid = legs
    shown = (np.arange(len(left)) > 0.35 * len(left))[:, None, None]
    left, left_outline = left * shown, body(left, grid) & shown
    image = picture(right + left, body(right, grid) | left_outline, **T1)
    thighs = find_thighs(Volume(image, grid))
    assert thighs.count == 2
    assert right_share(thighs, right, left) > 0.99


def test_one_thigh_of_which_the_flexors_have_turned_to_fat_in_a_water_image(legs):
    right, _, grid = legs
    spared = np.where(np.isin(right, (1, 2, 3, 4, 5, 7)), right, 0)
    assert find_thighs(Volume(picture(spared, body(right, grid), **WATER), grid)).count == 1


def test_a_hand_beside_one_thigh_is_no_second_thigh(legs):
    right, _, grid = legs
    outline = body(right, grid)
    row = int(np.argwhere(outline)[:, 1].mean())
    column = int(np.nonzero(outline.any(axis=(0, 1)))[0][-1]) + round(20 / grid.spacing[0])
    size = round(30 / grid.spacing[0])
    hand = np.zeros_like(right)
    hand[:, row - size : row + size, column : column + size] = 1
    image = picture(right + hand, outline | (hand > 0), **T1)
    thighs = find_thighs(Volume(image, grid))
    assert thighs.count == 1
    assert farthest_centre_mm(thighs.centres[0], right, grid) < 30


def test_air_that_is_not_a_number_negative_and_huge_intensities(legs):
    right, left, grid = legs
    outline = body(right, grid) | body(left, grid)
    image = picture(right + left, outline, **T1)
    for changed in (np.where(outline, image, np.nan), image - 1024, image * np.float32(1e30)):
        thighs = find_thighs(Volume(changed, grid))
        assert thighs.count == 2
        assert right_share(thighs, right, left) > 0.999


def test_empty_slices_take_the_centres_of_their_neighbours(legs):
    right, left, grid = legs
    outline = body(right, grid) | body(left, grid)
    image = picture(right + left, outline, **T1)
    count = len(image)
    padded = np.pad(image, ((count, 5), (0, 0), (0, 0)))
    thighs = find_thighs(Volume(padded, Grid(padded.shape, grid.spacing, grid.origin, AXIAL)))
    assert thighs.count == 2
    shown = np.s_[:, count : 2 * count]
    assert np.allclose(thighs.centres[shown], find_thighs(Volume(image, grid)).centres, atol=2)
    assert (thighs.centres[:, :count] == thighs.centres[:, [count]]).all()
    assert (thighs.centres[:, -5:] == thighs.centres[:, [-6]]).all()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 60, 80), np.float32),
        np.full((4, 60, 80), 7, np.int16),
        np.full((4, 60, 80), np.nan, np.float32),
        np.abs(np.random.default_rng(0).standard_normal((4, 60, 80))).astype(np.float32),
        np.ones((1, 1, 1), np.float32),
    ],
    ids=["empty", "constant", "nan", "noise", "one voxel"],
)
def test_no_thigh_at_all(array):
    thighs = find_thighs(Volume(array, Grid(array.shape, (2.0, 2.0, 5.0), (0, 0, 0), AXIAL)))
    assert thighs.count == 1
    assert (thighs.membership == 1).all()
    middle = [(array.shape[1] - 1) / 2, (array.shape[2] - 1) / 2]
    assert np.allclose(thighs.centres, middle)


def test_thick_coronal_slices_touching_legs(shared):
    # 11 mm rows against 4 mm columns, as a coronal stack looks from above.
    right, left, grid = read_legs(shared / "anatomies" / "HV002_2_0000.nii.gz")
    left, outline = pushed_together(right, left, grid)
    step = round(10 / grid.spacing[1])
    right, left, outline = (x[:, ::step] for x in (right, left, outline))
    spacing = (grid.spacing[0], grid.spacing[1] * step, grid.spacing[2])
    image = picture(right + left, outline, **NOISY)
    thighs = find_thighs(Volume(image, Grid(image.shape, spacing, grid.origin, AXIAL)))
    assert thighs.count == 2
    assert right_share(thighs, right, left) > 0.99


@pytest.mark.parametrize("name", ["station5-knee", "station6-midthigh", "thigh-distal"])
def test_real_dixon_scans(shared, name):
    scan = read(shared / "scans" / "dixon" / f"{name}.nii.gz")
    assert_parted_in_the_dark(find_thighs(scan), scan)


@pytest.mark.parametrize("value", [0.0, -1000.0, 4095.0, np.nan])
def test_padding_moves_no_centre_of_a_real_scan(shared, value):
    scan = read(shared / "scans" / "dixon" / "station6-midthigh.nii.gz")
    grown = np.pad(scan.array, ((0, 0), (13, 20), (31, 6)), constant_values=value)
    origin = scan.grid.ijk_to_lps @ (-31, -13, 0, 1)
    grid = replace(scan.grid, shape=grown.shape, origin=tuple(origin[:3].tolist()))
    plain, found = find_thighs(scan), find_thighs(Volume(grown, grid))
    np.testing.assert_allclose(found.centres - (13, 31), plain.centres, atol=1e-6)
    np.testing.assert_array_equal(found.membership[:, 13:-20, 31:-6], plain.membership)


@pytest.mark.parametrize("offset", [1000.0, -300.0])
def test_an_offset_moves_no_centre_of_a_real_scan_with_traces_beside_the_body(shared, offset):
    scan = read(shared / "scans" / "dixon" / "station7-proximal.nii.gz")
    array = scan.array[::6].astype(np.float32)
    thin = Volume(array, replace(scan.grid, shape=array.shape))
    moved = thin.with_array(thin.array + np.float32(offset))
    plain, found = find_thighs(thin), find_thighs(moved)
    np.testing.assert_allclose(found.centres, plain.centres, atol=1e-6)
    np.testing.assert_array_equal(found.membership, plain.membership)


def test_real_scan_with_pelvis_and_hands(shared):
    scan = read(shared / "scans" / "dixon" / "station7-proximal.nii.gz")
    thighs = find_thighs(scan)
    assert thighs.count == 2
    split = (thighs.membership == 1).sum(axis=2)
    # The midline of this patient runs within a centimetre of column 159.
    assert np.abs(split - 159).max() * scan.grid.spacing[0] < 20


def test_real_dicom_series_of_seven_slices_40_mm_apart(shared):
    headers = [
        pydicom.dcmread(path, stop_before_pixels=True)
        for path in (shared / "scans" / "thigh-mese-dicom").glob("*.dcm")
    ]
    first_echo = min(float(header.EchoTime) for header in headers)
    chosen = sorted(
        (float(header.ImagePositionPatient[2]), header.filename)
        for header in headers
        if float(header.EchoTime) == first_echo
    )
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for _, path in chosen])
    scan = canonical(reader.Execute())
    assert scan.grid.shape[0] == 7
    thighs = find_thighs(scan)
    assert thighs.count == 2
    split = (thighs.membership == 1).sum(axis=2)
    # The cleft between thighs and buttocks is at column 192 to 201.
    assert np.abs(split - 196).max() * scan.grid.spacing[0] < 15


@pytest.mark.timing
def test_a_large_volume_is_soon_looked_through(shared):
    right, left, _ = read_legs(shared / "anatomies" / "HV002_2_0000.nii.gz")
    image = picture(right + left, right + left > 0, **T1)
    image = image.repeat(4, axis=0)[:60].repeat(4, axis=1).repeat(4, axis=2)[:, 24:536, 24:536]
    assert image.shape == (60, 512, 512)
    start = time.process_time()
    thighs = find_thighs(Volume(image, Grid(image.shape, (0.94, 0.94, 4.0), (0, 0, 0), AXIAL)))
    # Half a second on most machines.
    assert time.process_time() - start < 5.0
    assert thighs.count == 2


def assert_parted_in_the_dark(thighs, scan):
    """Check that the surface runs through air, and each centre lies in a thigh."""
    assert thighs.count == 2
    for k, image in enumerate(scan.array.astype(np.float64)):
        centre_rows = thighs.centres[:, k, 0].astype(int)
        level = np.mean(
            [
                image[r - 30 : r + 30][:, c - 30 : c + 30].mean()
                for r, c in thighs.centres[:, k].astype(int)
            ]
        )
        assert level > 2 * image.mean()
        rows = np.arange(centre_rows.min() - 20, centre_rows.max() + 20)
        border = (thighs.membership[k] == 1).sum(axis=1)[rows]
        assert image[rows, border].mean() < 0.5 * level
        assert image[rows, border - 1].mean() < 0.5 * level
