"""Keeps a review on the disk, so that a crash costs at most half a minute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from musclefm.review.session import ReviewSession
from musclefm.review.session_file import save_session
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.process.background import Background

INTERVAL_MS = 30_000


class SavedReview(Protocol):
    """What is saved; see :class:`MuscleFMSegmentLib.review.case_review.CaseReview`."""

    @property
    def revision(self) -> int: ...
    def session(self) -> ReviewSession: ...
    def sidedVolume(self) -> Volume: ...


class Autosave:
    """Saves a review every half minute where it has changed.

    The labels are copied on the main thread and written in the background.

    Parameters
    ----------
    review : SavedReview
        The review.
    folder : Path
        Of the case's results.
    background : Background
        Writes.
    timer : qt.QTimer
        Of its own.
    onFailed : callable
        Told the exception of a save that failed; the next one is tried again.
    """

    def __init__(
        self,
        review: SavedReview,
        folder: Path,
        background: Background,
        timer: Any,
        onFailed: Callable[[Exception], None],
    ) -> None:
        self._review = review
        self._folder = folder
        self._background = background
        self._onFailed = onFailed
        self._saved: int | None = None
        self._timer = timer
        timer.interval = INTERVAL_MS
        timer.connect("timeout()", self.save)
        timer.start()

    def save(self) -> None:
        """Save in the background, unless nothing has changed since the last time."""
        revision = self._review.revision
        if revision == self._saved:
            return
        session, labels = self._review.session(), self._review.sidedVolume()

        def done(_: None) -> None:
            self._saved = revision

        self._background.run(
            lambda: save_session(self._folder, session, labels), done, self._onFailed
        )

    def finish(self) -> bool:
        """Save what has changed, wait for it, and tell whether all is on the disk."""
        self._background.wait()
        self.save()
        self._background.wait()
        return self._saved == self._review.revision

    def stop(self) -> None:
        """Save once more, wait for it, and save no more."""
        self._timer.stop()
        self.finish()
