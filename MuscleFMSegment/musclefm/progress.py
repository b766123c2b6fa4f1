"""How long work tells the outside how far it is.

Work takes a :class:`Progress` and calls it; what is shown (a bar, JSON lines,
nothing) is the caller's business. Cancelling is an exception raised from the
call or from a signal handler; work leaves no partial result behind on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_FILES_AN_EVENT = 100


@dataclass(frozen=True)
class ProgressEvent:
    """One step of the way.

    Attributes
    ----------
    stage : str
        Short name of the stage, e.g. ``"segment"``.
    done, total : int
        Steps done and steps in all of this stage; ``total`` is 0 where unknown.
    message : str
        One line for the reader, without patient identity.
    """

    stage: str
    done: int
    total: int
    message: str = ""


class Progress(Protocol):
    """Receives progress events."""

    def __call__(self, event: ProgressEvent) -> None: ...


def silent(event: ProgressEvent) -> None:
    """Discard the event."""


class WorkCancelledError(Exception):
    """The caller asked the work to stop; nothing of it is left behind but what it can resume."""


def followed(files: Sequence[Path], message: str, progress: Progress) -> Iterator[Path]:
    """Yield files that are read, with an event of the stage ``"read"`` for every hundred.

    Parameters
    ----------
    files : sequence of Path
        All that are read.
    message : str
        What is done with them.
    progress : Progress
        Called; fewer than a hundred are not worth it.
    """
    for number, file in enumerate(files):
        if number and number % _FILES_AN_EVENT == 0:
            progress(ProgressEvent("read", number, len(files), message))
        yield file


def watched(
    progress: Callable[[ProgressEvent], object] | None, cancel: Callable[[], bool] | None
) -> Progress:
    """Return a receiver that passes events on, and stops the work when it is cancelled.

    Parameters
    ----------
    progress : callable, optional
        Takes each :class:`ProgressEvent`.
    cancel : callable, optional
        Asked at each event; the work stops once it returns True.

    Returns
    -------
    Progress
        Raises :class:`WorkCancelledError` from its call.
    """

    def receive(event: ProgressEvent) -> None:
        if cancel is not None and cancel():
            raise WorkCancelledError("the work was cancelled")
        if progress is not None:
            progress(event)

    return receive
