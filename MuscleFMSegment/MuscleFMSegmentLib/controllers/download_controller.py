"""Downloading weights that the model box offers; a child process does it."""

from __future__ import annotations

from collections.abc import Callable

from slicer.i18n import tr as _

from MuscleFMSegmentLib.process.library_runner import LibraryRunner, Outcome
from MuscleFMSegmentLib.process.progress_updates import DOWNLOAD_STAGES
from MuscleFMSegmentLib.widgets.message_area import MessageArea
from MuscleFMSegmentLib.widgets.segment_panel import SegmentPanel


class DownloadController:
    """One download at a time; its button starts and stops it, and what has come is kept.

    Parameters
    ----------
    panel : SegmentPanel
        Shows it.
    messages : MessageArea
        Shows what goes wrong.
    runner : LibraryRunner
        Of its own.
    onDownloaded : callable
        Given the name of the model that is there now.
    """

    def __init__(
        self,
        panel: SegmentPanel,
        messages: MessageArea,
        runner: LibraryRunner,
        onDownloaded: Callable[[str], None],
    ) -> None:
        self._panel = panel
        self._messages = messages
        self._runner = runner
        self._onDownloaded = onDownloaded

    @property
    def isRunning(self) -> bool:
        """Whether something is downloaded."""
        return self._runner.isRunning

    def toggle(self, name: str) -> None:
        """Download what is offered under a name, or stop that; the button is the user's yes."""
        if self.isRunning:
            self._panel.showStopping()
            self._runner.stop()
            return
        self._messages.clear()
        with self._messages.shown():
            self._runner.run(
                ["models", "download", name, "--yes", "--progress", "json"],
                lambda outcome: self._finish(outcome, name),
                self._panel.showProgress,
                self._panel.log,
                DOWNLOAD_STAGES,
                _("the download"),
            )
            self._panel.showDownloading(True)

    def end(self) -> None:
        """End the download now."""
        if self.isRunning:
            self._runner.end()
            self._panel.showDownloading(False)

    def _finish(self, outcome: Outcome, name: str) -> None:
        self._panel.showDownloading(False)
        if outcome.kind == "finished":
            self._onDownloaded(name)
        elif outcome.kind == "failed":
            self._messages.showError(outcome.error)
        else:
            self._messages.show(_("stopped: what has come is kept, and the rest is fetched later"))
