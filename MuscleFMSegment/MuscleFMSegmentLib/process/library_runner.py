"""The one way to run the library: in a child process, which may import torch, without waiting."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import slicer
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from MuscleFMSegmentLib.process.child_process import ChildProcess
from MuscleFMSegmentLib.process.progress_updates import ProgressReader, ProgressUpdate, Stage

PYTHON_VARIABLE = "MUSCLEFM_LIBRARY_PYTHON"
"""Environment variable that names another Python for the library, e.g. one with a newer torch."""

LIBRARY_FOLDER = Path(__file__).resolve().parents[2]
"""The folder that holds the package ``musclefm``, beside the module."""

_INTERVAL_MS = 100
_PREFIX = "musclefm: "
_MISSING = "ModuleNotFoundError: No module named"
_REFUSED = 2


class Process(Protocol):
    """What the runner needs of a process; see :class:`ChildProcess`."""

    @property
    def returnCode(self) -> int | None: ...
    def readOut(self) -> list[str]: ...
    def readErrors(self) -> list[str]: ...
    def askToEnd(self) -> None: ...
    def pressOn(self) -> None: ...
    def end(self) -> None: ...
    def close(self) -> None: ...


def startLibrary(arguments: Sequence[str], takesLines: bool = False) -> ChildProcess:
    """Start ``python -m musclefm`` with arguments, in Slicer's Python unless another is named.

    Parameters
    ----------
    arguments : sequence of str
        Of ``musclefm``.
    takesLines : bool
        As of :class:`ChildProcess`.

    Raises
    ------
    OSError
        Python cannot be started.
    """
    other = os.environ.get(PYTHON_VARIABLE)
    # Never sys.executable: in Slicer that is Slicer itself, and a second one would open.
    python = other or shutil.which("PythonSlicer")
    if python is None:
        raise FileNotFoundError(errno.ENOENT, _("PythonSlicer is not in Slicer's folder"))
    environment = slicer.util.startupEnvironment() if other else dict(os.environ)
    paths = [str(LIBRARY_FOLDER), "" if other else os.environ.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    # Progress has to come as it is made, and names as they are written.
    environment |= {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    command = [python, "-m", "musclefm", *arguments]
    return ChildProcess(command, environment, takesLines=takesLines)


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes
    ----------
    kind : str
        ``"finished"`` with all results, ``"stopped"`` by the user, or ``"failed"``.
    message : str
        For a failed one: cause and remedy in one line.
    output : str
        What it printed beside its progress.
    """

    kind: Literal["finished", "stopped", "failed"]
    message: str = ""
    output: str = ""

    @property
    def error(self) -> MuscleFMError:
        """The message of a failed one, as an exception."""
        cause, _colon, remedy = self.message.partition(": ")
        return MuscleFMError(cause, remedy)


def _ignore(anything: Any) -> None:
    pass


class LibraryRunner:
    """One command of the library at a time: started, followed, cancelled.

    Parameters
    ----------
    timer : qt.QTimer
        Of its own; calls :meth:`poll` while a command runs.
    start : callable
        Starts the library with arguments, or begins a case of a :class:`Worker`; raises
        OSError where it cannot.
    """

    def __init__(
        self, timer: Any, start: Callable[[Sequence[str]], Process] = startLibrary
    ) -> None:
        self._start = start
        self._timer = timer
        timer.interval = _INTERVAL_MS
        timer.connect("timeout()", self.poll)
        self._process: Process | None = None
        self._onEnd: Callable[[Outcome], None] = _ignore

    @property
    def isRunning(self) -> bool:
        """Whether a command runs."""
        return self._process is not None

    def run(
        self,
        arguments: Sequence[str],
        onEnd: Callable[[Outcome], None],
        onProgress: Callable[[ProgressUpdate], None] = _ignore,
        onLog: Callable[[str], None] = _ignore,
        stages: Mapping[str, Stage] | None = None,
        name: str = "",
    ) -> None:
        """Start a command; one that still runs is ended first.

        Parameters
        ----------
        arguments : sequence of str
            Of ``musclefm``.
        onEnd : callable
            Given the outcome, unless the command is ended by :meth:`end`.
        onProgress, onLog : callable
            Given how far it is, and each line for the log.
        stages : mapping, optional
            By which progress is shown, see :class:`ProgressReader`.
        name : str
            What is running, for the message of a crash.

        Raises
        ------
        MuscleFMError
            Python cannot be started.
        """
        self.end()
        try:
            self._process = self._start(arguments)
        except OSError as error:
            raise MuscleFMError(
                _("the library's Python cannot be started ({cause})").format(cause=error.strerror),
                _("install MuscleFMSegment again"),
            ) from error
        self._onEnd, self._onProgress, self._onLog = onEnd, onProgress, onLog
        self._reader = ProgressReader(stages or {}, time.monotonic)
        self._name = name or _("the library")
        self._isStopped = False
        self._logged = ""
        self._output: list[str] = []
        self._errors: list[str] = []
        self._timer.start()

    def ask(
        self,
        arguments: Sequence[str],
        onAnswer: Callable[[str], None],
        onFailed: Callable[[Exception], None],
    ) -> None:
        """Run a short command, and hand over what it printed or the error of whatever failed."""

        def onEnd(outcome: Outcome) -> None:
            if outcome.kind == "finished":
                onAnswer(outcome.output)
            else:
                onFailed(outcome.error)

        try:
            self.run(arguments, onEnd)
        except MuscleFMError as error:
            onFailed(error)

    def stop(self) -> None:
        """Ask the whole tree of processes to end; it has within two seconds."""
        if self._process:
            self._isStopped = True
            self._process.askToEnd()

    def end(self) -> None:
        """End the whole tree of processes now, and wait for it."""
        self._timer.stop()
        process, self._process = self._process, None
        self._onEnd = _ignore
        if process:
            process.end()

    def wait(self, meanwhile: Callable[[], None]) -> None:
        """Wait until the command has ended, for scripts."""
        while self.isRunning:
            meanwhile()
            self.poll()
            time.sleep(_INTERVAL_MS / 2000)

    def poll(self) -> None:
        """Report what came since the last call, and the outcome once the process has ended."""
        if (process := self._process) is None:
            return
        code = process.returnCode
        if code is None and self._isStopped:
            process.pressOn()
        self._readProgress(process.readOut())
        for line in process.readErrors():
            self._errors.append(line)
            self._onLog(line)
        if code is not None:
            process.close()
            self._timer.stop()
            self._process = None
            # What it holds of the scene is let go.
            onEnd, self._onEnd = self._onEnd, _ignore
            onEnd(self._outcome(code))

    def _readProgress(self, lines: Sequence[str]) -> None:
        latest = None
        for line in lines:
            update = self._reader.take(line)
            if update is None:
                self._output.append(line)
                self._onLog(line)
                continue
            latest = update
            if update.isLogWorthy and update.text != self._logged:
                self._logged = update.text
                self._onLog(update.text)
        if latest and not self._isStopped:
            self._onProgress(latest)

    def _outcome(self, code: int) -> Outcome:
        if self._isStopped:
            return Outcome("stopped")
        if code == 0:
            return Outcome("finished", output="\n".join(self._output))
        missing = [line for line in self._errors if line.startswith(_MISSING)]
        if missing:
            return Outcome("failed", _missingText(missing[-1].split("'")[1]))
        messages = [line for line in self._errors if line.startswith(_PREFIX)]
        if code == _REFUSED and messages:
            return Outcome("failed", messages[-1].removeprefix(_PREFIX))
        text = _(
            "{name} ended unexpectedly (status {code}): see the log below; if memory ran out,"
            " close other programs or crop the volume"
        )
        return Outcome("failed", text.format(name=self._name, code=code))


def _missingText(name: str) -> str:
    """Say how to get a package that the module, which looks before, had found or not looked for."""
    if os.environ.get(PYTHON_VARIABLE):
        text = _("the package '{name}' is missing in the Python of {variable}: install it there")
    else:
        text = _(
            "the package '{name}' is missing or damaged: open the module again and press Install,"
            " or reinstall it in Slicer's Python console"
        )
    return text.format(name=name, variable=PYTHON_VARIABLE)
