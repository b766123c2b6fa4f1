"""The worklist: segmenting its cases in the background, opening one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from MuscleFMSegmentLib.controllers.review_controller import ReviewController
from MuscleFMSegmentLib.process.job import Job, Process
from MuscleFMSegmentLib.process.job_progress import ProgressUpdate
from MuscleFMSegmentLib.widgets.message_area import MessageArea
from MuscleFMSegmentLib.widgets.worklist_panel import WorklistPanel

if TYPE_CHECKING:
    from musclefm.pipeline.worklist_index import CaseState
    from MuscleFMSegmentLib.review.worklist_cases import WorklistCases

_LOOK_EVERY_MS = 200
_REFRESH_EVERY = 10
_OPEN_MARK = "▶ "


class WorklistController:
    """One folder at a time.

    Parameters
    ----------
    messages : MessageArea
        Shows what goes wrong.
    control : ReviewController
        Opens cases.
    start : callable
        Starts the library with arguments, see
        :func:`MuscleFMSegmentLib.process.library_process.startLibrary`.
    timer : qt.QTimer
        Of its own.
    choice : callable
        Returns the names of the chosen model and device.
    """

    def __init__(
        self,
        messages: MessageArea,
        control: ReviewController,
        start: Callable[[Sequence[str]], Process],
        timer: Any,
        choice: Callable[[], tuple[str, str]],
    ) -> None:
        self._messages = messages
        self._control = control
        self._start = start
        self._choice = choice
        self._cases: WorklistCases | None = None
        self._states: tuple[CaseState, ...] = ()
        self._job: Job | None = None
        self._looks = 0
        self._timer = timer
        timer.interval = _LOOK_EVERY_MS
        timer.connect("timeout()", self._look)
        self.panel = WorklistPanel(self.setFolder, self.toggleProcessing, self.openRow)

    @property
    def isProcessing(self) -> bool:
        """Whether cases are being segmented."""
        return self._job is not None

    def setFolder(self, path: str) -> None:
        """Take up a folder of scans."""
        from MuscleFMSegmentLib.review.worklist_cases import WorklistCases

        self.end()
        self._cases, self._states = None, ()
        with self._messages.shown():
            if path and Path(path).is_dir():
                self._cases = WorklistCases(Path(path))
        self.refresh()

    def refresh(self) -> None:
        """Show the cases as they are now."""
        if self._cases is None:
            self._states = ()
            self.panel.show((), ())
            return
        with self._messages.shown():
            self._states = self._cases.states(self.isProcessing)
            titles = [self._title(state) for state in self._states]
            self.panel.show(titles, self._states)

    def toggleProcessing(self) -> None:
        """Segment the waiting cases in the background, or stop that."""
        if self._job:
            self._job.stop()
            return
        if self._cases is None:
            return
        with self._messages.shown():
            model, device = self._choice()
            options = ["--model", model, "--device", device, "--progress", "json"]
            out = ["--out", str(self._cases.out)]
            try:
                process = self._start(["worklist", str(self._cases.folder), *out, *options])
            except OSError as error:
                raise MuscleFMError(
                    f"the library's Python cannot be started ({error.strerror})",
                    "install MuscleFMSegment again",
                ) from error
            self._job = Job(process, self._onProgress, lambda line: None)
            self.panel.showProcessing(True, _("Starting"))
            self._timer.start()

    def openRow(self, row: int) -> None:
        """Open a case of the list."""
        if 0 <= row < len(self._states):
            with self._messages.shown():
                self._open(self._states[row])

    def openNext(self) -> None:
        """Open the most doubtful case that waits for the reader, if there is one."""
        self.refresh()
        if self._cases is None:
            return
        waiting = [
            state
            for state in self._states
            if state.status in ("ready", "in review") and not self._isOpen(state)
        ]
        if not waiting:
            self._messages.show(_("no other case of the worklist is ready"))
            return
        with self._messages.shown():
            self._open(waiting[0])

    def end(self) -> None:
        """End the work in the background."""
        if self._job:
            self._timer.stop()
            self._job.end()
            self._job = None
            self.panel.showProcessing(False, "")

    def _title(self, state: CaseState) -> str:
        return (_OPEN_MARK if self._isOpen(state) else "") + self._cases.title(state)

    def _isOpen(self, state: CaseState) -> bool:
        opened = self._control.openCase
        return opened is not None and opened.folder.path == state.folder

    def _open(self, state: CaseState) -> None:
        from MuscleFMSegmentLib.review.stored_image import volumeOfImages

        folder = self._cases.claim(state)
        try:
            volumeNode, isNew = volumeOfImages(folder.input, _("Case of the worklist"))
            self._control.open(folder, volumeNode, ownsVolume=isNew)
        except BaseException:
            folder.keep()
            raise
        self.refresh()

    def _onProgress(self, update: ProgressUpdate) -> None:
        self.panel.showProcessing(True, update.text)

    def _look(self) -> None:
        outcome = self._job.poll() if self._job else None
        self._looks += 1
        if outcome:
            self._timer.stop()
            self._job = None
            self.panel.showProcessing(False, "")
            if outcome.kind == "failed":
                self._messages.showError(outcome.error)
        if outcome or self._looks % _REFRESH_EVERY == 0:
            self.refresh()
