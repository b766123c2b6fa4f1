"""An image or a map together with its geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.volumes.grid import Grid


@dataclass(frozen=True)
class Volume:
    """A scalar volume.

    Attributes
    ----------
    array : ndarray
        ``(K, J, I)``, the dtype of its content: float32 intensities, uint8 labels.
    grid : Grid
        Where the voxels lie.

    Raises
    ------
    ValueError
        Array and grid differ in shape: a programming error, not the user's.
    """

    array: npt.NDArray[Any]
    grid: Grid

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise ValueError(f"array {self.array.shape} does not fit grid {self.grid.shape}")

    def with_array(self, array: npt.NDArray[Any]) -> Volume:
        """Return another array on the same grid."""
        return Volume(np.asarray(array), self.grid)
