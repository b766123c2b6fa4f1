"""The range of an image's true signal, apart from padding, offsets and outliers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

# Percentiles of the field: few enough voxels lie beyond them to be outliers.
_FLOOR_PERCENTILE = 0.5
_TOP_PERCENTILE = 98.0
# Fat beside a surface coil stays below this many times the range between them.
_HEADROOM = 4.0
# One exact value of so many voxels is a plateau, not noise.
_PLATEAU_SHARE = 0.001
# The lowest plateau is no part of the signal where it lies off the rest by this share of its
# range: a negative one, as magnitudes have none, or one that may also be masked air.
_GAP_OF_NEGATIVE, _GAP = 0.1, 0.5
# Of a picture of fewer values, such as labels, the lowest is the air.
_VALUES_OF_AN_IMAGE = 32
# Padding inside the range of the signal holds this share of the edge of the slices.
_SHARE_OF_EDGE = 0.5
# Traces, as interpolation leaves beside a body, are lost where an offset takes the digits.
_LEAST_SIGNAL = 0.001
# Padding around a field that was padded before.
_PADDINGS_AT_MOST = 3
_SAMPLES = 4_000_000


def cleaned(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the signal of a volume alone.

    The floor, a low percentile within the field, becomes 0. What is not finite
    and constant padding become 0 too, wherever their value lies. Hot voxels and
    saturated blocks far above the signal take the value of the nearest voxel of
    their slice that is none of them. An added offset, padding or outliers thus
    change nothing of the result but where they lie.

    Parameters
    ----------
    array : ndarray
        ``(K, J, I)`` intensities of any unit.

    Returns
    -------
    ndarray
        ``(K, J, I) float32``, at least 0.
    """
    values = np.asarray(array, np.float32)
    field = np.isfinite(values)
    field &= ~_padding(values, field)
    if not field.any():
        return np.zeros(values.shape, np.float32)
    floor, top = _range(values, field)
    highest = floor + _HEADROOM * (top - floor)
    outliers = field & (values > highest)
    signal = np.where(field, values, floor)
    for k in np.flatnonzero(outliers.any(axis=(1, 2))):
        if not outliers[k].all():
            nearest = ndimage.distance_transform_edt(
                outliers[k], return_distances=False, return_indices=True
            )
            signal[k] = signal[k][tuple(nearest)]
    return np.asarray(np.clip(signal, floor, highest) - np.float32(floor), np.float32)


def signal_box(signal: npt.NDArray[np.float32]) -> tuple[slice, slice, slice]:
    """Return the smallest box ``(K, J, I)`` around what :func:`cleaned` left, or the whole."""
    shows = signal > _LEAST_SIGNAL * signal.max(initial=0)
    box = []
    for axis, size in enumerate(signal.shape):
        shown = np.flatnonzero(shows.any(axis=tuple({0, 1, 2} - {axis})))
        box.append(slice(int(shown[0]), int(shown[-1]) + 1) if shown.size else slice(0, size))
    return box[0], box[1], box[2]


def _range(values: npt.NDArray[np.float32], field: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return floor and top of the field, the top from below any saturated plateau."""
    sample = _sample(values[field])
    floor = float(np.percentile(sample, _FLOOR_PERCENTILE))
    count = sample.size
    # However much of the field is masked air.
    sample = sample[sample > floor]
    while sample.size:
        top = float(np.percentile(sample, _TOP_PERCENTILE))
        saturated = sample == sample.max()
        rest = sample[~saturated]
        if not rest.size or np.count_nonzero(saturated) < _PLATEAU_SHARE * count:
            return floor, top
        below = float(np.percentile(rest, _TOP_PERCENTILE))
        if sample.max() <= floor + _HEADROOM * (below - floor):
            return floor, top
        sample = rest
    return floor, floor


def _padding(
    values: npt.NDArray[np.float32], field: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Mark constant padding: below the signal, or filling most of the edge of the slices."""
    padding = np.zeros(values.shape, bool)
    edge = np.zeros(values.shape[1:], bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    at_edge = values[:, edge][field[:, edge]]
    if at_edge.size:
        found, counts = np.unique(at_edge, return_counts=True)
        likeliest = found[counts.argmax()]
        inside = field & (values != likeliest)
        common = counts.max() > _SHARE_OF_EDGE * at_edge.size
        below = values[inside & (values < likeliest)]
        # Noise varies; below masked air lies at most another padding, of one value.
        varies = below.size > _PLATEAU_SHARE * inside.sum() and below.min() < below.max()
        if common and varies:
            padding |= field & (values == likeliest)
    for _ in range(_PADDINGS_AT_MOST):
        within = field & ~padding
        if not within.any():
            break
        lowest = values[within].min()
        sample = _sample(values[within])
        rest = sample[sample > lowest]
        if not rest.size or (sample == lowest).mean() < _PLATEAU_SHARE:
            break
        floor, top = np.percentile(rest, [_FLOOR_PERCENTILE, _TOP_PERCENTILE])
        gap = _GAP_OF_NEGATIVE if lowest < 0 <= floor else _GAP
        if floor - lowest <= gap * (top - floor) or np.unique(rest).size < _VALUES_OF_AN_IMAGE:
            break
        padding |= within & (values == lowest)
    return padding


def _sample(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return at most some millions of values, evenly taken."""
    return np.asarray(values[:: max(1, values.size // _SAMPLES)])
