"""From a file's 4 x 4 matrix to a grid with axes at right angles.

File formats can hold sheared axes; a :class:`~musclefm.volumes.grid.Grid`
cannot, and neither can most of what opens the results.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.volumes.checks import in_figures
from musclefm.volumes.grid import Grid

SMALLEST_SPACING_MM = 0.05
LARGEST_SPACING_MM = 100.0

# Cosines off by less than this are rounding of the file's float32 and are left as they are.
_ROUNDING = 1e-5
# A correction that moves no voxel by more than this is not worth a reader's attention.
_WORTH_TELLING_MM = 0.1


def grid_of_affine(
    ijk_to_lps: npt.NDArray[np.float64], shape: tuple[int, int, int], what: str
) -> tuple[Grid, tuple[str, ...]]:
    """Return the grid that a matrix describes, and what to tell about it.

    Axes slightly off the right angle are replaced by the nearest ones at right
    angles (polar decomposition), turning about the centre of the volume.

    Parameters
    ----------
    ijk_to_lps : ndarray
        ``(4, 4)``, homogeneous ``(i, j, k, 1)`` to LPS in mm.
    shape : tuple of int
        ``(K, J, I)``.
    what : str
        What the image is called in messages, e.g. ``"the image"``.

    Raises
    ------
    MuscleFMError
        The spacing is zero, not finite or absurd; the axes are parallel or so
        far off the right angle that a voxel would move by more than the
        smallest spacing.
    """
    edges = ijk_to_lps[:3, :3]
    spacing = np.linalg.norm(edges, axis=0)
    check_spacing(spacing, what)
    if not np.isfinite(ijk_to_lps[:3, 3]).all():
        raise MuscleFMError(
            f"{what} has a position that is not a number", "export it again from its source"
        )
    cosines = edges / spacing
    left, stretches, right = np.linalg.svd(cosines)
    if stretches[-1] < 1e-3:
        raise MuscleFMError(f"{what} has parallel axes in its header", "export it again")
    if np.abs(cosines.T @ cosines - np.eye(3)).max() <= _ROUNDING:
        return _grid(shape, spacing, ijk_to_lps[:3, 3], cosines), ()
    rectangular = left @ right
    centre = (np.asarray(shape[::-1]) - 1) / 2
    origin = ijk_to_lps[:3, 3] + (cosines - rectangular) * spacing @ centre
    grid = _grid(shape, spacing, origin, rectangular)
    moved = largest_distance_mm(grid.ijk_to_lps, ijk_to_lps, shape)
    if moved > spacing.min():
        raise MuscleFMError(
            f"the axes of {what} are not at right angles (off by up to {in_figures(moved)} mm)",
            "resample it to a rectangular grid first",
        )
    if moved < _WORTH_TELLING_MM:
        return grid, ()
    return grid, (f"the axes of {what} were set at right angles, by at most {moved:.1f} mm",)


def check_spacing(spacing: npt.NDArray[np.float64], what: str) -> None:
    """Refuse a spacing (I, J, K) in mm that no scanner has.

    Raises
    ------
    MuscleFMError
        A spacing is zero, negative, not finite, or outside 0.05 to 100 mm.
    """
    shown = " x ".join(f"{value:.4g}" for value in spacing)
    if not np.isfinite(spacing).all() or (spacing <= 0).any():
        raise MuscleFMError(
            f"{what} has a spacing of {shown} mm, where each must be above zero",
            "correct its header or export it again",
        )
    if (spacing < SMALLEST_SPACING_MM).any() or (spacing > LARGEST_SPACING_MM).any():
        raise MuscleFMError(
            f"{what} has a spacing of {shown} mm, which no scan has",
            "correct its header, where the unit may be wrong",
        )


def largest_distance_mm(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], shape: tuple[int, int, int]
) -> float:
    """Return how far apart in mm two 4 x 4 matrices put the same voxel of ``(K, J, I)`` at most.

    The distance is convex in the index, so the corners tell it.
    """
    k, j, i = (size - 1 for size in shape)
    corners = np.array([[x, y, z, 1.0] for x in (0, i) for y in (0, j) for z in (0, k)]).T
    return float(np.linalg.norm(((one - other) @ corners)[:3], axis=0).max())


def _grid(
    shape: tuple[int, int, int],
    spacing: npt.NDArray[np.float64],
    origin: npt.NDArray[np.float64],
    direction: npt.NDArray[np.float64],
) -> Grid:
    return Grid(
        shape=shape,
        spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=tuple(float(value) for value in direction.ravel()),
    )
