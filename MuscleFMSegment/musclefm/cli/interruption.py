"""Ends a command soon after Ctrl-C or SIGTERM, whatever it is doing.

Python runs signal handlers between bytecodes of the main thread only, so a
long convolution would hold them up for many seconds. The work therefore runs
in a second thread, and the main thread does nothing but wait.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from musclefm.progress import Progress, ProgressEvent
from musclefm.volumes.writing import discard_staged

_PATIENCE_S = 1.0


class InterruptedWork(BaseException):
    """The user asked the work to end."""


class Interruption:
    """Whether the work has been asked to end."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.signal_number = int(signal.SIGINT)

    def guard(self, progress: Progress) -> Progress:
        """Return a progress that raises :class:`InterruptedWork` once the work is to end."""

        def guarded(event: ProgressEvent) -> None:
            if self._asked.is_set():
                raise InterruptedWork
            progress(event)

        return guarded

    def run(self, work: Callable[[], int]) -> int:
        """Run the work and return its exit code, or 128 + the signal's number.

        When asked to end, the work has a second to unwind by itself, at its
        next sign of progress; then staged results are removed and the process
        ends.
        """
        outcome: list[int | BaseException] = []

        def body() -> None:
            try:
                outcome.append(work())
            except BaseException as error:
                outcome.append(error)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        while thread.is_alive() and not self._asked.is_set():
            thread.join(0.1)
        if self._asked.is_set():
            thread.join(_PATIENCE_S)
            discard_staged()
            print("musclefm: stopped, nothing was written", file=sys.stderr, flush=True)  # noqa: T201
            # The working thread may sit in native code that nothing else can end.
            os._exit(128 + self.signal_number)
        result = outcome[0]
        if isinstance(result, BaseException):
            raise result
        return result

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.signal_number = number
        self._asked.set()
