"""Putting labels onto the grid of their image without resampling."""

from __future__ import annotations

import numpy as np

from musclefm.errors import MuscleFMError
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

# Files round their geometry; labels farther off than this would name other voxels.
_OFF_VOXELS = 0.1


def align_to_grid(labels: Volume, grid: Grid) -> Volume:
    """Return labels on another grid with the same voxels.

    The axes may be stored in another order and direction, and the labels may
    be cropped, as Slicer and DICOM segmentations are: what they do not cover
    is background.

    Parameters
    ----------
    labels : Volume
        ``(K, J, I)`` of any type, 0 background; or a map that is 0 outside.
    grid : Grid
        Grid of the image.

    Raises
    ------
    MuscleFMError
        The voxels of the two lie apart by more than a tenth of a voxel, or
        labels lie beyond the image.
    """
    if labels.grid.matches(grid):
        return Volume(labels.array, grid)
    to_grid = np.linalg.inv(grid.ijk_to_lps) @ labels.grid.ijk_to_lps
    axes = np.abs(to_grid[:3, :3]).argmax(axis=0)
    steps = np.sign(to_grid[axes, range(3)])
    turn = np.zeros((3, 3))
    turn[axes, range(3)] = steps
    size = np.array(labels.grid.shape[::-1])
    corners = np.stack(np.meshgrid(*((0, n - 1) for n in size)), axis=-1).reshape(-1, 3)
    exact = corners @ to_grid[:3, :3].T + to_grid[:3, 3]
    offset = np.rint((exact - corners @ turn.T).mean(axis=0))
    off = np.abs(exact - corners @ turn.T - offset).max()
    if len(set(axes.tolist())) < 3 or off > _OFF_VOXELS:
        raise MuscleFMError(
            "the labels lie on another grid than the image",
            "resample them to the image's voxels first",
        )
    voxels = np.argwhere(labels.array)
    ijk = np.rint(voxels[:, ::-1] @ turn.T + offset).astype(np.int64)
    if ((ijk < 0) | (ijk >= grid.shape[::-1])).any():
        raise MuscleFMError("the labels reach beyond the image", "give labels of this image")
    placed = np.zeros(grid.shape, labels.array.dtype)
    placed[tuple(ijk[:, ::-1].T)] = labels.array[tuple(voxels.T)]
    return Volume(placed, grid)


def nearest_on_grid(labels: Volume, grid: Grid) -> Volume:
    """Return labels on any other grid: each of its voxels takes the nearest one's label.

    Parameters
    ----------
    labels : Volume
        ``(K, J, I)``; beyond them is background, 0.
    grid : Grid
        Of any spacing and direction.
    """
    if labels.grid.matches(grid):
        return Volume(labels.array, grid)
    matrix = np.linalg.inv(labels.grid.ijk_to_lps) @ grid.ijk_to_lps
    to_labels = matrix[:3, :, None, None]
    j, i = np.indices(grid.shape[1:])
    first = to_labels[:, 0] * i + to_labels[:, 1] * j + to_labels[:, 3]
    size = np.array(labels.grid.shape[::-1])[:, None, None]
    placed = np.zeros(grid.shape, labels.array.dtype)
    for k, plane in enumerate(placed):
        at = np.rint(first + k * to_labels[:, 2]).astype(np.int64)
        inside = ((at >= 0) & (at < size)).all(axis=0)
        plane[inside] = labels.array[tuple(at[::-1, inside])]
    return Volume(placed, grid)
