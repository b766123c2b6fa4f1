"""Ends a command soon after Ctrl-C or SIGTERM, whatever it is doing.

Python runs signal handlers between bytecodes of the main thread only, so a
long convolution would hold them up for many seconds. Heavy work therefore runs
in a second thread, and the main thread does nothing but wait.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn, TypeVar

from musclefm.errors import MuscleFMError
from musclefm.progress import Progress, ProgressEvent

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_TIMEOUT_S = 0.5

Result = TypeVar("Result")


class InterruptedWork(BaseException):
    """The user asked the command to end.

    Parameters
    ----------
    signal_number : int
        Of the signal that asked for it.

    Attributes
    ----------
    kept : callable or None
        Returns what is kept of the work, once nothing is written any more; an empty
        text for nothing.
    unwound : bool
        Whether the thread of the work has ended.
    """

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        self.kept: Callable[[], str] | None = None
        self.unwound = True
        super().__init__(signal_number)


def raise_on_signals() -> None:
    """Let Ctrl-C and SIGTERM raise :class:`InterruptedWork` in the main thread, once."""
    for number in _SIGNALS:
        signal.signal(number, _raise)


def run_interruptibly(
    work: Callable[[Progress], Result],
    progress: Progress,
    kept: Callable[[], str] | None = None,
    cancelled: threading.Event | None = None,
) -> Result:
    """Run work in a thread of its own, so that a signal is noticed at once.

    When asked to end, the work has half a second to unwind by itself, at its
    next sign of progress. Its result counts if it has one by then; from there
    on signals are ignored, since there is nothing left to stop.

    Parameters
    ----------
    work : callable
        Takes the callback for its progress.
    progress : Progress
        Called at each step of the work.
    kept : callable, optional
        See :class:`InterruptedWork`.
    cancelled : Event, optional
        Asks the work to end when it is set, as Ctrl-C does.

    Raises
    ------
    InterruptedWork
        The work was asked to end. Its thread may still be running.
    """
    asked = threading.Event()
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def guarded(event: ProgressEvent) -> None:
        if asked.is_set():
            raise InterruptedWork(0)
        progress(event)

    def body() -> None:
        try:
            outcome.append(work(guarded))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=body, daemon=True)
    try:
        thread.start()
        while thread.is_alive():
            thread.join(0.1)
            if cancelled and cancelled.is_set():
                raise InterruptedWork(signal.SIGINT)
        _ignore_signals()
    except InterruptedWork as interrupted:
        asked.set()
        thread.join(_TIMEOUT_S)
        if not outcome:
            interrupted.kept = kept
            interrupted.unwound = not thread.is_alive()
            raise
    if failure:
        raise failure[0]
    return outcome[0]


def end_process(interrupted: InterruptedWork) -> NoReturn:
    """Remove what is half written, say what is kept, and end with 128 + the signal's number."""
    from multiprocessing import active_children

    from musclefm.storage.staging import discard_staged, published_count

    for child in active_children():
        child.terminate()
    discard_staged()
    kept = ""
    if interrupted.kept:
        # Whatever is wrong with what is kept, the next run says.
        with contextlib.suppress(MuscleFMError, OSError):
            kept = interrupted.kept()
    elif published_count():
        kept = "what was written before is kept"
    message = f"musclefm: stopped, {kept or 'no result was written'}"
    print(message, file=sys.stderr, flush=True)  # noqa: T201
    # The working thread may sit in native code that nothing else can end.
    os._exit(128 + interrupted.signal_number)


def _raise(number: int, frame: FrameType | None) -> None:
    # A second Ctrl-C would cut the clearing up short.
    _ignore_signals()
    raise InterruptedWork(number)


def _ignore_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
