"""What the reader looked at: the default of what a saved case says is verified."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from musclefm.corrections.case import Reviewed
from musclefm.review.findings import FlaggedRegion
from musclefm.review.muscle_slices import MuscleSlices
from musclefm.review.queue import RESOLVED
from MuscleFMSegmentLib.review.review_listener import ReviewListener
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.slice_views import SliceViews

# A slice that is scrolled past has not been looked at.
_SHORTEST_LOOK_MS = 200


class Visits:
    """Slices and muscles of a case that the reader visited.

    Parameters
    ----------
    case : CaseInScene
        The case.
    views : SliceViews
        What the reader looks at.
    timer : qt.QTimer
        Of its own; waits until a slice has been shown long enough.
    listener : ReviewListener
        Hears of new visits.
    """

    def __init__(
        self, case: CaseInScene, views: SliceViews, timer: Any, listener: ReviewListener
    ) -> None:
        self.slices: frozenset[int] = frozenset()
        self.muscles: frozenset[int] = frozenset()
        self._case = case
        self._views = views
        self._listener = listener
        self._edited: frozenset[int] = frozenset()
        self._shown: frozenset[int] = frozenset()
        self._timer = timer
        timer.setSingleShot(True)
        timer.interval = _SHORTEST_LOOK_MS
        timer.connect("timeout()", self._look)
        self._stopObserving: Callable[[], None] = views.observe(self.follow)

    @property
    def count(self) -> int:
        """How much was visited; it only grows."""
        return len(self.slices) + len(self.muscles)

    def restore(self, slices: Iterable[int], muscles: Iterable[int]) -> None:
        """Resume from a saved review."""
        self.slices = frozenset(slices) & frozenset(range(self._sliceCount))
        self.muscles = frozenset(muscles) & self._case.scheme.labels_of_sides().keys()

    def follow(self) -> None:
        """Note which slices the views show from now on."""
        if not self._case.isInPlace:
            return
        axis = self._case.legAxis
        inside = range(self._sliceCount)
        found = self._views.shownSlices(self._case)
        shown = frozenset(index for along, index in found if along == axis and index in inside)
        if shown != self._shown:
            self._shown = shown
            self._timer.start()

    def visitMuscle(self, value: int) -> None:
        """Note that the reader went to a muscle, given its sided value."""
        self.muscles |= {value}
        self._listener.onVisited()

    def noteEdited(self, values: frozenset[int]) -> None:
        """Note which muscles, by sided value, are not as the model drew them."""
        self._edited = values

    def stop(self) -> None:
        """Look no more."""
        self._timer.stop()
        self._stopObserving()

    def verifiedSlices(self) -> Reviewed:
        """Return the slices that were looked at and in which no region is open."""
        entries = self._case.queue.entries
        inOpen = {n for e in entries if e.status not in RESOLVED for n in _slicesOf(e.region)}
        return Reviewed(
            "slices", slices=tuple(sorted(self.slices - inOpen)), slice_axis=self._case.legAxis
        )

    def verifiedMuscles(self) -> Reviewed:
        """Return the muscles that were visited and in which no region is open.

        Visited is a muscle that was gone to or edited, or whose regions were accepted or
        corrected. Where its slices were not shown, nor accepted, it stays unseen.
        """
        case = self._case
        looked: dict[int, set[int]] = {}
        isOpen: set[int] = set()
        for entry in case.queue.entries:
            for value in case.musclesOf(entry.region):
                slices = looked.setdefault(value, set())
                if entry.status == "accepted":
                    slices.update(_slicesOf(entry.region))
                if entry.status not in RESOLVED:
                    isOpen.add(value)
        for value in self.muscles | self._edited:
            looked.setdefault(value, set())
        everywhere = frozenset(range(self._sliceCount))
        verified = {
            value: slices | self.slices
            for value, slices in sorted(looked.items())
            if value not in isOpen and slices | self.slices
        }
        unseen = tuple(
            MuscleSlices(value, tuple(sorted(everywhere - slices)), case.legAxis)
            for value, slices in verified.items()
            if everywhere - slices
        )
        return Reviewed("muscles", muscles=tuple(verified), unseen=unseen)

    @property
    def _sliceCount(self) -> int:
        return self._case.grid.shape[2 - self._case.legAxis]

    def _look(self) -> None:
        new = self._shown - self.slices
        if new and self._case.isInPlace:
            self.slices |= new
            self._listener.onVisited()


def _slicesOf(region: FlaggedRegion) -> range:
    return range(region.slices[0], region.slices[1] + 1)
