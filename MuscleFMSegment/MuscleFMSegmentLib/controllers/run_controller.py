"""Apply and Stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from MuscleFMSegmentLib.process.job import Job, Outcome
from MuscleFMSegmentLib.widgets.message_area import MessageArea
from MuscleFMSegmentLib.widgets.segment_panel import SegmentPanel

if TYPE_CHECKING:
    from MuscleFMSegmentLib.process.segmentation_run import RunRequest
    from MuscleFMSegmentLib.review.review_folders import ReviewFolder

_LOOK_EVERY_MS = 100


class RunController:
    """Runs one segmentation at a time and leaves the scene alone.

    Parameters
    ----------
    panel : SegmentPanel
        Shows the run.
    messages : MessageArea
        Shows what goes wrong.
    timer : qt.QTimer
        Of its own.
    onResults : callable
        Given the folder and the request of a run that finished.
    """

    def __init__(
        self,
        panel: SegmentPanel,
        messages: MessageArea,
        timer: Any,
        onResults: Callable[[ReviewFolder, RunRequest], None],
    ) -> None:
        self._panel = panel
        self._messages = messages
        self._onResults = onResults
        self._timer = timer
        timer.interval = _LOOK_EVERY_MS
        timer.connect("timeout()", self._look)
        self._job: Job | None = None
        self._folder: ReviewFolder | None = None
        self._request: RunRequest | None = None

    @property
    def isRunning(self) -> bool:
        """Whether a segmentation runs."""
        return self._job is not None

    def start(self, request: RunRequest) -> None:
        """Check the volumes and start; whatever is wrong with them is said."""
        from MuscleFMSegmentLib.process.segmentation_run import startRun
        from MuscleFMSegmentLib.review.review_folders import ReviewFolders
        from MuscleFMSegmentLib.scene.input_volume import TransformAboveError

        self._messages.clear()
        try:
            warnings = request.check()
        except TransformAboveError as error:
            self._messages.show(str(error), _("Harden"), lambda: self._hardenAndStart(request))
            return
        if warnings:
            self._messages.show("; ".join(warnings))
        folder = self._made(ReviewFolders())
        try:
            self._job = startRun(
                request, folder.input, folder.results, self._panel.showProgress, self._panel.log
            )
        except BaseException:
            folder.remove()
            raise
        self._folder, self._request = folder, request
        self._panel.showRunning(True)
        self._timer.start()

    def stop(self) -> None:
        """Ask the run to end; it has within two seconds."""
        if self._job:
            self._panel.showStopping()
            self._job.stop()

    def end(self) -> None:
        """End the run now and forget it."""
        if self._job:
            self._job.end()
            self._finish(Outcome("stopped"))

    def _made(self, folders: Any) -> ReviewFolder:
        try:
            return folders.make()
        except OSError as error:
            raise MuscleFMError(
                f"there is no place for the results ({error.strerror})",
                "check the space and the access rights of the user's data folder",
            ) from error

    def _hardenAndStart(self, request: RunRequest) -> None:
        from MuscleFMSegmentLib.scene.input_volume import hardenTransform

        with self._messages.shown():
            for node in request.channels.values():
                hardenTransform(node)
            self.start(request)

    def _look(self) -> None:
        outcome = self._job.poll() if self._job else None
        if outcome:
            self._finish(outcome)

    def _finish(self, outcome: Outcome) -> None:
        self._timer.stop()
        folder, request = self._folder, self._request
        self._job = self._folder = self._request = None
        self._panel.showRunning(False)
        if outcome.kind == "finished":
            with self._messages.shown():
                self._handOver(folder, request)
            return
        folder.remove()
        if outcome.kind == "failed":
            self._messages.showError(outcome.error)

    def _handOver(self, folder: ReviewFolder, request: RunRequest) -> None:
        node = request.volumeNode
        if node.GetScene() is not slicer.mrmlScene:
            folder.remove()
            raise MuscleFMError(
                "the volume was deleted while it was segmented", "load it and press Apply again"
            )
        try:
            self._onResults(folder, request)
        except BaseException:
            folder.remove()
            raise
