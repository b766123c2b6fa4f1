"""How far the surfaces of two masks lie apart: HD95 and ASSD in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SurfaceDistance:
    """Distance of two surfaces in mm; NaN where either mask is empty.

    Attributes
    ----------
    hd95 : float
        The larger of both directed 95th percentiles (Huttenlocher et al. 1993, robust).
    assd : float
        Mean distance from each voxel of either surface to the other surface, all
        voxels pooled (Heimann et al. 2009).
    """

    hd95: float
    assd: float


def surface_distance(
    a: Mask, b: Mask, spacing: tuple[float, ...], known: Mask | None = None
) -> SurfaceDistance:
    """Return the distances between the surfaces of two masks.

    The surface of a mask are its voxels with a face in common with a voxel that is
    known and not of the mask. Where the image or what is known ends there is no
    surface: a muscle that is cut there, or labelled in every fifth slice only, has
    none at the cut. A mask without any surface counts as a whole.

    Parameters
    ----------
    a, b : ndarray
        bool of equal shape, e.g. ``(K, J, I)``.
    spacing : tuple of float
        Of the axes of the arrays, in their order, in mm.
    known : ndarray, optional
        bool: where the reference tells anything; by default everywhere. The masks are
        to lie within.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"masks of shapes {a.shape} and {b.shape}")
    if not (a.any() and b.any()):
        return SurfaceDistance(float("nan"), float("nan"))
    box = _box(a | b)
    a, b = a[box], b[box]
    inside = np.ones_like(a) if known is None else known[box]
    first, second = _surface(a, inside), _surface(b, inside)
    there = ndimage.distance_transform_edt(~second, sampling=spacing)[first]
    back = ndimage.distance_transform_edt(~first, sampling=spacing)[second]
    return SurfaceDistance(
        hd95=float(max(np.percentile(there, 95), np.percentile(back, 95))),
        assd=float(np.concatenate([there, back]).mean()),
    )


def _box(mask: Mask) -> tuple[slice, ...]:
    """Return where a mask lies, with a voxel around it where there is one."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        places = np.flatnonzero(mask.any(axis=others))
        box.append(slice(max(int(places[0]) - 1, 0), int(places[-1]) + 2))
    return tuple(box)


def _surface(mask: Mask, known: Mask) -> Mask:
    surface: Mask = mask & ndimage.binary_dilation(known & ~mask)
    return surface if surface.any() else mask
