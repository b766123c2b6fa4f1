"""How long work tells the outside how far it is.

Work takes a :class:`Progress` and calls it; what is shown (a bar, JSON lines,
nothing) is the caller's business. Cancelling is an exception raised from the
call or from a signal handler; work leaves no partial result behind on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


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
