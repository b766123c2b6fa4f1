"""Where a reference tells anything: nothing counts as background that it does not tell."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.labels.sided import IGNORE

Labels = npt.NDArray[np.uint8]

BOX_MARGIN = 5
"""Pixels around each bounding box of Casali et al. 2025."""


def labelled_slices(reference: Labels, slice_axis: int = 0) -> npt.NDArray[np.bool_]:
    """Return which slices show a muscle.

    Parameters
    ----------
    reference : ndarray
        ``(K, J, I) uint8``: 0 background, IGNORE unknown.
    slice_axis : int
        Axis of the array along which slices are counted.

    Returns
    -------
    ndarray
        ``(slices,) bool``.
    """
    others = tuple(axis for axis in range(reference.ndim) if axis != slice_axis)
    shown: npt.NDArray[np.bool_] = ((reference > 0) & (reference != IGNORE)).any(axis=others)
    return shown


def known_reference(
    reference: Labels,
    labels: Labels,
    annotated: Collection[int],
    other_side: Collection[int],
    spacing: tuple[float, ...],
    slice_axis: int = 0,
) -> Labels:
    """Return a reference in which all that it does not tell is IGNORE.

    Unknown are: slices without a label; background that the segmentation gives to a
    muscle that nobody annotated; and, where one side alone was annotated, background
    nearer to the other side's muscles than to any of the annotated side.

    Parameters
    ----------
    reference, labels : ndarray
        ``(K, J, I) uint8``: sided values, 0 background; IGNORE in the reference.
    annotated : collection of int
        Sided values that the reference would show if they were there.
    other_side : collection of int
        Sided values of the side that was not annotated; empty where both were.
    spacing : tuple of float
        Of the axes of the arrays, in their order, in mm.
    slice_axis : int
        Axis of the array along which slices are counted.
    """
    shown = (reference > 0) & (reference != IGNORE)
    unknown = (labels > 0) & ~np.isin(labels, list(annotated))
    beyond = np.isin(labels, list(other_side)) & ~shown
    if beyond.any():
        mine = shown | ((labels > 0) & ~beyond)
        unknown |= _distance_to(beyond, spacing) < _distance_to(mine, spacing)
    unknown &= ~shown
    shape = [1] * reference.ndim
    shape[slice_axis] = -1
    unknown |= ~labelled_slices(reference, slice_axis).reshape(shape)
    return np.where(unknown, np.uint8(IGNORE), reference)


def without_merged(array: Labels, merged: Sequence[Collection[int]], label_count: int) -> Labels:
    """Return labels in which muscles that the reference does not tell apart are one.

    Parameters
    ----------
    array : ndarray
        ``(K, J, I) uint8``: sided values, 0 background, IGNORE.
    merged : sequence of collections of int
        Ids of muscles that are taken together: all become the lowest of them.
    label_count : int
        Muscles of the scheme; the left side's values begin after it.
    """
    table = np.arange(IGNORE + 1, dtype=np.uint8)
    for group in merged:
        for label_id in group:
            table[label_id] = min(group)
            table[label_id + label_count] = min(group) + label_count
    return np.asarray(table[array])


def casali_boxes(reference: Labels, slice_axis: int = 0) -> Iterator[tuple[int, slice, slice]]:
    """Yield the boxes in which Casali et al. 2025 compute their calibration.

    In each slice, each connected component (corners count) of all muscles together
    gives its bounding box and 5 pixels around it; where boxes overlap, voxels count
    once for each.

    Parameters
    ----------
    reference : ndarray
        ``(K, J, I) uint8``: 0 background, IGNORE unknown.
    slice_axis : int
        Axis of the array along which slices are counted.

    Yields
    ------
    tuple
        Slice, and the ranges along the other two axes in their order.
    """
    for k, plane in enumerate(np.moveaxis(reference, slice_axis, 0)):
        shown = (plane > 0) & (plane != IGNORE)
        components, _ = ndimage.label(shown, np.ones((3, 3)))
        for rows, columns in ndimage.find_objects(components):
            yield k, _wider(rows), _wider(columns)


def _wider(places: slice) -> slice:
    return slice(max(places.start - BOX_MARGIN, 0), places.stop + BOX_MARGIN)


def _distance_to(
    mask: npt.NDArray[np.bool_], spacing: tuple[float, ...]
) -> npt.NDArray[np.float64]:
    if not mask.any():
        return np.full(mask.shape, np.inf)
    distance: npt.NDArray[np.float64] = ndimage.distance_transform_edt(~mask, sampling=spacing)
    return distance
