"""The geometry that every array travels with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Grid:
    """A regular voxel grid in patient space.

    Attributes
    ----------
    shape : tuple of int
        ``(K, J, I)``: slices, rows, columns, as in the array.
    spacing : tuple of float
        ``(I, J, K)`` in mm, as in ITK, all positive.
    origin : tuple of float
        Centre of voxel (0, 0, 0) in mm, LPS (ITK, DICOM).
    direction : tuple of float
        3 x 3 matrix, row-major; column ``a`` is the LPS unit vector of axis
        ``a`` in ``(I, J, K)`` order. Its determinant may be negative.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]

    @property
    def ijk_to_lps(self) -> npt.NDArray[np.float64]:
        """The 4 x 4 matrix from homogeneous ``(i, j, k, 1)`` to LPS in mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.reshape(self.direction, (3, 3)) * np.asarray(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix

    @property
    def ijk_to_ras(self) -> npt.NDArray[np.float64]:
        """The 4 x 4 matrix from homogeneous ``(i, j, k, 1)`` to RAS in mm."""
        return np.diag([-1.0, -1.0, 1.0, 1.0]) @ self.ijk_to_lps

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of a voxel in mm³."""
        return float(np.prod(self.spacing))

    def matches(self, other: Grid, tolerance_mm: float = 1e-2) -> bool:
        """Tell whether both grids put every voxel within ``tolerance_mm``."""
        if self.shape != other.shape:
            return False
        k, j, i = self.shape
        corners = np.array(
            [[x, y, z, 1.0] for x in (0, i - 1) for y in (0, j - 1) for z in (0, k - 1)]
        ).T
        apart = self.ijk_to_lps @ corners - other.ijk_to_lps @ corners
        return bool(np.abs(apart).max() <= tolerance_mm)
