"""Learning from corrections in the background, and which version is used from then on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from MuscleFMSegmentLib.process.library_runner import LibraryRunner, Outcome
from MuscleFMSegmentLib.process.progress_updates import LEARN_STAGES
from MuscleFMSegmentLib.widgets.learn_panel import LearnPanel
from MuscleFMSegmentLib.widgets.message_area import MessageArea

if TYPE_CHECKING:
    from musclefm.training.learning.folder import LearningFolder


class LearnController:
    """One learning at a time.

    Parameters
    ----------
    messages : MessageArea
        Shows what goes wrong.
    makeRunner : callable
        Makes a :class:`LibraryRunner`.
    choice : callable
        Returns the names of the chosen model and device.
    onModelChanged : callable
        Called when another version of a model is used from now on.
    """

    def __init__(
        self,
        messages: MessageArea,
        makeRunner: Callable[[], LibraryRunner],
        choice: Callable[[], tuple[str, str]],
        onModelChanged: Callable[[], None],
    ) -> None:
        self._messages = messages
        self._choice = choice
        self._onModelChanged = onModelChanged
        self._status, self._change, self._learning = (makeRunner() for _use in range(3))
        self._model = ""
        self.panel = LearnPanel(self.toggle, self.use, self.discard, self.goBack)

    @property
    def isLearning(self) -> bool:
        """Whether a model learns."""
        return self._learning.isRunning

    @property
    def isBusy(self) -> bool:
        """Whether something is asked for that ends soon."""
        return self._status.isRunning or self._change.isRunning

    def refresh(self) -> None:
        """Show how things stand with the chosen model; while one learns, that is shown."""
        if self.isLearning or self._change.isRunning:
            return
        model, _device = self._choice()
        if model != self._model:
            self.panel.clear()
        self._model = model
        if model:
            command = ["learn", "--status", "--model", model]
            self._status.ask(command, self._onStatus, self._messages.showError)

    def toggle(self) -> None:
        """Learn, resume where it was stopped, or stop."""
        if self.isLearning:
            self.panel.showStopping()
            self._learning.stop()
            return
        self._status.end()
        self._model, device = self._choice()
        options = ["--model", self._model, "--device", device, "--progress", "json"]
        with self._messages.shown():
            self._messages.clear()
            self._learning.run(
                ["learn", *options],
                self._finish,
                self.panel.showProgress,
                self.panel.log,
                LEARN_STAGES,
                _("the learning"),
            )
            self.panel.showRunning(True)

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
        """End what runs; a learning can be resumed."""
        self._status.end()
        self._change.end()
        self.panel.setBusy(False)
        if self.isLearning:
            self._learning.end()
            self.panel.showRunning(False)

    def _finish(self, outcome: Outcome) -> None:
        self.panel.showRunning(False)
        if outcome.kind == "failed":
            self._messages.showError(outcome.error)
        elif outcome.kind == "finished":
            self._messages.show(
                _("'{model}' has learned from the corrections: see Learn").format(model=self._model)
            )
        self.refresh()

    def _onStatus(self, answer: str) -> None:
        with self._messages.shown():
            status = json.loads(answer)
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
        self, arguments: Sequence[str], message: str, then: Callable[[], None] = lambda: None
    ) -> None:
        self._status.end()
        self.panel.setBusy(True)

        def onChanged(answer: str) -> None:
            self.panel.setBusy(False)
            self._messages.show(message.format(model=self._model))
            with self._messages.shown():
                then()
            self._onModelChanged()
            self.refresh()

        def onFailed(error: Exception) -> None:
            self.panel.setBusy(False)
            self._messages.showError(error)

        self._change.ask(arguments, onChanged, onFailed)
