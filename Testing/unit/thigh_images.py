"""Simple images of thighs, made from the real anatomies, for tests."""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import to_canonical
from musclefm.volumes.volume import Volume

T1 = {"fat": 2.0, "noise": 0.05}
WATER = {"fat": 0.12, "noise": 0.06}
NOISY = {"fat": 0.5, "noise": 0.3}
SHADED = {"fat": 0.3, "noise": 0.05, "shaded": True}
CONTRASTS = {"t1": T1, "water": WATER, "noisy": NOISY, "shaded": SHADED}


def read(path):
    """Read an image file as a volume in canonical orientation."""
    return canonical(sitk.ReadImage(str(path)))


def canonical(image):
    """Return a SimpleITK image as a volume in canonical orientation."""
    array = sitk.GetArrayFromImage(image)
    grid = Grid(array.shape, image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return to_canonical(Volume(array, grid))[0]


def read_legs(path):
    """Read an anatomy, thinned out to every fourth voxel and some 16 slices.

    Returns
    -------
    tuple
        Labels of the right and of the left leg ``(K, J, I)``, and the grid. The
        legs are distinguished by the patient's left being at larger columns, and
        by the widest gap between muscles that is near the middle.
    """
    whole = read(path)
    thin = 4
    thin_k = max(1, len(whole.array) // 16)
    labels = whole.array[::thin_k, ::thin, ::thin].astype(np.uint8)
    i, j, k = whole.grid.spacing
    grid = Grid(
        labels.shape, (i * thin, j * thin, k * thin_k), whole.grid.origin, whole.grid.direction
    )
    right = np.zeros_like(labels)
    columns = np.nonzero(labels.any(axis=(0, 1)))[0]
    middle, reach = (columns[0] + columns[-1]) // 2, (columns[-1] - columns[0]) // 5
    for slice_labels, slice_right in zip(labels, right, strict=True):
        height = np.count_nonzero(slice_labels, axis=0)[middle - reach : middle + reach]
        emptiest = np.nonzero(height == height.min())[0]
        split = middle - reach + int(np.median(emptiest))
        slice_right[:, :split] = slice_labels[:, :split]
    return right, labels - right, grid


def body(labels, grid, skin_mm=12.0):
    """Return the outline of a leg: its muscles, what they enclose, and fat around them."""
    reach = round(skin_mm / grid.spacing[0])
    j, i = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.hypot(j, i) <= reach + 0.5
    outlines = [ndimage.binary_closing(ndimage.binary_dilation(x > 0, disc), disc) for x in labels]
    return np.stack([ndimage.binary_fill_holes(x) for x in outlines])


def picture(labels, outline, fat, noise, shaded=False, seed=5):
    """Return an image ``(K, J, I)`` of muscle at 1, fat as given, and Rician noise."""
    image = np.where(labels > 0, 1.0, np.where(outline, fat, 0.0))
    if shaded:
        slices, rows, _ = image.shape
        image *= np.linspace(0.4, 1.0, slices)[:, None, None]
        image *= np.linspace(1.6, 0.4, rows)[None, :, None]
    rng = np.random.default_rng(seed)
    real, imaginary = noise * rng.standard_normal((2, *image.shape))
    return np.hypot(image + real, imaginary).astype(np.float32)


def move_columns(array, count):
    """Move an array along its columns, filling with zeros."""
    return ndimage.shift(array, (0, 0, count), order=0)


def pushed_together(right, left, grid, overlap_mm=8.0):
    """Move the left leg until the legs touch, or overlap, in half of the slices or more.

    Returns
    -------
    tuple
        The left leg's labels where they are now, and the outline of both legs.
    """
    outlines = body(right, grid), body(left, grid)
    gaps, muscle_gaps = [], []
    for k in range(len(right)):
        if right[k].any() and left[k].any():
            gaps.append(_first(outlines[1][k]) - _last(outlines[0][k]))
            muscle_gaps.append(_first(left[k]) - _last(right[k]) - 1)
    steps = min(round(np.median(gaps) + overlap_mm / grid.spacing[0]), min(muscle_gaps))
    return move_columns(left, -steps), outlines[0] | move_columns(outlines[1], -steps)


def _first(mask):
    return np.nonzero(mask.any(axis=0))[0][0]


def _last(mask):
    return np.nonzero(mask.any(axis=0))[0][-1]
