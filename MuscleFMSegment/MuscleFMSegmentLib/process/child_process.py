"""A child process whose whole tree can be ended, read without threads and without waiting."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

_AT_ONCE = 1 << 16
_OWN_GROUP: dict[str, Any]
if sys.platform == "win32":
    _OWN_GROUP = {
        "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    }
else:
    _OWN_GROUP = {"start_new_session": True}

# Asked to end, the library removes what is half written in half a second.
_TIMEOUT_S = 1.2


class _Lines:
    """Whole lines of a pipe, as far as they have come."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._descriptor = pipe.fileno()
        self._rest = b""
        os.set_blocking(self._descriptor, False)

    def read(self) -> list[str]:
        while True:
            try:
                data = os.read(self._descriptor, _AT_ONCE)
            except BlockingIOError:
                break
            if not data:
                break
            self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        return [line.decode("utf-8", "replace").rstrip("\r") for line in lines]

    def last(self) -> list[str]:
        lines, rest = self.read(), self._rest
        self._rest = b""
        return [*lines, rest.decode("utf-8", "replace")] if rest else lines


class ChildProcess:
    """A program in a process group of its own.

    ``PythonSlicer`` is a launcher that starts the real Python, so ending the
    process that was started is not enough; and a thread that reads would wait for
    Slicer's interpreter. ``slicer.util.launchConsoleProcess`` does both.

    Parameters
    ----------
    arguments : sequence of str
        Program and arguments.
    environment : mapping of str to str
        All variables of the child.
    folder : Path, optional
        Its working folder.
    takesLines : bool
        Whether it is given lines by :meth:`writeLine`; they end when this process does.

    Raises
    ------
    OSError
        The program cannot be started.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path | None = None,
        takesLines: bool = False,
    ) -> None:
        self._process = subprocess.Popen(
            list(arguments),
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.PIPE if takesLines else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **_OWN_GROUP,
        )
        assert self._process.stdout and self._process.stderr
        self._out, self._errors = _Lines(self._process.stdout), _Lines(self._process.stderr)
        self._askedAt: float | None = None

    @property
    def pid(self) -> int:
        """Number of the process that was started, and of its group."""
        return self._process.pid

    @property
    def returnCode(self) -> int | None:
        """Exit status, negative for a signal; None while anything of the tree runs."""
        code = self._process.poll()
        return None if code is None or (self._askedAt and self._treeLives()) else code

    def readOut(self) -> list[str]:
        """Return the whole lines of standard output that came since the last call."""
        return self._out.last() if self.returnCode is not None else self._out.read()

    def readErrors(self) -> list[str]:
        """Return the whole lines of standard error that came since the last call."""
        return self._errors.last() if self.returnCode is not None else self._errors.read()

    def writeLine(self, line: str) -> None:
        """Write a line to its standard input; one that has ended reads it no more."""
        assert self._process.stdin
        with contextlib.suppress(OSError):
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def askToEnd(self) -> None:
        """Ask the tree to end; call :meth:`pressOn` until it has."""
        if self._askedAt is None:
            self._askedAt = time.monotonic()
            self._signal(force=os.name == "nt")

    def pressOn(self) -> None:
        """End by force what has not ended in time after it was asked."""
        if self._askedAt and time.monotonic() - self._askedAt > _TIMEOUT_S:
            self._signal(force=True)

    def end(self) -> None:
        """End the tree and wait for it, at most two seconds."""
        self.askToEnd()
        deadline = time.monotonic() + 2.0
        while self.returnCode is None and time.monotonic() < deadline:
            self.pressOn()
            time.sleep(0.02)
        self.close()

    def close(self) -> None:
        """Give the pipes back."""
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()

    def _treeLives(self) -> bool:
        if sys.platform == "win32":
            return False
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _signal(self, force: bool) -> None:
        if sys.platform == "win32":
            tree = ["taskkill", "/T", "/F", "/PID", str(self.pid)]
            subprocess.run(tree, capture_output=True, creationflags=subprocess.CREATE_NO_WINDOW)
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL if force else signal.SIGTERM)
