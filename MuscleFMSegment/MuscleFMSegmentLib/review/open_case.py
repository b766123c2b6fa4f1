"""A case from its results to the end of its review: shown, autosaved, resumed or removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import slicer

from musclefm.errors import MuscleFMError
from musclefm.review.session_file import remove_session, save_session
from MuscleFMSegmentLib.process.background import Background
from MuscleFMSegmentLib.review.case_review import CaseReview
from MuscleFMSegmentLib.review.review_folders import ReviewFolder
from MuscleFMSegmentLib.review.review_listener import ReviewListener
from MuscleFMSegmentLib.review.stored_case import StoredCase
from MuscleFMSegmentLib.scene.nodes import removeDisplayed
from MuscleFMSegmentLib.scene.results import addResults

# A crash costs at most that much of the reader's work.
_AUTOSAVE_MS = 30_000


class OpenCase:
    """A case that is open in the module; where it was interrupted, its review is resumed.

    What the reader does is kept on the disk every half minute: the labels are
    copied on the main thread and written in the background.

    Parameters
    ----------
    folder : ReviewFolder
        Holds images, results and the session.
    stored : StoredCase
        What was read of it.
    volumeNode : vtkMRMLScalarVolumeNode
        The image that was segmented, in the scene.
    ownsVolume : bool
        Whether the volume goes with the case.
    background : Background
        Writes.
    makeTimer : callable
        Returns a new ``qt.QTimer``.
    listener : ReviewListener
        Hears what changes.

    Raises
    ------
    MuscleFMError
        The results lie on another grid than the volume; the scene is as before.
    """

    def __init__(
        self,
        folder: ReviewFolder,
        stored: StoredCase,
        volumeNode: slicer.vtkMRMLScalarVolumeNode,
        ownsVolume: bool,
        background: Background,
        makeTimer: Callable[[], Any],
        listener: ReviewListener,
    ) -> None:
        self.folder = folder
        self.legProfile = stored.legProfile
        self._ownsVolume = ownsVolume
        self._background = background
        self._listener = listener
        scene, labels, session = slicer.mrmlScene, stored.labels, stored.session
        results = folder.results
        case = addResults(scene, results, stored.results, stored.heatmaps, labels, volumeNode)
        case = replace(case, queue=stored.queue)
        self.review = CaseReview(
            scene, slicer.app.applicationLogic(), case, labels, makeTimer, listener
        )
        if session:
            self.review.revision = 1
            self.review.storedSample = session.stored_sample
            self.review.reader = session.reader
            self.review.secondOpinion = session.second_opinion
            self.review.carrying.restore(session.unseen, labels)
            self.review.visits.restore(session.visited_slices, session.visited_muscles)
        if stored.opinion:
            self.review.display.showOpinion(stored.opinion.labels.array)
        self._savedState: tuple[int, int] | None = None
        self._timer = makeTimer()
        self._timer.interval = _AUTOSAVE_MS
        self._timer.connect("timeout()", self.autosave)
        self._timer.start()

    @property
    def isSaved(self) -> bool:
        """Whether nothing would be lost: the case is as saved, or was never touched."""
        return not self.review.isTouched

    @property
    def _state(self) -> tuple[int, int]:
        """What changes whenever the review does: looking counts, too."""
        return self.review.revision, self.review.visits.count

    def autosave(self) -> None:
        """Write the review to the disk in the background, unless it is there already."""
        self.review.followEdits()
        if self._state != self._savedState:
            self._write(lambda: None, self._listener.onFailed)

    def keep(self, kept: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        """Write the review to the disk, and call a function once it is there as it is then.

        Parameters
        ----------
        kept : callable
            Called without arguments: at once, where the review is on the disk already.
        failed : callable
            Given the exception where it could not be written; the case should stay open.
        """
        self.review.followEdits()
        if self._state == self._savedState:
            kept()
        else:
            # Whatever the reader does meanwhile is written, too.
            self._write(lambda: self.keep(kept, failed), failed)

    def close(self, removeNodes: bool = True) -> None:
        """End the review; keep its folder where work in it is not saved as a correction.

        What is not on the disk yet is written there in the background.

        Parameters
        ----------
        removeNodes : bool
            False while the scene itself is being closed.
        """
        self._timer.stop()
        self.review.close(removeNodes)
        if removeNodes and self._ownsVolume:
            removeDisplayed(slicer.mrmlScene, self.review.case.volumeNode)
        # A save that is under way ends first: what it saved is not kept twice.
        self._background.then(self._leave)

    def _leave(self) -> None:
        try:
            if self.review.revision == 0:
                # Looking at a case is no review.
                remove_session(self.folder.results)
        except MuscleFMError as error:
            self._releaseUnwritten(error)
            return
        if self.isSaved and (self.folder.isDisposable or self.review.revision == 0):
            self.folder.remove()
        else:
            self.keep(self._release, self._releaseUnwritten)

    def _release(self) -> None:
        if self.isSaved:
            self.folder.remove()
        else:
            self.folder.release()

    def _releaseUnwritten(self, error: Exception) -> None:
        self.folder.release()
        self._listener.onFailed(error)

    def _write(self, then: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        state, session, labels = self._state, self.review.session(), self.review.sidedVolume()

        def written(nothing: None) -> None:
            self._savedState = state
            then()

        results = self.folder.results
        self._background.run(lambda: save_session(results, session, labels), written, failed)
