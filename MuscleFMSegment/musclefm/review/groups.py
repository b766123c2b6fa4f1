"""Groups of connected voxels: made, cut where they are tall, and joined where small.

Arrays are ``(K, J, I)`` in canonical orientation (see ``volumes.orientation``),
spacings are ``(K, J, I)`` in mm.
"""

from __future__ import annotations

import heapq
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

_Spacing = tuple[float, float, float]


def connected_groups(
    keys: npt.NDArray[np.uint16],
    weights: npt.NDArray[np.float32],
    spacing: _Spacing,
    gap_mm: float,
    slices_at_most: int,
) -> npt.NDArray[np.int32]:
    """Number the groups of connected voxels that share a key.

    Parameters
    ----------
    keys : ndarray
        ``(K, J, I) uint16``: only voxels of one key belong together; 0 is none.
    weights : ndarray
        ``(K, J, I) float32``: what a cut through a tall group should avoid.
    spacing : tuple of float
        Distance of neighbouring voxels in mm.
    gap_mm : float
        Voxels connect through a face along axes of at most this spacing.
    slices_at_most : int
        Groups of more slices are cut, each piece being connected again.

    Returns
    -------
    ndarray
        ``(K, J, I) int32``: the group from 1; 0 where the key is 0. Some
        numbers may be unused.
    """
    structure = _connecting_faces(spacing, gap_mm)
    groups = np.zeros(keys.shape, np.int32)
    count = 0
    for key, box in enumerate(ndimage.find_objects(keys), start=1):
        if box is not None:
            count = _number_parts(groups[box], keys[box] == key, structure, count)
    for group, box in enumerate(ndimage.find_objects(groups), start=1):
        height = box[0].stop - box[0].start
        if height <= slices_at_most:
            continue
        inside = groups[box] == group
        profile = np.where(inside, weights[box], 0.0).sum(axis=(1, 2), dtype=np.float64)
        for start, stop in pairwise((0, *_lightest_cuts(profile, slices_at_most), height)):
            count = _number_parts(groups[box][start:stop], inside[start:stop], structure, count)
    return groups


def _connecting_faces(spacing: _Spacing, gap_mm: float) -> npt.NDArray[np.bool_]:
    """Return the 3 x 3 x 3 neighbourhood of faces, without axes of a larger spacing."""
    structure = np.zeros((3, 3, 3), np.bool_)
    structure[1, 1, 1] = True
    if spacing[0] <= gap_mm:
        structure[:, 1, 1] = True
    if spacing[1] <= gap_mm:
        structure[1, :, 1] = True
    if spacing[2] <= gap_mm:
        structure[1, 1, :] = True
    return structure


def _number_parts(
    groups: npt.NDArray[np.int32],
    inside: npt.NDArray[np.bool_],
    structure: npt.NDArray[np.bool_],
    count: int,
) -> int:
    """Number the connected parts of a mask in ``groups``, on from ``count``; return the last."""
    parts, found = ndimage.label(inside, structure)
    np.copyto(groups, parts + np.int32(count), where=inside)
    return count + int(found)


def _lightest_cuts(profile: npt.NDArray[np.float64], at_most: int) -> list[int]:
    """Return the slices that start a new piece, so that the cuts weigh least in all.

    A cut weighs what the two slices beside it hold. No piece has more than
    ``at_most`` slices nor fewer than a third of that, as far as this can be had.
    """
    at_least = -(-at_most // 3)
    height = len(profile)
    best = np.full(height + 1, np.inf)
    best[0] = 0.0
    before = np.zeros(height + 1, np.intp)
    for stop in range(at_least, height + 1):
        weight = profile[stop - 1] + profile[stop] if stop < height else 0.0
        starts = best[max(0, stop - at_most) : stop - at_least + 1]
        lightest = int(np.argmin(starts))
        best[stop] = starts[lightest] + weight
        before[stop] = lightest + max(0, stop - at_most)
    cuts = []
    stop = int(before[height])
    while stop > 0:
        cuts.append(stop)
        stop = int(before[stop])
    return cuts[::-1]


def join_small_groups(
    groups: npt.NDArray[np.int32],
    sides: npt.NDArray[np.uint8],
    weights: npt.NDArray[np.float32],
    spacing: _Spacing,
    gap_mm: float,
    slices_at_most: int,
    least_weight: float,
) -> npt.NDArray[np.int32]:
    """Let light groups join what they touch, lightest first, and drop the rest.

    A group below ``least_weight`` joins the group of its side with which it
    shares the largest face, if both together have ``slices_at_most`` slices or
    fewer; groups that have grown so are treated like any other.

    Parameters
    ----------
    groups : ndarray
        ``(K, J, I) int32`` from :func:`connected_groups`.
    sides : ndarray
        ``(K, J, I) uint8``: groups of different sides never join.
    weights : ndarray
        ``(K, J, I) float32``: a group weighs their sum.
    spacing, gap_mm, slices_at_most
        As in :func:`connected_groups`.
    least_weight : float
        The smallest weight that stands on its own.

    Returns
    -------
    ndarray
        ``(number of groups + 1,) int32``: for each group, the group that it has
        become, 0 where it was dropped.
    """
    boxes = ndimage.find_objects(groups)
    count = len(boxes) + 1
    members = np.flatnonzero(groups)
    weight = np.bincount(groups.ravel()[members], weights.ravel()[members], minlength=count)
    first = [0, *(box[0].start if box else 0 for box in boxes)]
    last = [0, *(box[0].stop - 1 if box else 0 for box in boxes)]
    touching = _shared_faces(groups, sides, spacing, gap_mm)
    became = np.arange(count, dtype=np.int32)
    queue = [(float(weight[group]), group) for group in range(1, count) if boxes[group - 1]]
    queue = [entry for entry in queue if entry[0] < least_weight]
    heapq.heapify(queue)
    while queue:
        known_weight, light = heapq.heappop(queue)
        if became[light] != light or weight[light] != known_weight:
            continue
        hosts = [
            (area, -host)
            for host, area in touching.get(light, {}).items()
            if max(last[light], last[host]) - min(first[light], first[host]) < slices_at_most
        ]
        if not hosts:
            for other in touching.pop(light, {}):
                del touching[other][light]
            became[light] = 0
            continue
        host = -max(hosts)[1]
        became[light] = host
        weight[host] += known_weight
        first[host] = min(first[host], first[light])
        last[host] = max(last[host], last[light])
        for other, area in touching.pop(light).items():
            del touching[other][light]
            if other != host:
                touching[host][other] = touching[host].get(other, 0.0) + area
                touching[other][host] = touching[other].get(host, 0.0) + area
        if weight[host] < least_weight:
            heapq.heappush(queue, (float(weight[host]), host))
    while not np.array_equal(became, became[became]):
        became = became[became]
    return became


def _shared_faces(
    groups: npt.NDArray[np.int32],
    sides: npt.NDArray[np.uint8],
    spacing: _Spacing,
    gap_mm: float,
) -> dict[int, dict[int, float]]:
    """Return for each group the groups of its side that it touches, with the area in mm²."""
    touching: dict[int, dict[int, float]] = {}
    count = int(groups.max(initial=0)) + 1
    for axis in range(3):
        if spacing[axis] > gap_mm:
            continue
        face_mm2 = float(np.prod(spacing)) / spacing[axis]
        here, there = (
            tuple(part if a == axis else slice(None) for a in range(3))
            for part in (slice(None, -1), slice(1, None))
        )
        a, b = groups[here], groups[there]
        meet = (a != b) & (a > 0) & (b > 0) & (sides[here] == sides[there])
        low = np.minimum(a[meet], b[meet]).astype(np.int64)
        high = np.maximum(a[meet], b[meet])
        pairs, faces = np.unique(low * count + high, return_counts=True)
        for pair, number in zip(pairs.tolist(), faces.tolist(), strict=True):
            one, other = divmod(pair, count)
            area = touching.setdefault(one, {}).get(other, 0.0) + number * face_mm2
            touching[one][other] = area
            touching.setdefault(other, {})[one] = area
    return touching
