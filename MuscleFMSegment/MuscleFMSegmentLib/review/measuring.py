"""Volumes and fat fractions that follow the labels, a few slices between two events of the user."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.review.measures import MuscleMeasure, MuscleTally
from MuscleFMSegmentLib.scene.case import CaseInScene

# So long Slicer may stand still at a time. A second thread would hold it up for longer:
# it keeps Python's lock while it counts.
_PIECE_S = 0.005


class Measuring:
    """What is measured of a case's muscles; only slices that changed are counted anew.

    Parameters
    ----------
    case : CaseInScene
        The case.
    timer : qt.QTimer
        Of its own; runs while there is something to count.
    onMeasured : callable
        Called without arguments when the measures have followed.
    """

    def __init__(self, case: CaseInScene, timer: Any, onMeasured: Callable[[], None]) -> None:
        self._case = case
        self._onMeasured = onMeasured
        self._tally = MuscleTally(case.scheme, len(case.modelLabels))
        self._labels: npt.NDArray[np.uint8] | None = None
        self._toCount: set[int] = set()
        self.measures: tuple[MuscleMeasure, ...] = ()
        self._timer = timer
        timer.interval = 0
        timer.connect("timeout()", self._count)

    @property
    def isBusy(self) -> bool:
        """Whether the measures are not yet those of the labels."""
        return bool(self._timer.active)

    def follow(self, labels: npt.NDArray[np.uint8]) -> None:
        """Measure labels ``(K, J, I) uint8``, to which nobody may write; return at once."""
        before, self._labels = self._labels, labels
        if before is None:
            self._toCount = set(range(len(labels)))
        elif before is not labels:
            pairs = enumerate(zip(before, labels, strict=True))
            self._toCount |= {k for k, (old, new) in pairs if not np.array_equal(old, new)}
        self._timer.start()

    def stop(self) -> None:
        """Measure no more."""
        self._timer.stop()

    def _count(self) -> None:
        fat = self._case.fatFraction
        until = time.perf_counter() + _PIECE_S
        while self._toCount and self._labels is not None and time.perf_counter() < until:
            k = self._toCount.pop()
            self._tally.count(k, self._labels[k], None if fat is None else fat[k])
        if not self._toCount:
            self._timer.stop()
            self.measures = self._tally.measures(self._case.grid.voxel_volume_mm3)
            self._onMeasured()
