"""The library's worker, kept between cases: the second case finds its ensemble loaded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

from MuscleFMSegmentLib.process.child_process import ChildProcess
from MuscleFMSegmentLib.process.library_runner import startLibrary

_FAULT = 1
# In six tenths of a second the case has ended, or the worker with it.
_TIMEOUT_S = 0.8


class Worker:
    """One ``musclefm worker``, started when a case needs it.

    It ends by itself when it is idle, and with Slicer, whatever ends Slicer.

    Parameters
    ----------
    start : callable
        Starts it; raises OSError where it cannot.
    """

    def __init__(
        self, start: Callable[[], ChildProcess] = lambda: startLibrary(["worker"], takesLines=True)
    ) -> None:
        self._start = start
        self._process: ChildProcess | None = None

    def begin(self, arguments: Sequence[str]) -> WorkerCase:
        """Begin a case, as the process that a :class:`LibraryRunner` follows.

        Parameters
        ----------
        arguments : sequence of str
            Of ``musclefm segment``; the case before has to have ended.

        Raises
        ------
        OSError
            Python cannot be started.
        """
        return WorkerCase(arguments, self._handOver)

    def end(self) -> None:
        """End the worker now, and give its memory back."""
        if self._process:
            self._process.end()
        self._process = None

    def _handOver(self, arguments: Sequence[str]) -> ChildProcess:
        """Give a case to the worker, a new one where that before has ended."""
        if self._process and self._process.returnCode is not None:
            self._process.close()
            self._process = None
        self._process = self._process or self._start()
        self._process.writeLine(json.dumps({"arguments": list(arguments)}))
        return self._process


class WorkerCase:
    """One case of a worker; to whoever follows it, a process of its own.

    Parameters
    ----------
    arguments : sequence of str
        Of the case.
    handOver : callable
        Gives them to a worker that lives, and returns it.
    """

    def __init__(
        self, arguments: Sequence[str], handOver: Callable[[Sequence[str]], ChildProcess]
    ) -> None:
        self._arguments = arguments
        self._handOver = handOver
        self._process = handOver(arguments)
        self._code: int | None = None
        self._out: list[str] = []
        self._errors: list[str] = []
        self._askedAt: float | None = None

    @property
    def returnCode(self) -> int | None:
        """Exit code of the case, or of a worker that ended with it; None while it runs."""
        if self._code is None:
            self._look()
        return self._code

    def readOut(self) -> list[str]:
        """Return the lines of standard output that came since the last call."""
        lines, self._out = self._out, []
        return lines

    def readErrors(self) -> list[str]:
        """Return the lines of standard error that came since the last call."""
        lines, self._errors = self._errors, []
        return lines

    def askToEnd(self) -> None:
        """Ask for the end of the case; call :meth:`pressOn` until it has come."""
        if self._askedAt is None:
            self._askedAt = time.monotonic()
            self._process.writeLine(json.dumps({"cancel": True}))

    def pressOn(self) -> None:
        """End the worker where the case has not ended in time; the next one starts another."""
        if self._askedAt and time.monotonic() - self._askedAt > _TIMEOUT_S:
            self._process.askToEnd()
            self._process.pressOn()

    def end(self) -> None:
        """End the case and wait for that, at most four seconds."""
        self.askToEnd()
        deadline = time.monotonic() + 2.0
        while self.returnCode is None and time.monotonic() < deadline:
            self.pressOn()
            time.sleep(0.02)
        if self.returnCode is None:
            self._process.end()

    def close(self) -> None:
        """Leave the worker to the next case."""

    def _look(self) -> None:
        # Asked before: what was written until then is read below.
        code = self._process.returnCode
        for line in self._process.readOut():
            ended = _exitCode(line)
            if ended is None:
                self._out.append(line)
            else:
                self._code = ended
        # What the case said of an error came before its end.
        self._errors += self._process.readErrors()
        if self._code is not None or code is None:
            return
        if code == 0 and self._askedAt is None:
            # It had been idle for so long that it ended as the case came.
            try:
                self._process = self._handOver(self._arguments)
            except OSError:
                self._code = _FAULT
        else:
            self._code = code


def _exitCode(line: str) -> int | None:
    """Return the exit code that ends a case, or None for any other line."""
    try:
        return int(json.loads(line)["ended"])
    except (ValueError, KeyError, TypeError):
        return None
