"""What an order of review is worth: how soon it finds the wrong voxels.

One look is at one muscle of one side in one slice, by a reader who knows the reference:
it finds all wrong voxels there that the segmentation or the reference gives to the
muscle. So a wrong voxel between two muscles is found by a look at either.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.labels.sided import IGNORE

Look = tuple[int, int]
"""A slice (index along the slice axis) and a muscle with its side (sided value)."""

RegionLooks = tuple[int, int, Collection[int]]
"""First and last slice of a flagged region, and the sided values of its muscles."""

CURVE_POINTS = 101
RANDOM_ORDERS = 20

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Looks:
    """All possible looks at a case.

    Attributes
    ----------
    finds : dict
        For each look, in order of slices and then values, the indices of the groups of
        wrong voxels that it finds.
    counts : ndarray
        ``(G,) int64``: wrong voxels of each group, i.e. of one slice, one label and
        one reference.
    """

    finds: dict[Look, tuple[int, ...]]
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True)
class ReviewOrder:
    """Ways through a case: share of all wrong voxels found after 0, 1 to 100 % of the looks.

    Attributes
    ----------
    queue : ndarray
        ``(101,)``: region after region, then what is left, slice by slice.
    best : ndarray
        ``(101,)``: always the look that finds most. Where wrong voxels lie between two
        muscles, another order may be better by a little.
    slice_by_slice : ndarray
        ``(101,)``: all muscles of one slice after another.
    random : ndarray
        ``(101,)``: mean of random orders.
    """

    queue: Numbers
    best: Numbers
    slice_by_slice: Numbers
    random: Numbers

    @property
    def worth(self) -> float:
        """How far the queue is from random (0) to best (1), by area; NaN where these agree.

        Below 0 it is worse than chance.
        """
        possible = float((self.best - self.random).sum())
        return float((self.queue - self.random).sum()) / possible if possible > 0 else float("nan")


def possible_looks(
    labels: npt.NDArray[np.uint8], reference: npt.NDArray[np.uint8], slice_axis: int = 0
) -> Looks:
    """Return the looks at all that the labels or the reference show.

    Parameters
    ----------
    labels, reference : ndarray
        ``(K, J, I) uint8``: sided values, 0 background; where the reference is IGNORE,
        nothing is looked at.
    slice_axis : int
        Axis of the array along which slices are counted.
    """
    finds: dict[Look, list[int]] = {}
    counts: list[int] = []
    planes = (np.moveaxis(array, slice_axis, 0) for array in (labels, reference))
    for k, (found, truth) in enumerate(zip(*planes, strict=True)):
        known = truth != IGNORE
        pairs = found[known].astype(np.int64) * (IGNORE + 1) + truth[known]
        for pair, count in zip(*np.unique(pairs, return_counts=True), strict=True):
            values = sorted(set(divmod(int(pair), IGNORE + 1)) - {0})
            for value in values:
                finds.setdefault((k, value), [])
            if int(pair) // (IGNORE + 1) != int(pair) % (IGNORE + 1):
                for value in values:
                    finds[k, value].append(len(counts))
                counts.append(int(count))
    ordered = {look: tuple(finds[look]) for look in sorted(finds)}
    return Looks(ordered, np.array(counts, np.int64))


def review_order(looks: Looks, regions: Iterable[RegionLooks], seed: int = 0) -> ReviewOrder:
    """Compare the order of the flagged regions with other ways through a case.

    Parameters
    ----------
    looks : Looks
        Of the case.
    regions : iterable of RegionLooks
        In the order of review.
    seed : int
        Of the random orders.
    """
    possible = list(looks.finds)
    rng = np.random.default_rng(seed)
    shuffled = [[possible[n] for n in rng.permutation(len(possible))] for _ in range(RANDOM_ORDERS)]
    return ReviewOrder(
        queue=_found(_queue_order(looks, regions), looks),
        best=_found(_best_order(looks), looks),
        slice_by_slice=_found(possible, looks),
        random=np.mean([_found(order, looks) for order in shuffled], axis=0),
    )


def _queue_order(looks: Looks, regions: Iterable[RegionLooks]) -> list[Look]:
    order: dict[Look, None] = {}
    for first, last, values in regions:
        for look in looks.finds:
            if first <= look[0] <= last and look[1] in values:
                order.setdefault(look)
    return list(dict.fromkeys([*order, *looks.finds]))


def _best_order(looks: Looks) -> list[Look]:
    left = looks.counts.copy()

    def gain(look: Look) -> int:
        return int(left[list(looks.finds[look])].sum())

    # What a look finds only ever falls, so one that is still up to date on top is the best.
    heap = [(-gain(look), look) for look in looks.finds]
    heapq.heapify(heap)
    order = []
    while heap:
        found, look = heapq.heappop(heap)
        if -found != gain(look):
            heapq.heappush(heap, (-gain(look), look))
            continue
        left[list(looks.finds[look])] = 0
        order.append(look)
    return order


def _found(order: Sequence[Look], looks: Looks) -> Numbers:
    """Return the share found after 0, 1 to 100 % of the looks; all is found where nothing is."""
    left = looks.counts.astype(np.float64)
    total = left.sum()
    if not total:
        return np.ones(CURVE_POINTS)
    shares = [0.0]
    for look in order:
        groups = list(looks.finds[look])
        shares.append(shares[-1] + float(left[groups].sum()) / total)
        left[groups] = 0
    return np.interp(
        np.linspace(0, 1, CURVE_POINTS), np.linspace(0, 1, len(shares)), np.array(shares)
    )
