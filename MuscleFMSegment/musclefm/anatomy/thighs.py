"""Where the thighs lie in an image, and which side each of them is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Thighs:
    """The thighs of a volume in canonical orientation.

    Attributes
    ----------
    count : int
        1 or 2.
    membership : ndarray
        ``(K, J, I) uint8``: the thigh, from 1, that each voxel belongs to,
        outside the body too. With two, thigh 1 lies toward the patient's right.
    centres : ndarray
        ``(count, K, 2) float64``: centroid of the thigh in each slice as
        ``(row, column)`` in voxels; filled from neighbouring slices where the
        slice shows nothing.
    """

    count: int
    membership: npt.NDArray[np.uint8]
    centres: npt.NDArray[np.float64]
