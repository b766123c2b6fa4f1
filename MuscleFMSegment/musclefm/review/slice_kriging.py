"""Weighing known slices of a muscle against what a model drew, by kriging along their normal.

Two estimates are weighed in every slice, both as signed distances to the outline
within the slice, in mm. One interpolates the shapes of the slices that are known;
the other takes the model's shape there and adds the interpolated difference to
the known ones. Each comes with a variance: that of the shapes grows with the
distance to the known slices, that of the model also with how far it was off in
those. Lengths and variances were measured on rendered legs, see
``Testing/benchmarks/carry_between_slices.md``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Distance = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]

FARTHEST_MM = 10.0
"""Distances to an outline end here; an empty slice has it everywhere, negative."""

_SHAPE_LENGTH_MM = 150.0
_SHAPE_VARIANCE_MM2 = 500.0
# Shapes farther apart than this hardly overlap, and what lies between them fades.
_OVERLAP_MM = 60.0

_ERROR_LENGTH_MM = 300.0
# A part of the model's errors is shared by slices near to one another only.
_LOCAL_ERROR_LENGTH_MM = 15.0
_LOCAL_ERROR_SHARE = 0.35
# What is thought of the model before anything is corrected, and in how many slices' weight.
_ERROR_VARIANCE_MM2 = 80.0
_ERROR_WEIGHT = 2.0


def signed_distance(mask: npt.NDArray[np.bool_], pixel: tuple[float, ...]) -> Distance:
    """Return distances to the outline of a mask.

    Parameters
    ----------
    mask : ndarray
        ``(rows, columns) bool``: a muscle in one slice.
    pixel : tuple of float
        Height and width of a pixel in mm.

    Returns
    -------
    ndarray
        ``(rows, columns) float32`` in mm, positive inside, at most the farthest.
    """
    if mask.all() or not mask.any():
        return np.where(mask, FARTHEST_MM, -FARTHEST_MM).astype(np.float32)
    inside, outside = (
        ndimage.distance_transform_edt(part, sampling=pixel) for part in (mask, ~mask)
    )
    return np.clip(inside - outside, -FARTHEST_MM, FARTHEST_MM).astype(np.float32)


def model_error(shapes: Distance, drawn: Distance, pixel_mm: float) -> float:
    """Return how far a model was off in the known slices.

    Parameters
    ----------
    shapes, drawn : ndarray
        ``(N, rows, columns) float32``: signed distances in mm, known and the model's.
    pixel_mm : float
        The shorter edge of a pixel in mm.

    Returns
    -------
    float
        Variance of the model's outline in mm²; one or two slices change little of
        what is thought of any model.
    """
    of_all = len(shapes) + _ERROR_WEIGHT
    at_outline = np.minimum(abs(shapes), abs(drawn)) < 1.5 * pixel_mm
    off = np.square(shapes - drawn)[at_outline]
    found = float(off.mean()) if off.size else 0.0
    return (_ERROR_WEIGHT * _ERROR_VARIANCE_MM2 + len(shapes) * found) / of_all


def kriging_weights(
    position: Vector, known: Vector, error_mm2: float
) -> tuple[Vector, Vector, Vector]:
    """Return what each slice takes of the known shapes and of what the model drew.

    Parameters
    ----------
    position, known : ndarray
        ``(S,)`` and ``(N,)``: along the slices' normal in mm, of the slices that are
        proposed and of those that are known.
    error_mm2 : float
        Variance of the model's outline.

    Returns
    -------
    of_shapes, of_drawn : ndarray
        ``(S, N)``: weights of the known shapes, and of the model's in the same slices.
    of_model : ndarray
        ``(S,)``: weight of the model's shape in the slice itself.
    """
    between = np.abs(known[:, None] - known)
    away = np.abs(known[:, None] - position)
    nearest = away.min(axis=0)

    # Ordinary kriging: the mean shape is unknown, so the weights sum up to 1.
    count = len(known)
    system = np.ones((count + 1, count + 1))
    system[:count, :count] = _shape_correlation(between)
    system[count, count] = 0.0
    target = np.ones((count + 1, len(position)))
    target[:count] = _shape_correlation(away)
    solved = np.linalg.solve(system, target)
    shape = solved[:count]
    unlike = np.maximum(1.0 - (solved * target).sum(axis=0), 0.0)
    shape_mm2 = _SHAPE_VARIANCE_MM2 * unlike * (1.0 + np.square(nearest / _OVERLAP_MM))

    # Simple kriging: the model's error is zero on average, and far away.
    correlation = _error_correlation(away)
    difference = np.linalg.solve(_error_correlation(between), correlation)
    unexplained = np.maximum(1.0 - (difference * correlation).sum(axis=0), 0.0)
    model_mm2 = error_mm2 * unexplained

    # Squared variances: the better estimate counts more than normal errors would make it.
    trust = shape_mm2**2 / np.maximum(shape_mm2**2 + model_mm2**2, np.finfo(float).tiny)
    return ((1.0 - trust) * shape + trust * difference).T, -(trust * difference).T, trust


def _shape_correlation(mm: Vector) -> Vector:
    """Matérn 3/2: shapes change smoothly from slice to slice."""
    scaled = np.sqrt(3.0) * mm / _SHAPE_LENGTH_MM
    # Keeps slices that lie close together solvable.
    return (1.0 + scaled) * np.exp(-scaled) + 1e-6 * (mm == 0)


def _error_correlation(mm: Vector) -> Vector:
    return (1.0 - _LOCAL_ERROR_SHARE) * np.exp(
        -mm / _ERROR_LENGTH_MM
    ) + _LOCAL_ERROR_SHARE * np.exp(-mm / _LOCAL_ERROR_LENGTH_MM)
