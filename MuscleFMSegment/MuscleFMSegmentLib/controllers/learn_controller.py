"""Learning from corrections in the background, and which version is used from then on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from MuscleFMSegmentLib.process.job import Job, Outcome, Process
from MuscleFMSegmentLib.process.learning_progress import LearningProgress
from MuscleFMSegmentLib.process.library_query import LibraryQuery
from MuscleFMSegmentLib.widgets.learn_panel import LearnPanel
from MuscleFMSegmentLib.widgets.message_area import MessageArea

if TYPE_CHECKING:
    from musclefm.training.learning.folder import LearningFolder

_LOOK_EVERY_MS = 200


class LearnController:
    """One learning at a time.

    Parameters
    ----------
    messages : MessageArea
        Shows what goes wrong.
    start : callable
        Starts the library with arguments, see
        :func:`MuscleFMSegmentLib.process.library_process.startLibrary`.
    makeTimer : callable
        Makes a ``qt.QTimer``.
    choice : callable
        Returns the names of the chosen model and device.
    onModelChanged : callable
        Told when another version of a model is used from now on.
    """

    def __init__(
        self,
        messages: MessageArea,
        start: Callable[[Sequence[str]], Process],
        makeTimer: Callable[[], Any],
        choice: Callable[[], tuple[str, str]],
        onModelChanged: Callable[[], None],
    ) -> None:
        self._messages = messages
        self._start = start
        self._choice = choice
        self._onModelChanged = onModelChanged
        self._status = LibraryQuery(start, makeTimer())
        self._change = LibraryQuery(start, makeTimer())
        self._job: Job | None = None
        self._model = ""
        self._timer = makeTimer()
        self._timer.interval = _LOOK_EVERY_MS
        self._timer.connect("timeout()", self._look)
        self.panel = LearnPanel(self.toggle, self.use, self.discard, self.goBack)

    @property
    def isLearning(self) -> bool:
        """Whether a model learns."""
        return self._job is not None

    @property
    def isBusy(self) -> bool:
        """Whether something is asked for that ends soon."""
        return self._status.isRunning or self._change.isRunning

    def refresh(self) -> None:
        """Show how things stand with the chosen model; while one learns, that is shown."""
        if self._job or self._change.isRunning:
            return
        model, _device = self._choice()
        if model != self._model:
            self.panel.clear()
        self._model = model
        if model:
            told = ["learn", "--status", "--model", model]
            self._status.ask(told, self._onStatus, self._messages.showError)

    def toggle(self) -> None:
        """Learn, go on where it was stopped, or stop."""
        if self._job:
            self.panel.showStopping()
            self._job.stop()
            return
        self._status.stop()
        self._model, device = self._choice()
        options = ["--model", self._model, "--device", device, "--progress", "json"]
        with self._messages.shown():
            self._messages.clear()
            self._job = Job(
                self._started(["learn", *options]),
                self.panel.showProgress,
                self.panel.log,
                LearningProgress(time.monotonic),
                _("the learning"),
            )
            self.panel.showRunning(True)
            self._timer.start()

    def use(self) -> None:
        """Use the new version from now on."""
        with self._messages.shown():
            candidate = self._folder().candidate
            self._changeVersion(
                ["models", "import", str(candidate)],
                _("the new version of '{model}' is in use: one click in Learn goes back"),
                self._forget,
            )

    def goBack(self) -> None:
        """Use the former version again."""
        self._changeVersion(
            ["models", "rollback", self._model],
            _("the former version of '{model}' is in use again"),
        )

    def discard(self) -> None:
        """Throw the new version away."""
        with self._messages.shown():
            self._forget()
        self.refresh()

    def end(self) -> None:
        """End what runs; it can be gone on with another time."""
        self._status.stop()
        self._change.stop()
        self.panel.setBusy(False)
        if self._job:
            self._timer.stop()
            self._job.end()
            self._job = None
            self.panel.showRunning(False)

    def _started(self, arguments: Sequence[str]) -> Process:
        try:
            return self._start(arguments)
        except OSError as error:
            raise MuscleFMError(
                f"the library's Python cannot be started ({error.strerror})",
                "install MuscleFMSegment again",
            ) from error

    def _look(self) -> None:
        outcome = self._job.poll() if self._job else None
        if outcome:
            self._finish(outcome)

    def _finish(self, outcome: Outcome) -> None:
        self._timer.stop()
        self._job = None
        self.panel.showRunning(False)
        if outcome.kind == "failed":
            self._messages.showError(outcome.error)
        elif outcome.kind == "finished":
            self._messages.show(
                _("'{model}' has learned from the corrections: see Learn").format(model=self._model)
            )
        self.refresh()

    def _onStatus(self, told: str) -> None:
        with self._messages.shown():
            status = json.loads(told)
            self.panel.showStatus(status)
            if status["state"] == "finished":
                self.panel.showComparison(self._comparison(), status["abbreviations"])
            else:
                self.panel.hideComparison()

    def _comparison(self) -> dict[str, Any]:
        return json.loads(self._folder().comparison.read_bytes())

    def _folder(self) -> LearningFolder:
        from musclefm.training.learning.folder import LearningFolder, default_learning_folder

        return LearningFolder(default_learning_folder(self._model))

    def _forget(self) -> None:
        self._folder().clear()

    def _changeVersion(
        self, arguments: Sequence[str], said: str, then: Callable[[], None] = lambda: None
    ) -> None:
        self._status.stop()
        self.panel.setBusy(True)

        def onChanged(told: str) -> None:
            self.panel.setBusy(False)
            self._messages.show(said.format(model=self._model))
            with self._messages.shown():
                then()
            self._onModelChanged()
            self.refresh()

        def onFailed(error: Exception) -> None:
            self.panel.setBusy(False)
            self._messages.showError(error)

        self._change.ask(arguments, onChanged, onFailed)
