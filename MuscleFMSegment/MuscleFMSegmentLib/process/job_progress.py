"""How far a segmentation is, from the JSON lines that the library writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from musclefm.plain_text import printable
from musclefm.progress import ProgressEvent

# Shares of the whole that stages take, by experience on a CPU.
_STAGES = {
    "read": (0.00, 0.02),
    "load": (0.02, 0.08),
    "segment": (0.08, 0.88),
    "review": (0.88, 0.93),
    "write": (0.93, 1.00),
}

# Before that much of the slices is done, the time left is a guess not worth telling.
_TOO_EARLY = 0.04


@dataclass(frozen=True)
class ProgressUpdate:
    """How far it is.

    Attributes
    ----------
    fraction : float
        Done, in [0, 1].
    text : str
        What is being done, for people.
    isLogWorthy : bool
        Whether it is worth a line in the log: another stage, not another slice.
    """

    fraction: float
    text: str
    isLogWorthy: bool = True


def eventOf(line: str) -> ProgressEvent | None:
    """Return what a line of the library tells, or None where it tells no progress."""
    try:
        told = json.loads(line)
        return ProgressEvent(
            told["stage"], int(told["done"]), int(told["total"]), printable(str(told["message"]))
        )
    except (ValueError, KeyError, TypeError):
        return None


class JobProgress:
    """Turns progress lines into a fraction and a text with the time left.

    Parameters
    ----------
    clock : callable
        Gives seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._slicesSince: float | None = None
        self._members = 0
        self._fraction = 0.0
        self._case = ""

    def take(self, line: str) -> ProgressUpdate | None:
        """Return how far it is after a line, or None where the line tells no progress."""
        event = eventOf(line)
        if event is None:
            return None
        stage, done, total, message = event.stage, event.done, event.total, event.message
        if stage == "worklist":
            self._fraction, self._case = 0.0, message
            return ProgressUpdate(0.0, _sentence(message))
        if total <= 0 or stage not in _STAGES:
            return ProgressUpdate(self._fraction, _sentence(message))
        first, last = _STAGES[stage]
        self._fraction = max(self._fraction, first + (last - first) * min(done / total, 1.0))
        text = self._text(stage, done, total, message)
        text = _sentence(f"{self._case}: {text}".removeprefix(": "))
        return ProgressUpdate(self._fraction, text, isLogWorthy=stage != "segment" or done == total)

    def _text(self, stage: str, done: int, total: int, message: str) -> str:
        if stage == "load":
            self._members = total
            self._slicesSince = self._clock()
            if done == total:
                return f"Running on {message}"
            return f"Loading member {min(done + 1, total)} of {total}"
        if stage == "segment":
            ensemble = f" in each of {self._members} members" if self._members > 1 else ""
            return f"Slice {done} of {total}{ensemble}{self._timeLeft(done / total)}"
        if stage == "review":
            return "Finding what to check" if done < total else _sentence(message)
        if stage == "write":
            return "Writing the results"
        return "Reading the image" if done < total else "Starting PyTorch"

    def _timeLeft(self, share: float) -> str:
        if self._slicesSince is None or share < _TOO_EARLY:
            return ""
        left = (self._clock() - self._slicesSince) * (1.0 - share) / share
        return f", {duration(left)} left"


def duration(seconds: float) -> str:
    """Return a time for people, e.g. ``"about 3 min"``."""
    if seconds < 5:
        return "a few seconds"
    if seconds < 90:
        return f"about {5 * round(seconds / 5)} s"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
