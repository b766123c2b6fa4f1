"""What no image may be, said in one line each with the remedy.

``what`` is what the image is called in a message, e.g. ``"the image"`` or
``"the fat image"``; no message holds a file name, which may name a patient.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.errors import MuscleFMError
from musclefm.volumes.orientation import to_canonical
from musclefm.volumes.volume import Volume

SMALLEST_SIZE = 16
LARGEST_VOXELS = 10**9
"""More than any thigh scan has by far; float32 intensities of it fill 4 GB."""

_COPY_AGAIN = "copy it or export it again from its source"

# Air, in relation to the brightest percent of an image: noise and ghosts lie below.
_AIR = 0.1
_HOUNSFIELD_AIR = (-1030.0, -970.0)


def empty_error(what: str) -> MuscleFMError:
    """Return the error for a file of no bytes."""
    return MuscleFMError(f"{what} is an empty file", _COPY_AGAIN)


def damaged_error(what: str) -> MuscleFMError:
    """Return the error for a file that has the right beginning and cannot be decoded."""
    return MuscleFMError(f"{what} is damaged or incomplete", _COPY_AGAIN)


def truncated_error(what: str, share: float) -> MuscleFMError:
    """Return the error for a file that holds only a share (0 to 1) of its voxels."""
    percent = math.floor(100 * share)
    return MuscleFMError(f"{what} is truncated ({percent} % of its voxels are there)", _COPY_AGAIN)


def colour_error(what: str) -> MuscleFMError:
    """Return the error for several values per voxel: colour, vectors, complex numbers."""
    return MuscleFMError(
        f"{what} has several values a voxel (colour, vectors or complex numbers)",
        "give a greyscale magnitude image",
    )


def check_header_shape(shape: tuple[int, ...], what: str) -> None:
    """Refuse a shape ``(K, J, I)`` that is no image, before its voxels are read.

    A single slice is an image; a row of voxels is not.

    Raises
    ------
    MuscleFMError
        Fewer than two axes have 16 voxels, or there are more than 10^9 voxels.
    """
    told = " x ".join(str(size) for size in reversed(shape))
    if sorted(shape)[1] < SMALLEST_SIZE:
        raise MuscleFMError(
            f"{what} has only {told} voxels",
            f"give an image of at least {SMALLEST_SIZE} x {SMALLEST_SIZE} pixels a slice",
        )
    if math.prod(shape) > LARGEST_VOXELS:
        raise MuscleFMError(f"{what} claims {told} voxels", "crop it or correct its header")


def pick_volume(volumes: int, wanted: int | None, what: str) -> tuple[int, tuple[str, ...]]:
    """Return which volume of a file to read, from 0, and what to tell about it.

    Parameters
    ----------
    volumes : int
        How many volumes the file holds.
    wanted : int or None
        The user's choice, from 1.

    Raises
    ------
    MuscleFMError
        There are several and none was chosen, or the chosen one is not there.
    """
    if volumes == 1 and wanted in (None, 1):
        return 0, ()
    if wanted is None:
        raise MuscleFMError(
            f"{what} is 4-D and holds {volumes} volumes", f"choose one with --echo 1 to {volumes}"
        )
    if not 1 <= wanted <= volumes:
        raise MuscleFMError(
            f"{what} holds {volumes} volume{'s' if volumes > 1 else ''}, so there is no {wanted}",
            f"choose one with --echo 1 to {volumes}",
        )
    return wanted - 1, (f"{what} holds {volumes} volumes: number {wanted} was taken",)


def checked_intensities(volume: Volume, what: str) -> Volume:
    """Return the volume with finite intensities, or refuse it.

    NaN outside the body becomes 0. Outside is judged on each axial slice: dark
    voxels (at most 10 % of the brightest percent of the image) and NaN together
    form regions, and a NaN whose region touches the edge of its slice lies
    outside. Masks and fat fractions of air end up there; a hole in a muscle
    does not.

    Raises
    ------
    MuscleFMError
        NaN inside the body, an infinite voxel, or the same intensity everywhere.
    """
    array = volume.array
    finite = np.isfinite(array)
    if not finite.all():
        infinite = int(np.isinf(array).sum())
        if infinite:
            raise MuscleFMError(
                f"{what} has {infinite} infinite voxel{'s' if infinite > 1 else ''}",
                "replace them or export it again",
            )
        array = _without_outer_nan(volume, what)
        volume = volume.with_array(array)
    if float(array.min()) == float(array.max()):
        raise MuscleFMError(
            f"{what} is constant, every voxel is {float(array.flat[0]):g}", "give another image"
        )
    return volume


def _without_outer_nan(volume: Volume, what: str) -> npt.NDArray[np.float32]:
    missing = np.isnan(volume.array)
    if missing.all():
        raise MuscleFMError(f"every voxel of {what} is NaN", "give another image")
    bright = float(np.percentile(np.abs(volume.array[~missing]), 99))
    zeroed: npt.NDArray[np.float32] = np.where(missing, np.float32(0), volume.array)
    canonical, view = to_canonical(volume.with_array(missing))
    dark = view.apply(np.abs(zeroed) <= _AIR * bright)
    inside = 0
    for slice_missing, slice_dark in zip(canonical.array, dark, strict=True):
        if slice_missing.any():
            inside += int((slice_missing & ~_touching_edge(slice_dark)).sum())
    if inside:
        raise MuscleFMError(
            f"{what} has {inside} NaN voxel{'s' if inside > 1 else ''} inside the body",
            "fill them or export it again",
        )
    return zeroed


def _touching_edge(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    regions, _ = ndimage.label(mask)
    edge = np.unique(np.r_[regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    return np.isin(regions, edge[edge > 0])


def looks_like_ct(array: npt.NDArray[np.float32]) -> bool:
    """Tell whether a tenth of the voxels have the Hounsfield value of air."""
    low, high = _HOUNSFIELD_AIR
    return float(((array >= low) & (array <= high)).mean()) > 0.1
