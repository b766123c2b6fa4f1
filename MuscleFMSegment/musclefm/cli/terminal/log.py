"""Where the loggers ``musclefm.*`` are heard: on standard error, and in a file.

What other libraries log is not: it may hold paths, and so names of patients.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from musclefm.cli.terminal.output import note
from musclefm.errors import MuscleFMError
from musclefm.plain_text import printable

_FIRST_LINE = b"# Log of musclefm: time, level, logger, message.\n"
_OWN = "musclefm"
_ANOTHER_FILE = "give a new file, or a log that musclefm began"
# Follows no link, waits for no reader of a pipe, and is handed on to no other program.
_FLAGS = os.O_RDWR | os.O_APPEND
for _name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--verbose`` and ``--log-file``, before and after the name of a command alike."""
    group = parser.add_argument_group("log")
    # Without defaults: those of a command would replace what was given before its name.
    group.add_argument(
        "--verbose", action="store_true", default=argparse.SUPPRESS, help="print what is done"
    )
    group.add_argument(
        "--log-file",
        type=Path,
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="add what is done to a file, which names no patient",
    )


@contextlib.contextmanager
def command_log(arguments: argparse.Namespace) -> Iterator[None]:
    """Let a command's log be heard as its arguments ask.

    Raises
    ------
    MuscleFMError
        The log file is something else than a log of this library, or cannot be written.
    """
    handlers: list[logging.Handler] = []
    if getattr(arguments, "verbose", False):
        handlers.append(_Terminal())
    if path := getattr(arguments, "log_file", None):
        handlers.append(_File(_open_log(path)))
    if not handlers:
        yield
        return
    own = logging.getLogger(_OWN)
    level, disabled = own.level, logging.root.manager.disable
    with _others_silenced():
        own.setLevel(logging.DEBUG)
        logging.disable(logging.NOTSET)
        for handler in handlers:
            own.addHandler(handler)
        try:
            yield
        finally:
            for handler in handlers:
                own.removeHandler(handler)
                handler.close()
            own.setLevel(level)
            logging.disable(disabled)


class _Line(logging.Formatter):
    """One line an event; tracebacks hold paths and are left out."""

    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        return printable(f"{when} {record.levelname} {record.name}: {record.getMessage()}")


class _Terminal(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_Line())

    def emit(self, record: logging.LogRecord) -> None:
        note(self.format(record))


class _File(logging.Handler):
    """Adds whole lines to an open file; where that fails, the work goes on without."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.setFormatter(_Line())
        self._descriptor: int | None = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        if self._descriptor is None:
            return
        line = self.format(record).encode("utf-8", "replace") + b"\n"
        try:
            os.write(self._descriptor, line)
        except OSError as error:
            self.close()
            note(f"musclefm: the log ends here ({error.strerror or 'output error'})")

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        super().close()


class _Silenced(logging.Logger):
    """What loggers that are made meanwhile are: silent, unless they are the library's own."""

    def __init__(self, name: str, level: int = logging.NOTSET) -> None:
        super().__init__(name, level)
        self.disabled = name.partition(".")[0] != _OWN


@contextlib.contextmanager
def _others_silenced() -> Iterator[None]:
    # As silence_libraries: under python -X dev, all is heard.
    if sys.warnoptions:
        yield
        return
    before = logging.getLoggerClass()
    silenced = [logger for logger in (logging.root, *_loggers()) if not logger.disabled]
    silenced = [logger for logger in silenced if logger.name.partition(".")[0] != _OWN]
    for logger in silenced:
        logger.disabled = True
    logging.setLoggerClass(_Silenced)
    try:
        yield
    finally:
        logging.setLoggerClass(before)
        for logger in (*silenced, *(x for x in _loggers() if isinstance(x, _Silenced))):
            logger.disabled = False


def _loggers() -> list[logging.Logger]:
    made = list(logging.root.manager.loggerDict.values())
    return [logger for logger in made if isinstance(logger, logging.Logger)]


def _open_log(path: Path) -> int:
    """Open a log for adding to it, and return its descriptor."""
    try:
        descriptor = _opened(path)
        try:
            _require_own(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
    except OSError as error:
        raise MuscleFMError(
            f"the log file cannot be written ({error.strerror or 'output error'})",
            "check its folder and access rights, or give another file",
        ) from error
    return descriptor


def _opened(path: Path) -> int:
    try:
        descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        # Opening a device can already do something, so it is looked at before.
        if not stat.S_ISREG(path.lstat().st_mode):
            raise _not_a_log() from None
        return os.open(path, _FLAGS)
    os.write(descriptor, _FIRST_LINE)
    return descriptor


def _require_own(descriptor: int) -> None:
    status = os.fstat(descriptor)
    # A second name could be one under which others read it, or another file altogether.
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise _not_a_log()
    os.lseek(descriptor, 0, os.SEEK_SET)
    if status.st_size == 0:
        os.write(descriptor, _FIRST_LINE)
    elif os.read(descriptor, len(_FIRST_LINE)) != _FIRST_LINE:
        raise _not_a_log()
    if os.name == "posix" and status.st_mode & 0o077:
        os.fchmod(descriptor, 0o600)


def _not_a_log() -> MuscleFMError:
    return MuscleFMError("the log file is not a log of musclefm", _ANOTHER_FILE)
