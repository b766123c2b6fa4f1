"""Labels as another program's file holds them, before anything is made of their values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import Side
from musclefm.plain_text import figures
from musclefm.volumes.volume import Volume

# From here on float32 leaves whole numbers out.
_LARGEST_VALUE = 1 << 24


@dataclass(frozen=True)
class ExternalSegment:
    """What a file says of one value.

    Attributes
    ----------
    value : int
        In the voxels, not 0.
    name : str
        As its maker called it; empty where the file names nothing.
    code : tuple of str or None
        Coding scheme and value of the structure, e.g. ``("SCT", "1403006")``.
    side : Side or None
        Where the file codes one.
    """

    value: int
    name: str = ""
    code: tuple[str, str] | None = None
    side: Side | None = None

    @property
    def described(self) -> bool:
        """Whether the file says what the value stands for."""
        return bool(self.name or self.code)


@dataclass(frozen=True)
class ExternalLabels:
    """A labelmap of any values.

    Attributes
    ----------
    volume : Volume
        ``(K, J, I) int64``, 0 background.
    segments : tuple of ExternalSegment
        One for every value in the voxels.
    numbered : bool
        Whether the values themselves may be those of a label scheme, as in a plain
        labelmap; else only what the file says of a segment counts.
    """

    volume: Volume
    segments: tuple[ExternalSegment, ...]
    numbered: bool = False


def whole_numbers(array: npt.NDArray[np.float32], what: str) -> npt.NDArray[np.int64]:
    """Return voxels as whole numbers; none is rounded, wrapped or taken as background.

    Parameters
    ----------
    array : ndarray
        ``(K, J, I) float32``.
    what : str
        What the labels are called in messages.

    Raises
    ------
    MuscleFMError
        A voxel is NaN, infinite, not whole, or too large for float32 to tell it from others.
    """
    if odd := int(np.count_nonzero(~np.isfinite(array))):
        raise MuscleFMError(
            f"{what} has {figures(odd)} voxel{'s' if odd > 1 else ''} of NaN or infinity",
            "give every voxel a label, 0 for background",
        )
    if np.any(array != np.rint(array)):
        raise MuscleFMError(
            f"{what} has values that are not whole", "give a labelmap or segmentation, not an image"
        )
    if np.abs(array).max(initial=0) >= _LARGEST_VALUE:
        raise MuscleFMError(f"{what} has values too large for labels", "number the labels anew")
    return array.astype(np.int64)


def assign(
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
        What it has in the result.
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
