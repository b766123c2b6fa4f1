"""A segmentation in a child process: progress, log, stop and outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from musclefm.errors import MuscleFMError
from MuscleFMSegmentLib.process.job_progress import JobProgress, ProgressUpdate

_PREFIX = "musclefm: "
_MISSING = "ModuleNotFoundError: No module named"
_REFUSED = 2


class Process(Protocol):
    """What a job needs of a process; see :mod:`MuscleFMSegmentLib.process.child_process`."""

    @property
    def returnCode(self) -> int | None: ...
    def readOut(self) -> list[str]: ...
    def readErrors(self) -> list[str]: ...
    def askToEnd(self) -> None: ...
    def pressOn(self) -> None: ...
    def end(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes
    ----------
    kind : str
        ``"finished"`` with all results, ``"stopped"`` by the user, or ``"failed"``.
    message : str
        For a failed one: cause and remedy in one line.
    """

    kind: Literal["finished", "stopped", "failed"]
    message: str = ""

    @property
    def error(self) -> MuscleFMError:
        """What a failed one said, as an exception."""
        cause, _, remedy = self.message.partition(": ")
        return MuscleFMError(cause, remedy)


class Progress(Protocol):
    """Turns lines into updates; see :mod:`MuscleFMSegmentLib.process.job_progress`."""

    def take(self, line: str) -> ProgressUpdate | None: ...


class Job:
    """Follows a child process of the library until it ends.

    Nothing happens by itself: whoever owns the job calls :meth:`poll`, from a timer
    or in a loop.

    Parameters
    ----------
    process : Process
        Running, and telling its progress as JSON lines.
    onProgress : callable
        Told how far it is.
    onLog : callable
        Told each line for the log.
    progress : Progress, optional
        Reads the lines; by default those of a segmentation.
    name : str
        What is running, for an error.
    """

    def __init__(
        self,
        process: Process,
        onProgress: Callable[[ProgressUpdate], None],
        onLog: Callable[[str], None],
        progress: Progress | None = None,
        name: str = "the segmentation",
    ) -> None:
        self._process = process
        self._name = name
        self._onProgress = onProgress
        self._onLog = onLog
        self._progress = progress or JobProgress(time.monotonic)
        self._stopped = False
        self._logged = ""
        self._errors: list[str] = []

    def poll(self) -> Outcome | None:
        """Tell what came since the last call; return the outcome once the process has ended."""
        code = self._process.returnCode
        if code is None and self._stopped:
            self._process.pressOn()
        update = None
        for line in self._process.readOut():
            told = self._progress.take(line)
            update = told or update
            if told is None or (told.isLogWorthy and told.text != self._logged):
                self._logged = told.text if told else line
                self._onLog(self._logged)
        if update and not self._stopped:
            self._onProgress(update)
        for line in self._process.readErrors():
            self._errors.append(line)
            self._onLog(line)
        if code is None:
            return None
        self._process.close()
        return self._outcome(code)

    def stop(self) -> None:
        """Ask the whole tree of processes to end; it has within two seconds."""
        self._stopped = True
        self._process.askToEnd()

    def end(self) -> None:
        """End the whole tree of processes now, and wait for it."""
        self._stopped = True
        self._process.end()

    def _outcome(self, code: int) -> Outcome:
        if self._stopped:
            return Outcome("stopped")
        if code == 0:
            return Outcome("finished")
        missing = [line for line in self._errors if line.startswith(_MISSING)]
        if missing:
            package = missing[-1].split("'")[1]
            return Outcome("failed", f"the package '{package}' is missing: press Install")
        said = [line for line in self._errors if line.startswith(_PREFIX)]
        if code == _REFUSED and said:
            return Outcome("failed", said[-1].removeprefix(_PREFIX))
        return Outcome(
            "failed",
            f"{self._name} ended unexpectedly (status {code}): see the log below; if memory"
            " ran out, close other programs or crop the volume",
        )
