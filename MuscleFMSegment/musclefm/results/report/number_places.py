"""Where the numbers of regions are written, so that none prints over another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Corner = tuple[int, int]
Size = tuple[int, int]

# A number is moved by this share of its height at a time, and no farther than so many heights.
_STEP = 0.5
_FARTHEST = 6.0


def place_numbers(wanted: Sequence[Corner], sizes: Sequence[Size], picture: Size) -> list[Corner]:
    """Return the upper left corners of boxes that do not overlap, near where they are wanted.

    The first box is served first. Where no place is free near a box, in a
    picture crowded with regions, it takes the farthest one that overlaps least.

    Parameters
    ----------
    wanted : sequence of tuple of int
        The ``(x, y)`` of the upper left corners.
    sizes : sequence of tuple of int
        Width and height of the boxes in pixels.
    picture : tuple of int
        Width and height within which they lie.
    """
    placed = np.zeros((0, 4))
    corners: list[Corner] = []
    for (x, y), (width, height) in zip(wanted, sizes, strict=True):
        reach = np.arange(-_FARTHEST, _FARTHEST + _STEP, _STEP) * height
        across, down = (moves.ravel() for moves in np.meshgrid(reach, reach))
        left = np.clip(np.rint(x + across), 0, max(0, picture[0] - width))
        top = np.clip(np.rint(y + down), 0, max(0, picture[1] - height))
        order = np.argsort(np.hypot(left - x, top - y), kind="stable")
        left, top = left[order], top[order]
        over_x = np.minimum(left + width, placed[:, [2]]) - np.maximum(left, placed[:, [0]])
        over_y = np.minimum(top + height, placed[:, [3]]) - np.maximum(top, placed[:, [1]])
        overlap = (np.maximum(over_x, 0) * np.maximum(over_y, 0)).sum(axis=0)
        best = int(overlap.argmin())
        corners.append((int(left[best]), int(top[best])))
        box = [left[best], top[best], left[best] + width, top[best] + height]
        placed = np.vstack([placed, box])
    return corners
