"""A case from its results to the end of its review: shown, autosaved, resumed or removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import slicer
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from musclefm.review.session_file import load_session, remove_session, save_session
from MuscleFMSegmentLib.process.background import Background
from MuscleFMSegmentLib.review.case_review import CaseReview
from MuscleFMSegmentLib.review.review_folders import ReviewFolder
from MuscleFMSegmentLib.review.review_listener import ReviewListener
from MuscleFMSegmentLib.scene.labels import applySidedLabels
from MuscleFMSegmentLib.scene.nodes import removeDisplayed
from MuscleFMSegmentLib.scene.results import loadResults, removeCase
from MuscleFMSegmentLib.scene.watching import TransformWatch

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
    volumeNode : vtkMRMLScalarVolumeNode
        The image that was segmented, in the scene.
    ownsVolume : bool
        Whether the volume goes with the case.
    background : Background
        Measures and writes.
    makeTimer : callable
        Returns a new ``qt.QTimer``.
    listener : ReviewListener
        Hears what changes.

    Raises
    ------
    MuscleFMError
        The results or the session cannot be read; the scene is as before.
    """

    def __init__(
        self,
        folder: ReviewFolder,
        volumeNode: slicer.vtkMRMLScalarVolumeNode,
        ownsVolume: bool,
        background: Background,
        makeTimer: Callable[[], Any],
        listener: ReviewListener,
    ) -> None:
        self.folder = folder
        self._ownsVolume = ownsVolume
        self._background = background
        self._listener = listener
        scene = slicer.mrmlScene
        case = loadResults(scene, folder.results, volumeNode)
        try:
            saved = load_session(folder.results)
            if saved:
                session, labels = saved
                if not session.belongs_to(case.provenance):
                    raise MuscleFMError(
                        _("the saved review belongs to other results"),
                        _("segment the volume again"),
                    )
                regions = [entry.region for entry in case.queue.entries]
                case = replace(case, queue=session.queue(regions))
                applySidedLabels(case.segmentationNode, case.scheme, volumeNode, labels.array)
        except BaseException:
            removeCase(scene, case)
            raise
        self.review = CaseReview(
            scene, slicer.app.applicationLogic(), case, background, makeTimer, listener
        )
        if saved:
            self.review.revision = 1
            session, labels = saved
            self.review.storedSample = session.stored_sample
            self.review.reader = session.reader
            self.review.carrying.restore(session.unseen, labels.array)
            self.review.visits.restore(session.visited_slices, session.visited_muscles)
        self._transformWatch = TransformWatch(volumeNode, listener.onMoved)
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
        state = self._state
        if state == self._savedState:
            return
        session, labels = self.review.session(), self.review.sidedVolume()

        def written(nothing: None) -> None:
            self._savedState = state

        self._background.run(
            lambda: save_session(self.folder.results, session, labels),
            written,
            self._listener.onFailed,
        )

    def keep(self) -> None:
        """Write the review to the disk now, and wait for it.

        Raises
        ------
        MuscleFMError
            It could not be written; the case should stay open.
        """
        self._settle()
        if self._savedState != self._state:
            raise MuscleFMError(
                _("the open review cannot be kept on the disk"),
                _("make room there, or save the case first"),
            )

    def close(self, removeNodes: bool = True) -> None:
        """End the review; keep its folder where work in it is not saved as a correction.

        Parameters
        ----------
        removeNodes : bool
            False while the scene itself is being closed.
        """
        self._timer.stop()
        self._transformWatch.stop()
        self._settle()
        self.review.close(removeNodes)
        if removeNodes and self._ownsVolume:
            removeDisplayed(slicer.mrmlScene, self.review.case.volumeNode)
        if self.review.revision == 0:
            # Looking at a case is no review.
            remove_session(self.folder.results)
        if self.isSaved:
            self.folder.remove()
        else:
            self.folder.release()

    def _settle(self) -> None:
        self.review.settleEdits()
        self.autosave()
        self._background.wait()
