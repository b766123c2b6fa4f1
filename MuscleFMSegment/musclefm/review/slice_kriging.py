"""Weighing known slices of a muscle against what a model drew, by kriging along their normal.

Two estimates are weighed in every slice, both as signed distances to the outline
within the slice, in mm. One interpolates the shapes of the slices that are known,
moved and scaled so that their centroids and sizes are interpolated too; the other
takes the model's shape there and adds the interpolated difference to the known
ones. Each comes with a variance: that of the shapes grows with the distance to the
known slices, that of the model also with how far it was off in those, and how
uncertain it is. Lengths and variances were measured on rendered legs, see
``Testing/benchmarks/carry_between_slices.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

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

# Shapes that count less than this in a slice are not worth moving.
_LEAST_WEIGHT = 0.02
# How far sizes may be extrapolated.
_SIZES = (0.5, 1.5)


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


@dataclass(frozen=True)
class Kriging:
    """What the slices without a known outline take from those with one.

    Attributes
    ----------
    weights : ndarray
        ``(S, N)``.
    variance : ndarray
        ``(S,)``: how unsure that is.
    """

    weights: Vector
    variance: Vector


def shape_kriging(position: Vector, known: Vector) -> Kriging:
    """Return weights of known shapes, which sum up to 1, and variances in mm².

    Parameters
    ----------
    position, known : ndarray
        ``(S,)`` and ``(N,)``: along the slices' normal in mm, of slices without and with
        a known outline.
    """
    away = np.abs(known[:, None] - position)
    # Ordinary kriging: the mean shape is unknown.
    count = len(known)
    system = np.ones((count + 1, count + 1))
    system[:count, :count] = _shape_correlation(np.abs(known[:, None] - known))
    system[count, count] = 0.0
    target = np.ones((count + 1, len(position)))
    target[:count] = _shape_correlation(away)
    solved = np.linalg.solve(system, target)
    unlike = np.maximum(1.0 - (solved * target).sum(axis=0), 0.0)
    far = 1.0 + np.square(away.min(axis=0) / _OVERLAP_MM)
    return Kriging(solved[:count].T, _SHAPE_VARIANCE_MM2 * unlike * far)


def error_kriging(position: Vector, known: Vector) -> Kriging:
    """Return weights of the model's errors in known slices, and the share left unexplained.

    Parameters
    ----------
    position, known : ndarray
        As in :func:`shape_kriging`.
    """
    # Simple kriging: the error is zero on average, and where no known slice is near.
    correlation = _error_correlation(np.abs(known[:, None] - position))
    weights = np.linalg.solve(_error_correlation(np.abs(known[:, None] - known)), correlation)
    unexplained = np.maximum(1.0 - (weights * correlation).sum(axis=0), 0.0)
    return Kriging(weights.T, unexplained)


def trust_in_model(shape_mm2: float, model_mm2: float) -> float:
    """Return what the corrected model counts beside the interpolated shape, in [0, 1].

    By squared variances: the better estimate counts more than normal errors would make it.
    """
    return shape_mm2**2 / max(shape_mm2**2 + model_mm2**2, np.finfo(float).tiny)


def interpolated_shape(shapes: Distance, weights: Vector) -> Distance:
    """Return known shapes, moved to a common centroid and size, and averaged.

    Parameters
    ----------
    shapes : ndarray
        ``(N, rows, columns) float32``: signed distances in mm.
    weights : ndarray
        ``(N,)``: they sum up to 1 and may be negative.

    Returns
    -------
    ndarray
        ``(rows, columns) float32``: signed distances in mm. Empty shapes have nothing to
        be moved, and make the others shrink.
    """
    filled = [at for at, shape in enumerate(shapes) if (shape > 0).any()]
    share = weights[filled].sum()
    if share < 0.5:
        return np.asarray(np.tensordot(weights, shapes, 1), np.float32)
    centroids = np.array([np.argwhere(shapes[at] > 0).mean(axis=0) for at in filled])
    sizes = np.array([np.sqrt(np.count_nonzero(shapes[at] > 0)) for at in filled])
    centroid = weights[filled] @ centroids / share
    size = np.clip(
        weights[filled] @ sizes / share, _SIZES[0] * sizes.min(), _SIZES[1] * sizes.max()
    )
    total = np.full(shapes.shape[1:], -FARTHEST_MM * (1.0 - share), np.float32)
    for at, own_centroid, own_size in zip(filled, centroids, sizes, strict=True):
        if abs(weights[at]) < _LEAST_WEIGHT:
            total += weights[at] * shapes[at]
            continue
        zoom = own_size / size
        moved = ndimage.affine_transform(
            shapes[at],
            np.diag([zoom, zoom]),
            own_centroid - zoom * centroid,
            order=1,
            mode="nearest",
        )
        total += weights[at] / zoom * moved
    return total


def _shape_correlation(mm: Vector) -> Vector:
    """Matérn 3/2: shapes change smoothly from slice to slice."""
    scaled = np.sqrt(3.0) * mm / _SHAPE_LENGTH_MM
    # Keeps slices that lie close together solvable.
    return (1.0 + scaled) * np.exp(-scaled) + 1e-6 * (mm == 0)


def _error_correlation(mm: Vector) -> Vector:
    return (1.0 - _LOCAL_ERROR_SHARE) * np.exp(
        -mm / _ERROR_LENGTH_MM
    ) + _LOCAL_ERROR_SHARE * np.exp(-mm / _LOCAL_ERROR_LENGTH_MM)
