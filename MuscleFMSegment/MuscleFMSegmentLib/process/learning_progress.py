"""How far a learning is, from the JSON lines that the library writes."""

from __future__ import annotations

from collections.abc import Callable

from slicer.i18n import tr as _

from MuscleFMSegmentLib.process.job_progress import ProgressUpdate, duration, eventOf

# Shares of the whole that stages take, by experience on a CPU.
_STAGES = {
    "read": (0.00, 0.03),
    "encode": (0.03, 0.03),
    "train": (0.03, 0.85),
    "validate": (0.85, 0.88),
    "compare": (0.88, 1.00),
}

# Before that much of it is done, the time left is a guess not worth telling.
_TOO_EARLY = 0.02

# What the library says at the end of one.
_EPOCH = ", epoch "


class LearningProgress:
    """Turns progress lines into a fraction and a text with the time left.

    Parameters
    ----------
    clock : callable
        Gives seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._fraction = 0.0
        self._seen: set[str] = set()
        self._begun: tuple[float, float] | None = None

    def take(self, line: str) -> ProgressUpdate | None:
        """Return how far it is after a line, or None where the line tells no progress."""
        event = eventOf(line)
        if event is None:
            return None
        stage, message = event.stage, event.message
        if stage not in _STAGES:
            return ProgressUpdate(self._fraction, message)
        share = min(event.done / event.total, 1.0) if event.total > 0 else 0.0
        first, last = _STAGES[stage]
        self._fraction = max(self._fraction, first + (last - first) * share)
        isLogWorthy = stage not in self._seen or _EPOCH in message
        self._seen.add(stage)
        return ProgressUpdate(self._fraction, self._text(stage, share, message), isLogWorthy)

    def _text(self, stage: str, share: float, message: str) -> str:
        if stage == "read":
            return _("Reading the corrections: {count}").format(count=message)
        if stage == "encode":
            return _("Preparing the images, {share:.0%}").format(share=share)
        if stage == "train":
            left = self._timeLeft(share)
            return _("Learning: {what}").format(what=message) + (
                # It stops as soon as nothing more is learned.
                _("; {time} left at most").format(time=left) if left else ""
            )
        if stage == "validate":
            return _("Trying the networks on cases that none of them learned from")
        return _("Comparing the old version with the new one: {case}").format(case=message)

    def _timeLeft(self, share: float) -> str:
        now = self._clock()
        # A learning that goes on has a share done already.
        since, before = self._begun = self._begun or (now, share)
        if share - before < _TOO_EARLY:
            return ""
        return duration((now - since) * (1.0 - share) / (share - before))
