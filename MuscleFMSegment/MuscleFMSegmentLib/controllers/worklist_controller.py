"""The worklist: segmenting its cases in the background, opening one after another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from MuscleFMSegmentLib.controllers.review_controller import ReviewController
from MuscleFMSegmentLib.process.library_runner import LibraryRunner, Outcome
from MuscleFMSegmentLib.process.progress_updates import SEGMENT_STAGES, ProgressUpdate
from MuscleFMSegmentLib.widgets.message_area import MessageArea
from MuscleFMSegmentLib.widgets.worklist_panel import WorklistPanel

if TYPE_CHECKING:
    from musclefm.pipeline.worklist_index import CaseState
    from MuscleFMSegmentLib.review.worklist_cases import WorklistCases

_OPEN_MARK = "▶ "


class WorklistController:
    """One folder at a time.

    Parameters
    ----------
    messages : MessageArea
        Shows what goes wrong.
    control : ReviewController
        Opens cases.
    runner : LibraryRunner
        Of its own.
    choice : callable
        Returns the names of the chosen model and device.
    """

    def __init__(
        self,
        messages: MessageArea,
        control: ReviewController,
        runner: LibraryRunner,
        choice: Callable[[], tuple[str, str]],
    ) -> None:
        self._messages = messages
        self._control = control
        self._runner = runner
        self._choice = choice
        self._cases: WorklistCases | None = None
        self._states: tuple[CaseState, ...] = ()
        self.panel = WorklistPanel(self.setFolder, self.toggleProcessing, self.openRow)

    @property
    def isProcessing(self) -> bool:
        """Whether cases are being segmented."""
        return self._runner.isRunning

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
            titles = [self._title(self._cases, state) for state in self._states]
            self.panel.show(titles, self._states)

    def toggleProcessing(self) -> None:
        """Segment the waiting cases in the background, or stop that."""
        if self.isProcessing:
            self._runner.stop()
            return
        if self._cases is None:
            return
        with self._messages.shown():
            model, device = self._choice()
            options = ["--model", model, "--device", device, "--progress", "json"]
            command = ["worklist", str(self._cases.folder), "--out", str(self._cases.out)]
            self._runner.run(
                [*command, *options],
                self._finish,
                self._onProgress,
                stages=SEGMENT_STAGES,
                name=_("the worklist"),
            )
            self.panel.showProcessing(True, _("Starting"))

    def openRow(self, row: int) -> None:
        """Open a case of the list."""
        if self._cases and 0 <= row < len(self._states):
            with self._messages.shown():
                self._open(self._cases, self._states[row])

    def openNext(self) -> None:
        """Open the most uncertain case that waits for the reader, if there is one."""
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
            self._open(self._cases, waiting[0])

    def end(self) -> None:
        """End the work in the background."""
        if self.isProcessing:
            self._runner.end()
            self.panel.showProcessing(False, "")

    def _title(self, cases: WorklistCases, state: CaseState) -> str:
        return (_OPEN_MARK if self._isOpen(state) else "") + cases.title(state)

    def _isOpen(self, state: CaseState) -> bool:
        opened = self._control.openCase
        return opened is not None and opened.folder.path == state.folder

    def _open(self, cases: WorklistCases, state: CaseState) -> None:
        if not self._control.isOpening:
            self._control.opening.beginStored(cases.claim(state), _("Case of the worklist"))

    def _onProgress(self, update: ProgressUpdate) -> None:
        self.panel.showProcessing(True, update.text)
        if update.isLogWorthy:
            self.refresh()

    def _finish(self, outcome: Outcome) -> None:
        self.panel.showProcessing(False, "")
        if outcome.kind == "failed":
            self._messages.showError(outcome.error)
        self.refresh()
