"""How far a command is, from the JSON lines that the library writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from slicer.i18n import tr as _

from musclefm.plain_text import printable
from musclefm.progress import ProgressEvent

# Before that much of a stage is done, the time left is a guess not worth showing.
_TOO_EARLY = 0.04
# What the library writes at the end of an epoch.
_EPOCH = ", epoch "


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


@dataclass(frozen=True)
class Stage:
    """One stage of a command.

    Attributes
    ----------
    first, last : float
        Where it begins and ends within the whole, by experience on a CPU.
    text : callable
        Returns what is being done, from the event, the number of the ensemble's
        members and the time left (empty where unknown).
    logsSteps : bool
        Whether its first event is worth a line in the log, too, and not its last alone.
    """

    first: float
    last: float
    text: Callable[[ProgressEvent, int, str], str]
    logsSteps: bool = True

    def isLogWorthy(self, event: ProgressEvent, isFirst: bool) -> bool:
        """Return whether an event is worth a line in the log."""
        isEnd = event.done == event.total or _EPOCH in event.message
        return isEnd or (isFirst and self.logsSteps)


def _reading(event: ProgressEvent, members: int, left: str) -> str:
    return _("Reading the image") if event.done < event.total else _("Starting PyTorch")


def _loading(event: ProgressEvent, members: int, left: str) -> str:
    if event.done == event.total:
        return _("Running on {device}").format(device=event.message)
    text = _("Loading member {number} of {count}")
    return text.format(number=event.done + 1, count=event.total)


def _segmenting(event: ProgressEvent, members: int, left: str) -> str:
    text = _("Slice {done} of {total}")
    if members > 1:
        text = _("Slice {done} of {total} in each of {members} members")
    text = text.format(done=event.done, total=event.total, members=members)
    return text + (_(", {time} left").format(time=left) if left else "")


def _reviewing(event: ProgressEvent, members: int, left: str) -> str:
    return _("Finding what to check") if event.done < event.total else event.message


def _training(event: ProgressEvent, members: int, left: str) -> str:
    text = _("Learning: {what}").format(what=event.message)
    # It stops as soon as the held-out cases gain nothing more.
    return text + (_("; {time} left at most").format(time=left) if left else "")


SEGMENT_STAGES: Mapping[str, Stage] = {
    "read": Stage(0.00, 0.02, _reading),
    "load": Stage(0.02, 0.08, _loading),
    "segment": Stage(0.08, 0.88, _segmenting, logsSteps=False),
    "review": Stage(0.88, 0.93, _reviewing),
    "write": Stage(0.93, 1.00, lambda event, members, left: _("Writing the results")),
}
LEARN_STAGES: Mapping[str, Stage] = {
    "read": Stage(
        0.00,
        0.03,
        lambda event, members, left: _("Reading the corrections: {count}").format(
            count=event.message
        ),
    ),
    "encode": Stage(
        0.03,
        0.03,
        lambda event, members, left: _("Preparing the images, {share:.0%}").format(
            share=event.done / max(event.total, 1)
        ),
    ),
    "train": Stage(0.03, 0.85, _training),
    "validate": Stage(
        0.85,
        0.88,
        lambda event, members, left: _(
            "Trying the networks on cases that none of them learned from"
        ),
    ),
    "compare": Stage(
        0.88,
        1.00,
        lambda event, members, left: _("Comparing the old version with the new one: {case}").format(
            case=event.message
        ),
    ),
}
DOWNLOAD_STAGES: Mapping[str, Stage] = {
    "download": Stage(
        0.00,
        0.95,
        lambda event, members, left: (
            _("Downloading, {done} of {total} MB").format(done=event.done, total=event.total)
            + (_(", {time} left").format(time=left) if left else "")
        ),
        logsSteps=False,
    ),
    "import": Stage(0.95, 1.00, lambda event, members, left: _("Checking and adding the model")),
}
_TIMED = ("segment", "train", "download")


def eventOf(line: str) -> ProgressEvent | None:
    """Return the progress event on a line of the library, or None where it is none."""
    try:
        fields = json.loads(line)
        return ProgressEvent(
            fields["stage"],
            int(fields["done"]),
            int(fields["total"]),
            printable(str(fields["message"])),
        )
    except (ValueError, KeyError, TypeError):
        return None


class ProgressReader:
    """Turns progress lines into a fraction and a text with the time left.

    Parameters
    ----------
    stages : mapping
        By their names: :data:`SEGMENT_STAGES` or :data:`LEARN_STAGES`. The message of
        another stage is shown as it is.
    clock : callable
        Gives seconds that only grow.
    """

    def __init__(self, stages: Mapping[str, Stage], clock: Callable[[], float]) -> None:
        self._stages = stages
        self._clock = clock
        self._fraction = 0.0
        self._members = 0
        self._case = ""
        self._seen: set[str] = set()
        # When the timed stage began, and how much of it was done already.
        self._begun: tuple[float, float] | None = None

    def take(self, line: str) -> ProgressUpdate | None:
        """Return how far it is after a line, or None where the line holds no progress."""
        event = eventOf(line)
        if event is None:
            return None
        if event.stage == "worklist":
            self._fraction, self._case, self._begun = 0.0, event.message, None
        stage = self._stages.get(event.stage)
        if stage is None:
            return ProgressUpdate(self._fraction, _sentence(event.message))
        share = min(event.done / event.total, 1.0) if event.total > 0 else 0.0
        if event.stage == "load":
            self._members, self._begun = event.total, (self._clock(), 0.0)
        self._fraction = max(self._fraction, stage.first + (stage.last - stage.first) * share)
        # A note of the stage, e.g. that memory ran short.
        text = event.message
        if event.total > 0 or event.stage not in _TIMED:
            left = self._timeLeft(share) if event.stage in _TIMED else ""
            text = stage.text(event, self._members, left)
        isFirst = event.stage not in self._seen
        self._seen.add(event.stage)
        text = _sentence(f"{self._case}: {_sentence(text)}".removeprefix(": "))
        return ProgressUpdate(self._fraction, text, stage.isLogWorthy(event, isFirst))

    def _timeLeft(self, share: float) -> str:
        now = self._clock()
        # A learning that is resumed has a share done already.
        since, before = self._begun = self._begun or (now, share)
        if share - before < _TOO_EARLY:
            return ""
        return duration((now - since) * (1.0 - share) / (share - before))


def duration(seconds: float) -> str:
    """Return a time for people, e.g. ``"about 3 min"``."""
    if seconds < 5:
        return _("a few seconds")
    if seconds < 90:
        return _("about {count} s").format(count=5 * round(seconds / 5))
    if seconds < 90 * 60:
        return _("about {count} min").format(count=round(seconds / 60))
    return _("about {count:.1f} h").format(count=seconds / 3600)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
