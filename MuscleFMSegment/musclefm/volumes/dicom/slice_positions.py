"""Where the slices of a stack lie, and whether that makes a regular grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.plain_text import figures

SAME_PLACE_MM = 0.05
"""Slices closer than this lie at one position: headers round to about 0.001 mm."""

_OFF_PLACE = 0.05
_SPARSEST = 0.25


@dataclass(frozen=True)
class RegularSlices:
    """A regular row of slots, each holding a slice or none.

    Attributes
    ----------
    slots : tuple of int
        The slot of each slice, from 0, ascending.
    step_mm : float
        From slot to slot.
    off_mm : float
        How far a slice lies from its slot at most.
    """

    slots: tuple[int, ...]
    step_mm: float
    off_mm: float

    @property
    def count(self) -> int:
        """Number of slots."""
        return self.slots[-1] + 1

    @property
    def missing(self) -> tuple[int, ...]:
        """Slots without a slice."""
        return tuple(sorted(set(range(self.count)) - set(self.slots)))


def regular_slices(positions_mm: npt.NDArray[np.float64], what: str) -> RegularSlices:
    """Find the regular grid on which slices lie, with gaps where slices are missing.

    The common distance is that of the closest neighbours, a quarter of all at
    least; every other distance must be a multiple of it, so that a missing slice
    leaves a gap and never moves its neighbours together. A slice may lie 5 % of
    the distance off.

    Parameters
    ----------
    positions_mm : ndarray
        ``(n,)``, n >= 2, along the normal, ascending and distinct.
    what : str
        What the image is called in messages.

    Raises
    ------
    MuscleFMError
        The slices lie on no regular grid, or fill less than a quarter of it.
    """
    distances = np.diff(positions_mm)
    close = distances < 1.5 * distances.min()
    closest = distances[close].mean()
    slots = np.r_[0, np.cumsum(np.maximum(np.rint(distances / closest), 1)).astype(int)]
    step, start = np.polyfit(slots, positions_mm, 1)
    off = float(np.abs(start + step * slots - positions_mm).max())
    sparse = close.mean() < _SPARSEST or len(slots) < _SPARSEST * (slots[-1] + 1)
    if off > _OFF_PLACE * step or sparse:
        raise MuscleFMError(
            f"the slices of {what} lie at irregular distances"
            f" ({figures(distances.min())} to {figures(distances.max())} mm)",
            "export the series again as a whole, or resample it to even distances",
        )
    return RegularSlices(tuple(int(slot) for slot in slots), float(step), off)


def longest_run(positions_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which slices make the longest row of even distances, others lying between or beyond.

    Parameters
    ----------
    positions_mm : ndarray
        ``(n,)``, n >= 2, along the normal, ascending and distinct.

    Returns
    -------
    ndarray
        ``(n,) bool``.
    """
    best: list[int] = []
    for first, start in enumerate(positions_mm[:-1]):
        for second in range(first + 1, min(first + 4, len(positions_mm))):
            run = [first, second]
            step = positions_mm[second] - start
            while True:
                at = int(np.abs(positions_mm - (start + step * len(run))).argmin())
                if abs(positions_mm[at] - start - step * len(run)) > _OFF_PLACE * step:
                    break
                run.append(at)
                step = (positions_mm[at] - start) / (len(run) - 1)
            best = max(best, run, key=len)
    chosen = np.zeros(len(positions_mm), dtype=bool)
    chosen[best] = True
    return chosen


def places(positions_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Number the distinct positions of frames, ascending from 0.

    Parameters
    ----------
    positions_mm : ndarray
        ``(n,)`` along the normal, in any order.
    """
    order = np.argsort(positions_mm, kind="stable")
    starts = np.diff(positions_mm[order], prepend=positions_mm[order[0]]) > SAME_PLACE_MM
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.cumsum(starts)
    return numbers
