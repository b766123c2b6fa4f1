"""Who reviewed the flagged regions of a case, how, and for how long."""

from __future__ import annotations

import re
from dataclasses import dataclass

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import Side
from musclefm.review.queue import ReviewQueue, Status

_PSEUDONYM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


def check_pseudonym(whose: str, text: str) -> None:
    """Refuse what is no pseudonym; there may be none.

    Parameters
    ----------
    whose : str
        For the message, e.g. ``"reader"``.
    text : str
        Up to 32 letters, digits, dots, hyphens and underscores.

    Raises
    ------
    MuscleFMError
        It is none.
    """
    if text and not _PSEUDONYM.fullmatch(text):
        raise MuscleFMError(
            f"the {whose}'s pseudonym holds other characters than letters, digits, '.', '-', '_'",
            f"choose a short one that is not a name, e.g. {whose}-1",
        )


@dataclass(frozen=True)
class ReviewedRegion:
    """What a reader did with a flagged region.

    Attributes
    ----------
    region_id : int
        Its rank in the queue, from 1.
    side : Side
        The patient's side.
    label_ids : tuple of int
        Muscles concerned, as ids of the label scheme.
    status : Status
        What was done.
    flagged : bool
        Whether the reader marked it for another look.
    seconds : float
        How long it was looked at.
    """

    region_id: int
    side: Side
    label_ids: tuple[int, ...]
    status: Status
    flagged: bool
    seconds: float


@dataclass(frozen=True)
class ReviewLog:
    """Who reviewed the flagged regions, how, and for how long.

    Attributes
    ----------
    entries : tuple of ReviewedRegion
        In the queue's order.
    reader : str
        A pseudonym: up to 32 letters, digits, dots, hyphens and underscores; empty
        where none is given.
    seconds : float
        Time spent on the case as a whole.

    Raises
    ------
    MuscleFMError
        The pseudonym is none.
    """

    entries: tuple[ReviewedRegion, ...] = ()
    reader: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        check_pseudonym("reader", self.reader)

    @classmethod
    def of(cls, queue: ReviewQueue, reader: str = "") -> ReviewLog:
        """Record what a reader did with the queue.

        Raises
        ------
        MuscleFMError
            The pseudonym is none.
        """
        entries = tuple(
            ReviewedRegion(
                region_id=entry.region.id,
                side=entry.region.side,
                label_ids=entry.region.label_ids,
                status=entry.status,
                flagged=entry.flagged,
                seconds=entry.seconds,
            )
            for entry in queue.entries
        )
        return cls(entries, reader, sum(entry.seconds for entry in entries))
