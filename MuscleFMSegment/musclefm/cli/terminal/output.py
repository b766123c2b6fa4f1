"""Where the command's text leaves: every line that is printed passes here.

Control characters of names and descriptions are replaced, characters that the
terminal's encoding lacks become question marks, and a standard output that is
closed or that nobody reads any more never ends the work that it tells of.
"""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import sys
import warnings
from typing import IO, TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.text import Text

from musclefm.errors import MuscleFMWarning
from musclefm.plain_text import printable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def say(text: str) -> None:
    """Print a line on standard output, whole at any width."""
    print(printable(text))  # noqa: T201


def say_json(value: object) -> None:
    """Print a value of plain JSON types as one line of ASCII."""
    print(json.dumps(value))  # noqa: T201


def note(text: str) -> None:
    """Print a line on standard error, so that it is no part of what is asked for."""
    print(printable(text), file=sys.stderr)  # noqa: T201


def console(*, stderr: bool = False) -> Console:
    """Return a console for tables and wrapped text, of whatever origin."""
    return _PlainConsole(stderr=stderr, markup=False, emoji=False, highlight=False)


def open_streams() -> None:
    """Make standard input, output and error fit to be used, whatever they are.

    A closed one becomes the null device, lest the next file that is opened takes
    its number and is printed into.
    """
    _open_descriptors()
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
        # Those that tests or an embedding program put there stay.
        elif mode == "w" and stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _lasting(stream))


def silence_libraries() -> None:
    """Keep back what libraries log and warn of: it is for developers and may hold paths."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", MuscleFMWarning)
        warnings.showwarning = lambda message, *others: note(str(message))
        logging.disable(logging.CRITICAL)


class _PlainConsole(Console):
    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


class _Outlet(io.RawIOBase):
    """A file to write to that never complains of a reader who has left.

    Any other failure is raised once; what is written afterwards is dropped.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._is_terminal = raw.isatty()
        self._gone = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, data: ReadableBuffer) -> int | None:
        size = memoryview(data).nbytes
        if self._gone:
            return size
        try:
            return self._raw.write(data)
        except OSError as error:
            self._gone = True
            if not self._tells_of_no_reader(error):
                raise
            return size

    def _tells_of_no_reader(self, error: OSError) -> bool:
        return (
            error.errno == errno.EPIPE
            # A terminal that was closed.
            or (error.errno == errno.EIO and self._is_terminal)
            # So Windows calls a broken pipe.
            or (error.errno == errno.EINVAL and os.name == "nt")
        )


def _lasting(stream: TextIO) -> TextIO:
    stream.flush()
    raw = getattr(stream.buffer, "raw", stream.buffer)
    return io.TextIOWrapper(
        io.BufferedWriter(_Outlet(raw)),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.isatty() or getattr(stream, "write_through", False),
    )


def _open_descriptors() -> None:
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is given, which is this one.
            null = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(null, True)
