"""The reader's work on one case: regions one after another, edits, and what is shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import slicer

from musclefm.labels.scheme import Side
from musclefm.review.changes import find_changes
from musclefm.review.measures import MuscleMeasure
from musclefm.review.queue import ReviewEntry, ReviewQueue
from musclefm.review.session import ReviewSession, StoredOpinion
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.process.background import Background
from MuscleFMSegmentLib.review.carrying import Carrying, CarryingContext
from MuscleFMSegmentLib.review.case_display import CaseDisplay
from MuscleFMSegmentLib.review.current_labels import CurrentLabels
from MuscleFMSegmentLib.review.measuring import Measuring
from MuscleFMSegmentLib.review.review_listener import ReviewListener
from MuscleFMSegmentLib.review.second_opinion import FlaggedAnew
from MuscleFMSegmentLib.review.visits import Visits
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.editing import Editing
from MuscleFMSegmentLib.scene.outlines import showStatuses, showSurfaces
from MuscleFMSegmentLib.scene.results import removeCase
from MuscleFMSegmentLib.scene.slice_views import regionVoxel

_AFTER_EDIT_MS = 250

# A reader who looks at one region for longer has left the desk.
_LONGEST_LOOK_S = 300.0


class CaseReview:
    """A case under review.

    Parameters
    ----------
    scene : vtkMRMLScene
        Holds the case.
    applicationLogic : vtkMRMLApplicationLogic
        Of Slicer.
    case : CaseInScene
        The case.
    labels : ndarray
        ``(K, J, I) uint8``: the sided labels of its segmentation; nobody may write to them.
    makeTimer : callable
        Returns a new ``qt.QTimer``.
    listener : ReviewListener
        Hears what changes.
    """

    def __init__(
        self,
        scene: slicer.vtkMRMLScene,
        applicationLogic: slicer.vtkMRMLApplicationLogic,
        case: CaseInScene,
        labels: npt.NDArray[np.uint8],
        makeTimer: Callable[[], Any],
        listener: ReviewListener,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.case = case
        self.display = CaseDisplay(scene, applicationLogic, case)
        self.labels = CurrentLabels(
            case, labels, self._onEdited, listener.onCaseLost, listener.onFault
        )
        self.editing = Editing(scene, case)
        self.revision = 0
        self.storedSample: str | None = None
        self.reader = ""
        self.secondOpinion: StoredOpinion | None = None
        self._scene = scene
        self._listener = listener
        self._clock = clock
        self._lookedSince = clock()
        self._views = self.display.views
        # Of its own: a save need not wait until an outline is found.
        self._proposing = Background(makeTimer())
        seen = CarryingContext(
            scene, case, self._views, self.editing, self._proposing, listener, self._onChanged
        )
        self.carrying = Carrying(seen, lambda: self.sidedVolume().array)
        self.visits = Visits(case, self._views, makeTimer(), listener)
        # Gathers what comes of one edit.
        self._timer = makeTimer()
        self._timer.setSingleShot(True)
        self._timer.interval = _AFTER_EDIT_MS
        self._timer.connect("timeout()", self._follow)
        self._measuring = Measuring(case, makeTimer(), self._onMeasured)

    @property
    def queue(self) -> ReviewQueue:
        """The queue."""
        return self.case.queue

    @property
    def measures(self) -> tuple[MuscleMeasure, ...]:
        """Volume and fat fraction of each muscle, as far as they have followed the edits."""
        return self._measuring.measures

    @property
    def isSettled(self) -> bool:
        """Whether statuses and measures have followed all edits, and no outline is looked for."""
        return not (self._timer.active or self._measuring.isBusy or self._proposing.isBusy)

    @property
    def isTouched(self) -> bool:
        """Whether the reader did anything that is not saved as a correction."""
        return self.revision > 0 and self.storedSample is None

    @property
    def shownSlice(self) -> int:
        """Index along the leg of the slice that the current region is shown at."""
        region = self.queue.current.region if self.queue.current else None
        return regionVoxel(self.case, region)[region.slice_axis] if region else 0

    def begin(self) -> None:
        """Begin with the first region that is to do, or where it was left, and say what is so."""
        self._follow()
        self._showStatuses()
        if self.queue.current is not None:
            self._select(self.queue.current)
        self.labels.begin()
        self.visits.follow()
        self._listener.onQueueChanged()

    def next(self) -> None:
        """Go to the next region."""
        self._go(self.queue.next)

    def previous(self) -> None:
        """Go to the region before."""
        self._go(self.queue.previous)

    def goTo(self, regionId: int) -> None:
        """Go to a region."""
        self._go(lambda: self.queue.go_to(regionId))

    def accept(self) -> None:
        """Leave the current region as it is and go on."""
        self.labels.requireSound()
        if self.queue.current is not None:
            self.carrying.accept(self.queue.current.region)
        self._go(self.queue.accept)

    def skip(self) -> None:
        """Put the current region off and go on."""
        self._go(self.queue.skip)

    def toggleFlag(self) -> None:
        """Mark the current region for another look, or take that back."""
        self.queue.toggle_flag()
        self._changed()

    def goToMuscle(self, side: Side, labelId: int) -> None:
        """Leave the current region, show a muscle where it is largest, and select it."""
        self.noteTime()
        self.queue.go_to_muscle((side, labelId))
        value = labelId + (len(self.case.scheme.labels) if side == "left" else 0)
        self.labels.restore(value)
        self.display.goToMuscle(value, self.sidedVolume().array)
        self.editing.selectMuscle(side, labelId)
        self.visits.visitMuscle(value)
        self._listener.onQueueChanged()

    def show3d(self, isShown: bool) -> None:
        """Show the muscles in 3-D, or no more."""
        showSurfaces(self.case.segmentationNode, isShown)

    def goToSlice(self, index: int) -> None:
        """Go to a slice of the leg, by its index on the image's grid."""
        self._views.jumpToSlice(self.case, self.case.legAxis, index)

    def sidedVolume(self) -> Volume:
        """Return the labels ``(K, J, I) uint8``: sided values.

        See :class:`CurrentLabels`. Nobody may write to them.
        """
        return self.labels.volume()

    def session(self) -> ReviewSession:
        """Return the state of the review, for saving."""
        self.noteTime()
        return ReviewSession.of(
            self.queue,
            self.case.provenance,
            reader=self.reader,
            stored_sample=self.storedSample,
            unseen=self.carrying.unseen,
            visited_slices=self.visits.slices,
            visited_muscles=self.visits.muscles,
            second_opinion=self.secondOpinion,
        )

    def flagAnew(self, found: FlaggedAnew) -> None:
        """Take flagged regions with a second opinion's, or without them again."""
        self.noteTime()
        np.copyto(self.case.regions, found.regions.labelmap)
        self.queue.replace_regions(found.regions.queue, range(1, found.known + 1))
        self.secondOpinion = found.stored
        self.display.showOpinion(found.opinion.labels.array if found.opinion else None)
        if self.queue.current is None:
            self.display.leaveRegion()
        self._changed()
        self._follow()

    def noteTime(self) -> None:
        """Count the time since the last look for the current region."""
        now = self._clock()
        self.queue.add_seconds(min(now - self._lookedSince, _LONGEST_LOOK_S))
        self._lookedSince = now

    def noteStored(self, sample: str) -> None:
        """Note that a training sample holds the case exactly as it is."""
        self.storedSample = sample
        self.revision += 1

    def followEdits(self) -> None:
        """Let the statuses follow an edit now; volumes and fat fractions come later."""
        if self._timer.active:
            self._timer.stop()
            self._follow()

    def close(self, removeNodes: bool = True) -> None:
        """Let go of the case, and take it out of the scene unless that is being closed.

        The volume is the user's and stays.
        """
        self.followEdits()
        self._measuring.stop()
        self.visits.stop()
        self.labels.stop()
        self.display.close(removeNodes)
        if not removeNodes:
            return
        self.carrying.stop()
        self.editing.release()
        removeCase(self._scene, self.case)

    def _go(self, step: Callable[[], ReviewEntry | None]) -> None:
        self.noteTime()
        entry = step()
        if entry is not None:
            self.carrying.drop()
            self.display.goTo(entry.region)
            self._select(entry)
            self._changed()

    def _select(self, entry: ReviewEntry) -> None:
        region = entry.region
        self.editing.selectMuscle(region.side, region.label_ids[0])

    def _changed(self) -> None:
        self.revision += 1
        self.storedSample = None
        self._showStatuses()
        self._listener.onQueueChanged()

    def _showStatuses(self) -> None:
        showStatuses(self.case.segmentationNode, self.case.scheme, self.queue.entries)

    def _onEdited(self) -> None:
        self.carrying.drop()
        self._onChanged()

    def _onChanged(self) -> None:
        self.revision += 1
        self.storedSample = None
        self._timer.start()

    def _follow(self) -> None:
        case, labels = self.case, self.sidedVolume().array
        if not case.isComplete:
            return
        changes = find_changes(case.modelLabels, labels, case.regions, self.carrying.unseen)
        self.visits.noteEdited(changes.muscles)
        before = self.queue.entries
        self.queue.follow_changes(changes.regions)
        if self.queue.entries != before:
            self._showStatuses()
            self._listener.onQueueChanged()
        self._measuring.follow(labels)

    def _onMeasured(self) -> None:
        if self.case.isComplete:
            self._listener.onMeasured()
