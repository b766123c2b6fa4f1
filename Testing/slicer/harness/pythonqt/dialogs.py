"""Dialogs that never block: they are recorded, and answered as the test said."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from PySide6 import QtWidgets

Standard = QtWidgets.QMessageBox.StandardButton
# Slicer itself answers so in its testing mode.
AFFIRMATIVE = (Standard.Yes, Standard.Ok, Standard.Save, Standard.Close)


@dataclass(frozen=True)
class Message:
    """One dialog that the user would have seen.

    Attributes
    ----------
    kind
        "information", "question", "warning", "critical", "message", "file", "dialog"
        or "menu".
    title, text
        What it said.
    answer
        What it was answered.
    """

    kind: str
    title: str
    text: str
    answer: Any


@dataclass
class Dialogs:
    """The dialogs so far, and the answers to those to come."""

    messages: list[Message] = field(default_factory=list)
    answers: deque[Any] = field(default_factory=deque)

    def ask(self, kind: str, title: str, text: str, default: Any) -> Any:
        """Record a dialog and return the next answer, or the default where none waits."""
        answer = self.answers.popleft() if self.answers else default
        self.messages.append(Message(kind, title, text, answer))
        return answer

    def clear(self) -> None:
        """Forget all messages and answers."""
        self.messages.clear()
        self.answers.clear()


DIALOGS = Dialogs()


def affirmative(buttons: Any) -> Any:
    """Return the button that agrees."""
    return next((button for button in AFFIRMATIVE if button & buttons), Standard.Ok)


class RecordedMessageBox:
    """Message boxes."""

    def exec(self) -> Any:
        kind = self.icon.name.lower().replace("noicon", "message")
        title = self.windowTitle.strip()
        return DIALOGS.ask(kind, title, self.text, affirmative(self.standardButtons))

    def exec_(self) -> Any:
        return self.exec()

    def open(self) -> None:
        self.exec()

    @staticmethod
    def information(parent: Any, title: str, text: str, buttons: Any = Standard.Ok) -> Any:
        return DIALOGS.ask("information", title, text, affirmative(buttons))

    @staticmethod
    def warning(parent: Any, title: str, text: str, buttons: Any = Standard.Ok) -> Any:
        return DIALOGS.ask("warning", title, text, affirmative(buttons))

    @staticmethod
    def critical(parent: Any, title: str, text: str, buttons: Any = Standard.Ok) -> Any:
        return DIALOGS.ask("critical", title, text, affirmative(buttons))

    @staticmethod
    def question(
        parent: Any, title: str, text: str, buttons: Any = Standard.Yes | Standard.No, *_: Any
    ) -> Any:
        return DIALOGS.ask("question", title, text, affirmative(buttons))


class RecordedFileDialog:
    """File dialogs; cancelled where no answer waits. PythonQt returns paths alone."""

    def exec(self) -> Any:
        return DIALOGS.ask("file", self.windowTitle, "", 0)

    def exec_(self) -> Any:
        return self.exec()

    @staticmethod
    def getExistingDirectory(parent: Any = None, caption: str = "", *_: Any) -> str:
        return DIALOGS.ask("file", caption, "", "")

    @staticmethod
    def getOpenFileName(parent: Any = None, caption: str = "", *_: Any) -> str:
        return DIALOGS.ask("file", caption, "", "")

    @staticmethod
    def getSaveFileName(parent: Any = None, caption: str = "", *_: Any) -> str:
        return DIALOGS.ask("file", caption, "", "")


class RecordedDialog:
    """Any other dialog; rejected where no answer waits."""

    def exec(self) -> Any:
        return DIALOGS.ask("dialog", self.windowTitle, "", 0)

    def exec_(self) -> Any:
        return self.exec()


class RecordedMenu:
    """A menu that pops up; nothing is chosen where no answer waits."""

    def exec(self, *_: Any) -> Any:
        return DIALOGS.ask("menu", self.title, "", None)

    def exec_(self, *_: Any) -> Any:
        return self.exec()

    def popup(self, *_: Any) -> None:
        self.exec()


RECORDED = {
    "QMessageBox": RecordedMessageBox,
    "QFileDialog": RecordedFileDialog,
    "QDialog": RecordedDialog,
    "QMenu": RecordedMenu,
}
