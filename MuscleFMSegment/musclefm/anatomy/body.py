"""A coarse mask of the body: tissue against air, per axial slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.anatomy.signal import cleaned
from musclefm.volumes.volume import Volume

WORKING_MM = 3.5
"""In-plane voxel size aimed at: coarse enough to be quick and to average noise."""

IN_PLANE = np.array([np.zeros((3, 3)), [[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.zeros((3, 3))], bool)
"""Connectivity that never leaves the slice."""

# A slice's gain (on the square root of the intensity) is corrected up to this
# factor against the typical slice, and never so far that air, which may be
# nearly as bright as this share of the tissue, passes for tissue.
_LARGEST_GAIN = 2.5
_ABOVE_AIR = 2.5
_LARGEST_AIR_LIMIT = 0.85
# Square-root intensities of tissue and air differ by more than this factor
# even at a signal-to-noise ratio of 3; the two halves of pure noise do not.
_LEAST_CONTRAST = 1.3
# Where more of the edge of the image is bright, that is no body but noise.
_LARGEST_SHARE_OF_FRAME = 0.3
# Fingers, markers and most hands have less of the area of the largest part.
_LEAST_SHARE_OF_LARGEST = 0.15
# Fat and fascia between muscles are bridged up to twice this width.
_CLOSING_MM = 8.0


@dataclass(frozen=True)
class Body:
    """The body on a coarse grid.

    Attributes
    ----------
    factors : tuple of int
        Voxels of the volume to a coarse voxel, in rows and columns.
    spacing : tuple of float
        Coarse ``(row, column, slice)`` spacing in mm.
    tissue : ndarray
        ``(K, j, i) bool``: bright tissue with its holes filled; in a water
        image without the fat around it, so that thighs stay apart.
    outline : ndarray
        ``(K, j, i) bool``: the same with clefts between muscles closed too.
    """

    factors: tuple[int, int]
    spacing: tuple[float, float, float]
    tissue: npt.NDArray[np.bool_]
    outline: npt.NDArray[np.bool_]


def find_body(image: Volume, signal: npt.NDArray[np.float32] | None = None) -> Body:
    """Find the body in a volume in canonical orientation.

    Everything is empty where nothing stands out from the noise. ``signal`` is what
    :func:`musclefm.anatomy.signal.cleaned` makes of it, where that is known.
    """
    signal = cleaned(image.array) if signal is None else signal
    step_i, step_j, step_k = image.grid.spacing
    rows, columns = image.grid.shape[1:]
    factors = (
        min(rows, max(1, round(WORKING_MM / step_j))),
        min(columns, max(1, round(WORKING_MM / step_i))),
    )
    spacing = (step_j * factors[0], step_i * factors[1], step_k)
    bright = _bright(_shrink(signal, factors), spacing)
    tissue = fill_holes(ndimage.binary_opening(bright, IN_PLANE))
    outline = fill_holes(_close(tissue, spacing))
    outline = _keep_large_parts(outline)
    return Body(factors, spacing, tissue & outline, outline)


def in_plane_parts(
    mask: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Label the connected parts of each slice on its own.

    Returns
    -------
    parts : ndarray
        ``(K, j, i) int32``: the part of each voxel, 0 outside.
    areas : ndarray
        ``(parts + 1,) int64``: voxels of each part, 0 for the outside.
    slices : ndarray
        ``(parts + 1,) int64``: the slice of each part.
    """
    parts, count = ndimage.label(mask, IN_PLANE)
    areas = np.bincount(parts.ravel(), minlength=count + 1)
    areas[0] = 0
    slices = np.zeros(count + 1, np.int64)
    k, _, _ = np.nonzero(mask)
    slices[parts[mask]] = k
    return parts, areas, slices


def _shrink(array: npt.NDArray[Any], factors: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Average blocks of rows and columns."""
    slices, rows, columns = array.shape
    j, i = rows // factors[0], columns // factors[1]
    kept = np.asarray(array[:, : j * factors[0], : i * factors[1]], np.float32)
    blocks = kept.reshape(slices, j, factors[0], i, factors[1])
    return np.asarray(blocks.mean(axis=4).mean(axis=2), np.float32)


def _bright(
    coarse: npt.NDArray[np.float32], spacing: tuple[float, float, float]
) -> npt.NDArray[np.bool_]:
    """Tell tissue from air by Otsu's threshold, after evening out the slices' gain."""
    sigmas = (0.0, *(WORKING_MM / max(step, WORKING_MM) for step in spacing[:2]))
    smooth = ndimage.gaussian_filter(coarse, sigmas)
    # The square root draws dark fat and bright spots near a coil together.
    root = np.sqrt(smooth - min(float(smooth.min()), 0.0))
    root /= max(float(root.max()), np.finfo(np.float32).tiny)
    squares = np.square(root).sum(axis=(1, 2))
    shown = squares > 0
    if not shown.any():
        return np.zeros(coarse.shape, bool)
    level = np.divide((root**3).sum(axis=(1, 2)), squares, out=np.zeros_like(squares), where=shown)
    typical = float(np.median(level[shown]))
    # Zeros are padding or masked air, and say nothing of the noise.
    air_level = float(np.percentile(root[root > 0], 10))
    air_limit = min(_ABOVE_AIR * air_level, _LARGEST_AIR_LIMIT * typical)
    level = np.maximum(level, max(typical / _LARGEST_GAIN, air_limit))
    even = np.minimum(root / level[:, None, None], 2.0)
    searched = np.ones(even.shape, bool)
    mask = even > otsu_threshold(even)
    if mask.all():
        return np.zeros(coarse.shape, bool)
    padding = coarse <= coarse.min()
    if padding[~mask].mean() > 0.5 and mask[_frame(~padding)].mean() > _LARGEST_SHARE_OF_FRAME:
        # The threshold separated the field of view from its padding: look again within it.
        searched = mask
        mask = even > otsu_threshold(even[searched])
    air = even[searched & ~mask]
    if not air.size or not mask.any() or even[mask].mean() < _LEAST_CONTRAST * air.mean():
        return np.zeros(coarse.shape, bool)
    return np.asarray(mask)


def _frame(valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Mark the edge, one voxel wide in the slice, of the box around all valid voxels."""
    frame = np.zeros(valid.shape, bool)
    rows = np.nonzero(valid.any(axis=(0, 2)))[0]
    columns = np.nonzero(valid.any(axis=(0, 1)))[0]
    frame[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    frame[:, rows[0] + 1 : rows[-1], columns[0] + 1 : columns[-1]] = False
    return frame


def otsu_threshold(values: npt.NDArray[np.float32]) -> float:
    """Return the threshold of largest variance between its two classes (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=256)
    below = np.cumsum(counts)[:-1].astype(np.float64)
    sums = np.cumsum(counts * (edges[:-1] + edges[1:]) / 2)
    above = counts.sum() - below
    apart = sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1:-1][np.argmax(below * above * apart**2)])


def fill_holes(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Fill what a slice's mask encloses: marrow, dark muscle within a ring of fat."""
    parts, count = ndimage.label(~mask, IN_PLANE)
    enclosed = np.ones(count + 1, bool)
    enclosed[0] = False
    for border in (parts[:, 0], parts[:, -1], parts[:, :, 0], parts[:, :, -1]):
        enclosed[border] = False
    return np.asarray(mask | enclosed[parts])


def _close(
    mask: npt.NDArray[np.bool_], spacing: tuple[float, float, float]
) -> npt.NDArray[np.bool_]:
    """Close clefts by a disc of ``_CLOSING_MM`` radius within the slice."""
    reach_j, reach_i = (int(_CLOSING_MM / step) for step in spacing[:2])
    j, i = np.ogrid[-reach_j : reach_j + 1, -reach_i : reach_i + 1]
    disc = np.hypot(j * spacing[0], i * spacing[1]) <= _CLOSING_MM
    padded = np.pad(mask, ((0, 0), (reach_j, reach_j), (reach_i, reach_i)))
    closed = ndimage.binary_closing(padded, disc[None])
    rows, columns = mask.shape[1:]
    return np.asarray(closed[:, reach_j : reach_j + rows, reach_i : reach_i + columns])


def _keep_large_parts(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Drop fingers, markers and specks: parts that are small for their slice."""
    parts, areas, slices = in_plane_parts(mask)
    largest = np.zeros(mask.shape[0], np.int64)
    np.maximum.at(largest, slices, areas)
    keep = areas >= _LEAST_SHARE_OF_LARGEST * largest[slices]
    keep[0] = False
    return np.asarray(keep[parts])
