"""Segments that share no voxel, as a labelmap needs them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.plain_text import figures


def claim(
    labels: npt.NDArray[np.int64], mask: npt.NDArray[np.bool_], value: int, what: str
) -> None:
    """Give the voxels of a segment its value, in place.

    Parameters
    ----------
    labels : ndarray
        ``(K, J, I) int64``: what other segments have claimed, 0 elsewhere.
    mask : ndarray
        ``(K, J, I) bool``: the segment.
    value : int
        Its value.
    what : str
        What the labels are called in messages.

    Raises
    ------
    MuscleFMError
        Another segment has a voxel of it.
    """
    if shared := int(np.count_nonzero(labels[mask])):
        raise MuscleFMError(
            f"segments of {what} overlap in {figures(shared)} voxel{'s' if shared > 1 else ''}",
            "decide in 3D Slicer which segment they belong to",
        )
    labels[mask] = value
