"""The surface that parts two thighs, whether they touch or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.anatomy.body import Body

# Rolls of the patient that are tried: the gap leans as much. The first wins a tie.
_LARGEST_ROLL_DEGREES = 50
_ROLLS_DEGREES = sorted(range(-_LARGEST_ROLL_DEGREES, _LARGEST_ROLL_DEGREES + 1, 5), key=abs)
_ROLL_PENALTY_PER_DEGREE = 0.006
_ASYMMETRY_PENALTY = 3.0
# Less than a cut through the middle of a thigh (1), so that a leg whose fellow
# ends before it is not cut.
_LARGEST_ASYMMETRY_PENALTY = 0.8
_SMOOTHING_MM = 5.0
# For a slope along the slices: 20 degrees cost 0.04 a slice.
_SLOPE_PENALTY = 0.1


@dataclass(frozen=True)
class Separation:
    """A surface from front to back through every slice.

    In a slice it is a straight line. Positions are in mm from the outer edge
    of the first row and column, so they hold on any grid over the same field.

    Attributes
    ----------
    columns_mm : ndarray
        ``(K,) float64``: where the line crosses the row ``pivot_mm``.
    pivot_mm : float
        That row.
    lean : float
        Columns in mm that the line moves for a row of 1 mm.
    """

    columns_mm: npt.NDArray[np.float64]
    pivot_mm: float
    lean: float

    def lines_mm(self, rows: int, row_spacing: float) -> npt.NDArray[np.float64]:
        """Return where the surface crosses each row, ``(K, rows)`` in mm."""
        row_mm = (np.arange(rows) + 0.5) * row_spacing
        return np.asarray(self.columns_mm[:, None] + self.lean * (row_mm - self.pivot_mm))

    def beyond(
        self, rows: int, columns: int, spacing: tuple[float, float]
    ) -> npt.NDArray[np.bool_]:
        """Tell which voxels lie beyond the surface, toward larger columns.

        Parameters
        ----------
        rows, columns : int
            Size of the slices.
        spacing : tuple of float
            ``(row, column)`` in mm.

        Returns
        -------
        ndarray
            ``(K, rows, columns) bool``.
        """
        column_mm = (np.arange(columns) + 0.5) * spacing[1]
        return np.asarray(column_mm >= self.lines_mm(rows, spacing[0])[:, :, None])


def separate(body: Body) -> Separation:
    """Find the surface that cuts little tissue and leaves mirror images on its sides.

    Several rolls of the patient are tried. For each, dynamic programming finds
    a path over the slices, one column in each, so that slices where the thighs
    touch, or of the pelvis, follow those where they are apart. Without any
    tissue the surface is the middle of the image.
    """
    step_j, step_i, step_k = body.spacing
    k, j, i = np.nonzero(body.tissue)
    slices, _, columns = body.tissue.shape
    row_mm = (j + 0.5) * step_j
    pivot_mm = float(row_mm.mean()) if row_mm.size else 0.0
    best_cost = np.inf
    best = Separation(np.full(slices, columns * step_i / 2), pivot_mm, 0.0)
    if not row_mm.size:
        return best
    for roll in _ROLLS_DEGREES:
        lean = float(np.tan(np.radians(roll)))
        along = np.rint(i - lean * (row_mm - pivot_mm) / step_i).astype(np.int64)
        first = along.min()
        width = int(along.max() - first) + 1
        profile = np.bincount(k * width + along - first, minlength=slices * width)
        costs = _cost_of_cutting(profile.reshape(slices, width), step_i)
        path, cost = _cheapest_path(costs, _SLOPE_PENALTY * step_i / step_k)
        cost = cost / slices + _ROLL_PENALTY_PER_DEGREE * abs(roll)
        if cost < best_cost:
            best_cost = cost
            best = Separation((path.astype(np.float64) + first) * step_i, pivot_mm, lean)
    return best


def _cost_of_cutting(profile: npt.NDArray[np.int64], step_mm: float) -> npt.NDArray[np.float64]:
    """Return what a cut before each column costs, ``(K, width + 1)``, about 0 to 1.

    ``profile`` ``(K, width)`` counts the voxels of tissue along each column.
    """
    padded = np.pad(profile.astype(np.float64), ((0, 0), (1, 1)))
    smooth = ndimage.gaussian_filter1d(padded, _SMOOTHING_MM / step_mm, axis=1, mode="constant")
    peaks = smooth.max(axis=1)
    # A slice that shows little has little to say.
    scale = np.maximum(peaks, np.median(peaks[peaks > 0]) / 2)[:, None]
    cut = (smooth[:, :-1] + smooth[:, 1:]) / 2 / scale
    # Element 2 b - 1 of the convolution with itself pairs the columns that
    # mirror each other at the edge before (padded) column b.
    length = 2 * smooth.shape[1]
    paired = np.fft.irfft(np.fft.rfft(smooth, length) ** 2, length)[:, 1 : length - 2 : 2]
    asymmetry = 1 - paired / np.maximum(np.square(smooth).sum(axis=1, keepdims=True), 1)
    return np.asarray(cut + np.minimum(_ASYMMETRY_PENALTY * asymmetry, _LARGEST_ASYMMETRY_PENALTY))


def _cheapest_path(
    costs: npt.NDArray[np.float64], step_penalty: float
) -> tuple[npt.NDArray[np.int64], float]:
    """Find the path over the rows of ``costs`` of least sum (Viterbi).

    A step of n columns between rows costs ``n * step_penalty``.
    """
    count, width = costs.shape
    positions = np.arange(width)
    steps = step_penalty * np.abs(positions[:, None] - positions)
    came_from = np.zeros((count, width), np.int64)
    total = costs[0]
    for row in range(1, count):
        options = total[:, None] + steps
        came_from[row] = options.argmin(axis=0)
        total = options.min(axis=0) + costs[row]
    path = np.empty(count, np.int64)
    path[-1] = total.argmin()
    for row in range(count - 1, 0, -1):
        path[row - 1] = came_from[row, path[row]]
    return path, float(total.min())
