"""Has the library do something short in a child process, without waiting for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from musclefm.errors import MuscleFMError
from MuscleFMSegmentLib.process.job import Job, Outcome, Process

_INTERVAL_MS = 100


class LibraryQuery:
    """One command of the library at a time.

    Parameters
    ----------
    start : callable
        Starts the library with arguments, see
        :func:`MuscleFMSegmentLib.process.library_process.startLibrary`.
    timer : qt.QTimer
        Of its own.
    """

    def __init__(self, start: Callable[[Sequence[str]], Process], timer: Any) -> None:
        self._start = start
        self._timer = timer
        timer.interval = _INTERVAL_MS
        timer.connect("timeout()", self._poll)
        self._job: Job | None = None

    @property
    def isRunning(self) -> bool:
        """Whether a command runs."""
        return self._job is not None

    def ask(
        self,
        arguments: Sequence[str],
        onAnswer: Callable[[str], None],
        onFailed: Callable[[Exception], None],
    ) -> None:
        """Run a command; one that still runs is ended.

        Parameters
        ----------
        arguments : sequence of str
            Of ``musclefm``.
        onAnswer : callable
            Given what it printed, once it has ended well.
        onFailed : callable
            Given the error that the user can mend.
        """
        self.stop()
        self._lines: list[str] = []
        self._onAnswer, self._onFailed = onAnswer, onFailed
        try:
            process = self._start(arguments)
        except OSError as error:
            onFailed(
                MuscleFMError(
                    f"the library's Python cannot be started ({error.strerror})",
                    "install MuscleFMSegment again",
                )
            )
            return
        self._job = Job(process, lambda update: None, self._lines.append)
        self._timer.start()

    def stop(self) -> None:
        """End what runs."""
        self._timer.stop()
        if self._job:
            self._job.end()
            self._job = None

    def _poll(self) -> None:
        outcome = self._job.poll() if self._job else None
        if outcome:
            self._timer.stop()
            self._job = None
            self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        if outcome.kind == "finished":
            self._onAnswer("\n".join(self._lines))
        else:
            self._onFailed(outcome.error)
