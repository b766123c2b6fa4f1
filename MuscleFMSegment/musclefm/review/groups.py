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
_Touching = dict[int, dict[int, float]]
"""For each group the groups that it touches, with the area that both share in mm²."""


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
        ``(K, J, I) float32``, not negative: what a cut through a tall group
        should avoid.
    spacing : tuple of float
        Distance of neighbouring voxels in mm.
    gap_mm : float
        Voxels connect through a face along axes of at most this spacing.
    slices_at_most : int
        Groups of more slices are cut, each piece being connected again.

    Returns
    -------
    ndarray
        ``(K, J, I) int32``: the group from 1; 0 where there is no key or the
        group has no weight.
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
    used = np.unique(groups[weights > 0])
    used = used[used > 0]
    number = np.zeros(count + 1, np.int32)
    number[used] = np.arange(1, len(used) + 1)
    return number[groups]


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
    ``at_most`` slices nor fewer than a third of that.
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
    fewer; joined groups are treated like any other.

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
    weight, slices = _weights_and_slices(groups, weights)
    touching = _shared_faces(groups, sides, spacing, gap_mm)
    became = np.arange(len(weight), dtype=np.int32)
    queue = [(weight[group], group) for group in range(1, len(weight))]
    queue = [entry for entry in queue if entry[0] < least_weight]
    heapq.heapify(queue)
    while queue:
        known_weight, light = heapq.heappop(queue)
        if became[light] != light or weight[light] != known_weight:
            continue
        contacts = _forget(light, touching)
        hosts = [
            (area, -host)
            for host, area in contacts.items()
            if max(slices[light][1], slices[host][1]) - min(slices[light][0], slices[host][0])
            < slices_at_most
        ]
        if not hosts:
            became[light] = 0
            continue
        host = -max(hosts)[1]
        became[light] = host
        weight[host] += known_weight
        both = (*slices[light], *slices[host])
        slices[host] = (min(both), max(both))
        for other, area in contacts.items():
            if other != host:
                _touch(host, other, area, touching)
        if weight[host] < least_weight:
            heapq.heappush(queue, (weight[host], host))
    while not np.array_equal(became, became[became]):
        became = became[became]
    return became


def _weights_and_slices(
    groups: npt.NDArray[np.int32], weights: npt.NDArray[np.float32]
) -> tuple[list[float], list[tuple[int, int]]]:
    """Return the weight and the first and last slice of every group from 0."""
    members = np.flatnonzero(groups)
    group = groups.ravel()[members]
    weight = np.bincount(group, weights.ravel()[members], minlength=1)
    k = members // (groups.shape[1] * groups.shape[2])
    # Members are in order of slices, and of repeated indices the last value stays.
    first, last = np.zeros((2, len(weight)), np.intp)
    first[group[::-1]] = k[::-1]
    last[group] = k
    return weight.tolist(), list(zip(first.tolist(), last.tolist(), strict=True))


def _shared_faces(
    groups: npt.NDArray[np.int32],
    sides: npt.NDArray[np.uint8],
    spacing: _Spacing,
    gap_mm: float,
) -> _Touching:
    """Return for each group the groups of its side that it touches."""
    touching: _Touching = {}
    count = int(groups.max(initial=0)) + 1
    for axis in range(3):
        if spacing[axis] > gap_mm:
            continue
        here = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        there = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        a, b = groups[here], groups[there]
        meet = (a != b) & (a > 0) & (b > 0) & (sides[here] == sides[there])
        pairs, faces = np.unique(a[meet].astype(np.int64) * count + b[meet], return_counts=True)
        face_mm2 = spacing[axis - 1] * spacing[axis - 2]
        for pair, number in zip(pairs.tolist(), faces.tolist(), strict=True):
            _touch(pair // count, pair % count, number * face_mm2, touching)
    return touching


def _touch(one: int, other: int, area: float, touching: _Touching) -> None:
    """Add to the area that two groups share."""
    for a, b in ((one, other), (other, one)):
        contacts = touching.setdefault(a, {})
        contacts[b] = contacts.get(b, 0.0) + area


def _forget(group: int, touching: _Touching) -> dict[int, float]:
    """Take a group out and return what it touched."""
    contacts = touching.pop(group, {})
    for other in contacts:
        del touching[other][group]
    return contacts
