"""What no image may be, reported in one line each with the remedy.

``what`` is what the image is called in a message, e.g. ``"the image"`` or
``"the fat image"``; no message holds a file name, which may name a patient.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.volumes.memory import free_memory
from musclefm.volumes.orientation import to_canonical
from musclefm.volumes.volume import Volume

SMALLEST_SIZE = 16

# Intensities are float32, and a second array of that size is there while they are judged.
_BYTES_OF_VOXEL = 8

_COPY_AGAIN = "copy it or export it again from its source"

# Air, in relation to the brightest percent of an image: noise and ghosts lie below.
_AIR = 0.1
_HOUNSFIELD_AIR = (-1030.0, -970.0)


def in_figures(number: float) -> str:
    """Return a number for a message, with at most four significant digits."""
    return f"{float(f'{number:.4g}'):.10g}"


def empty_error(what: str) -> MuscleFMError:
    """Return the error for a file of no bytes."""
    return MuscleFMError(f"{what} is an empty file", _COPY_AGAIN)


def flat_error(what: str) -> MuscleFMError:
    """Return the error for a picture: rows and columns, and nothing about where they lie."""
    return MuscleFMError(
        f"{what} is 2-D and so has no position in the patient", "save it as a volume of one slice"
    )


def unplaced_note(what: str) -> str:
    """Return what to tell where a header does not say how the axes lie in the patient."""
    return (
        f"the header of {what} does not say how it lies in the patient:"
        " left and right may be swapped"
    )


def unscaled_note(what: str) -> str:
    """Return what to tell where a header does not say how large a voxel is."""
    return f"the header of {what} does not say how large its voxels are: 1 mm was taken"


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
    """Refuse a shape ``(K, J, I)`` that the memory does not hold, before its voxels are read.

    Raises
    ------
    MuscleFMError
        It does not.
    """
    needed, free = math.prod(shape) * _BYTES_OF_VOXEL, free_memory()
    if needed > free:
        raise MuscleFMError(
            f"{what} claims {_sizes(shape)} voxels, which take {in_figures(needed / 1e9)} GB of"
            f" memory where {in_figures(free / 1e9)} GB are free",
            "crop it, correct its header or close other programs",
        )


def check_size(shape: tuple[int, ...], what: str) -> None:
    """Refuse a shape ``(K, J, I)`` that is no image. A single slice is, a row of voxels is not.

    Raises
    ------
    MuscleFMError
        Fewer than two axes have 16 voxels.
    """
    if sorted(shape)[1] < SMALLEST_SIZE:
        raise MuscleFMError(
            f"{what} has only {_sizes(shape)} voxels",
            f"give an image of at least {SMALLEST_SIZE} x {SMALLEST_SIZE} pixels a slice",
        )


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(in_figures(size) for size in reversed(shape))


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
            f"{what} is 4-D and holds {volumes} volumes",
            f"choose one of an image with --echo 1 to {volumes}, or save one alone",
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
                f"{what} has {in_figures(infinite)} infinite voxel{'s' if infinite > 1 else ''}",
                "replace them or export it again",
            )
        array = _without_outer_nan(volume, what)
        volume = volume.with_array(array)
    if float(array.min()) == float(array.max()):
        raise MuscleFMError(
            f"{what} is constant, every voxel is {float(array.flat[0]):.4g}", "give another image"
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
            f"{what} has {in_figures(inside)} NaN voxel{'s' if inside > 1 else ''} inside the body",
            "fill them or export it again",
        )
    return zeroed


def _touching_edge(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    # Imported late: the Slicer module opens without it.
    from scipy import ndimage

    regions, _ = ndimage.label(mask)
    edge = np.unique(np.r_[regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    return np.isin(regions, edge[edge > 0])


def looks_like_ct(array: npt.NDArray[np.float32]) -> bool:
    """Tell whether a tenth of the voxels have the Hounsfield value of air."""
    low, high = _HOUNSFIELD_AIR
    return float(((array >= low) & (array <= high)).mean()) > 0.1
