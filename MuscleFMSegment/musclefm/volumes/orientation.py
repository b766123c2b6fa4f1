"""One canonical axial view of a volume of any orientation, and the way back.

Canonical means: slices run from inferior to superior, rows from anterior to
posterior, columns from the patient's right to left, as closely as the axes of
the grid allow. Only axes are permuted and flipped, no voxel is resampled, so
the way back is exact; an oblique volume stays oblique.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

# Canonical axes (I, J, K) point to L, P, S; LPS is the world of the grid.


@dataclass(frozen=True)
class CanonicalView:
    """How a grid's axes are permuted and flipped to become canonical.

    Attributes
    ----------
    axes : tuple of int
        For each canonical array axis (K, J, I), the array axis of the input.
    flips : tuple of bool
        For each canonical array axis, whether it runs against the input's.
    grid : Grid
        The canonical grid.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    grid: Grid

    def apply(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the canonical view of an array ``(K, J, I)`` of the input grid."""
        view = np.transpose(array, self.axes)
        return view[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]

    def undo(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an array of the canonical grid on the input grid, contiguous."""
        unflipped = array[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]
        return np.ascontiguousarray(np.transpose(unflipped, np.argsort(self.axes)))

    def upside_down(self) -> CanonicalView:
        """Return this view turned by 180 degrees within its slices."""
        along_k, along_j, along_i = self.flips
        matrix = self.grid.ijk_to_lps
        _, rows, columns = self.grid.shape
        origin = matrix @ (columns - 1, rows - 1, 0, 1)
        direction = np.reshape(self.grid.direction, (3, 3)) * (-1, -1, 1)
        grid = replace(
            self.grid,
            origin=(float(origin[0]), float(origin[1]), float(origin[2])),
            direction=tuple(float(value) for value in direction.ravel()),
        )
        return CanonicalView(self.axes, (along_k, not along_j, not along_i), grid)


def canonical_view(grid: Grid) -> CanonicalView:
    """Find the axis permutation and flips that bring a grid closest to canonical.

    Of the six permutations, the one is taken whose axes agree best with L, P
    and S in sum of absolute cosines, which is defined at any obliquity.
    """
    cosines = np.reshape(grid.direction, (3, 3))
    order = max(
        permutations(range(3)),
        key=lambda p: sum(abs(cosines[world, p[world]]) for world in range(3)),
    )
    signs = [cosines[world, order[world]] for world in range(3)]
    matrix = grid.ijk_to_lps
    origin = matrix[:3, 3].copy()
    size_ijk = grid.shape[::-1]
    direction = np.empty((3, 3))
    for world in range(3):
        axis = order[world]
        sign = -1.0 if signs[world] < 0 else 1.0
        if sign < 0:
            origin += matrix[:3, axis] * (size_ijk[axis] - 1)
        direction[:, world] = cosines[:, axis] * sign
    canonical = Grid(
        shape=(size_ijk[order[2]], size_ijk[order[1]], size_ijk[order[0]]),
        spacing=(grid.spacing[order[0]], grid.spacing[order[1]], grid.spacing[order[2]]),
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=tuple(float(value) for value in direction.ravel()),
    )
    return CanonicalView(
        axes=(2 - order[2], 2 - order[1], 2 - order[0]),
        flips=(bool(signs[2] < 0), bool(signs[1] < 0), bool(signs[0] < 0)),
        grid=canonical,
    )


def to_canonical(volume: Volume) -> tuple[Volume, CanonicalView]:
    """Return the volume in canonical orientation and the view that led there."""
    view = canonical_view(volume.grid)
    return Volume(view.apply(volume.array), view.grid), view
