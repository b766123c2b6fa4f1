"""A library that does what a test tells it to, in place of child processes."""

from __future__ import annotations

import json
from collections.abc import Sequence


class ScriptedProcess:
    """A process that says what its script says."""

    def __init__(self, lines: Sequence[str] = (), returnCode: int | None = None) -> None:
        self.out = list(lines)
        self.errors: list[str] = []
        self.returnCode = returnCode
        self.isAsked = False

    def readOut(self) -> list[str]:
        lines, self.out = self.out, []
        return lines

    def readErrors(self) -> list[str]:
        lines, self.errors = self.errors, []
        return lines

    def askToEnd(self) -> None:
        self.isAsked = True

    def pressOn(self) -> None: ...

    def end(self) -> None:
        self.isAsked = True
        self.returnCode = 143

    def close(self) -> None: ...


class ScriptedLibrary:
    """Answers at once to what is asked of it, and runs a learning until a test ends it.

    Attributes
    ----------
    status : dict
        What ``musclefm learn --status`` tells.
    asked : list of list of str
        Arguments of all commands but that one.
    learning : ScriptedProcess or None
        The latest learning.
    """

    def __init__(self, status: dict[str, object]) -> None:
        self.status = status
        self.asked: list[list[str]] = []
        self.learning: ScriptedProcess | None = None

    def start(self, arguments: Sequence[str]) -> ScriptedProcess:
        """Start the library."""
        if "--status" in arguments:
            return ScriptedProcess([json.dumps(self.status)], 0)
        self.asked.append(list(arguments))
        if arguments[0] == "learn":
            self.learning = ScriptedProcess()
            return self.learning
        return ScriptedProcess([], 0)


def event(stage: str, done: int, total: int, message: str = "") -> str:
    """Return a line of progress as the library writes it."""
    return json.dumps({"stage": stage, "done": done, "total": total, "message": message})
