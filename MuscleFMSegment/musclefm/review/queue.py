"""The reader's way through what is flagged: order, statuses, and how much is resolved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from musclefm.labels.scheme import Side
from musclefm.review.findings import FlaggedRegion

Status = Literal["to do", "corrected", "accepted", "skipped"]
"""What the reader did with a region; ``"skipped"`` puts it off, it is not resolved."""

RESOLVED: frozenset[Status] = frozenset({"corrected", "accepted"})


@dataclass(frozen=True)
class ReviewEntry:
    """A region of the queue and what the reader did with it.

    Attributes
    ----------
    region : FlaggedRegion
        What is to be looked at.
    status : Status
        What was done.
    flagged : bool
        Whether the reader wants to come back to it or show it to somebody.
    seconds : float
        How long it was the current one.
    """

    region: FlaggedRegion
    status: Status = "to do"
    flagged: bool = False
    seconds: float = 0.0


Muscle = tuple[Side, int]
"""Side and label id."""


def main_muscle(region: FlaggedRegion) -> Muscle:
    """Return the muscle that a region is listed under: that of most of its voxels."""
    return region.side, region.label_ids[0]


class ReviewQueue:
    """Regions muscle by muscle, most expected wrong voxels first, with a current one.

    The muscle whose regions hold most of them together comes first, and in it the
    region that holds most: a reader stays with a muscle, and sees the list in the
    order of the walk.

    A region whose voxels differ from the model's is ``"corrected"``: that is a
    fact of the labels, so neither accepting nor skipping takes it back, only
    undoing the edit does.

    Parameters
    ----------
    regions : sequence of FlaggedRegion
        In any order. None is current yet: :meth:`next` goes to the first.
    """

    def __init__(self, regions: Sequence[FlaggedRegion]) -> None:
        of_muscles: dict[Muscle, float] = {}
        for region in regions:
            muscle = main_muscle(region)
            of_muscles[muscle] = of_muscles.get(muscle, 0.0) + region.expected_wrong_voxels
        ranked = sorted(
            regions,
            key=lambda region: (
                -of_muscles[main_muscle(region)],
                main_muscle(region),
                -region.expected_wrong_voxels,
                region.id,
            ),
        )
        self._entries = [ReviewEntry(region) for region in ranked]
        self._position: int | None = None
        # Where next() goes while no entry is the current one.
        self._upcoming = 0

    @classmethod
    def restored(cls, entries: Iterable[ReviewEntry], position: int | None) -> ReviewQueue:
        """Return a queue that was left before.

        Parameters
        ----------
        entries : iterable of ReviewEntry
            In any order.
        position : int or None
            The current one, from 0 in the queue's order.

        Raises
        ------
        ValueError
            There is no such position.
        """
        known = {entry.region.id: entry for entry in entries}
        queue = cls([entry.region for entry in known.values()])
        queue._entries = [known[entry.region.id] for entry in queue._entries]
        if position is not None and not 0 <= position < len(queue._entries):
            raise ValueError(f"there is no position {position} in {len(queue._entries)} entries")
        queue._position = position
        return queue

    @property
    def entries(self) -> tuple[ReviewEntry, ...]:
        """All entries, in the order of the walk."""
        return tuple(self._entries)

    @property
    def position(self) -> int | None:
        """Index of the current entry, from 0; None before the first, and at a whole muscle."""
        return self._position

    @property
    def current(self) -> ReviewEntry | None:
        """The current entry; None before the first, and at a whole muscle."""
        return None if self._position is None else self._entries[self._position]

    @property
    def to_do_count(self) -> int:
        """How many entries nothing was done with yet; skipped ones do not count."""
        return sum(entry.status == "to do" for entry in self._entries)

    @property
    def share_done(self) -> float:
        """Share of the queue's expected wrong voxels that is resolved, in [0, 1].

        It is 1 where nothing is expected to be wrong.
        """
        expected = sum(entry.region.expected_wrong_voxels for entry in self._entries)
        left = sum(
            entry.region.expected_wrong_voxels
            for entry in self._entries
            if entry.status not in RESOLVED
        )
        return 1.0 - left / expected if expected > 0 else 1.0

    def next(self) -> ReviewEntry | None:
        """Go to the next entry whatever its status, the first one at the start; stay at the end."""
        if self.has_next:
            self._position = self._upcoming if self._position is None else self._position + 1
        return self.current

    def previous(self) -> ReviewEntry | None:
        """Go to the entry before whatever its status; stay at the first one."""
        if self.has_previous:
            self._position = self._here - 1
        return self.current

    @property
    def has_next(self) -> bool:
        """Whether :meth:`next` goes anywhere."""
        return self._position != len(self._entries) - 1 and bool(self._entries)

    @property
    def has_previous(self) -> bool:
        """Whether :meth:`previous` goes anywhere."""
        return self._here > 0

    def go_to(self, region_id: int) -> ReviewEntry:
        """Go to a region.

        Raises
        ------
        KeyError
            It is not in the queue.
        """
        self._position = self._index(region_id)
        return self._entries[self._position]

    def go_to_muscle(self, muscle: Muscle) -> None:
        """Leave the current region for a muscle as a whole, so that no region is the current one.

        :meth:`next` then goes to the muscle's first region, or where it has none
        to the region that was left.
        """
        first = (
            index
            for index, entry in enumerate(self._entries)
            if main_muscle(entry.region) == muscle
        )
        self._upcoming = next(first, self._here)
        self._position = None

    def accept(self) -> ReviewEntry | None:
        """Leave the current region as it is, and go to the next one to do.

        It is the next in order, or else the first that was passed over; with
        nothing to do the current one stays.
        """
        return self._dismiss("accepted")

    def skip(self) -> ReviewEntry | None:
        """Put the current region off, and go to the next as :meth:`accept` does."""
        return self._dismiss("skipped")

    def toggle_flag(self) -> ReviewEntry | None:
        """Mark the current region for another look, or take that back."""
        if self.current is not None:
            self._change(self.current, flagged=not self.current.flagged)
        return self.current

    def add_seconds(self, seconds: float) -> None:
        """Add time that the reader spent on the current region, if there is one."""
        if self.current is not None:
            self._change(self.current, seconds=self.current.seconds + seconds)

    def mark_corrected(self, region_ids: Collection[int]) -> None:
        """Say that voxels of these regions were changed.

        Raises
        ------
        KeyError
            One is not in the queue.
        """
        for region_id in region_ids:
            self._change(self._entries[self._index(region_id)], status="corrected")

    def reopen(self, region_ids: Collection[int]) -> None:
        """Say that these regions, where corrected, are again as the model left them: to do.

        Raises
        ------
        KeyError
            One is not in the queue.
        """
        for region_id in region_ids:
            entry = self._entries[self._index(region_id)]
            if entry.status == "corrected":
                self._change(entry, status="to do")

    def follow_changes(self, changed: Collection[int]) -> None:
        """Let the statuses follow the labels after an edit, an undo or a redo.

        Parameters
        ----------
        changed : collection of int
            All regions whose voxels now differ from the model's, see
            :func:`musclefm.review.changes.find_changes`.

        Raises
        ------
        KeyError
            One is not in the queue.
        """
        self.mark_corrected(changed)
        self.reopen({entry.region.id for entry in self._entries} - set(changed))

    def replace_regions(self, regions: Sequence[FlaggedRegion], kept: Collection[int] = ()) -> None:
        """Take other regions; what was done with some stays, and so does the current one.

        Parameters
        ----------
        regions : sequence of FlaggedRegion
            In any order.
        kept : collection of int
            Ids that name the same regions as before; all others are to do.
        """
        known = {entry.region.id: entry for entry in self._entries if entry.region.id in kept}
        current = self.current
        replaced = ReviewQueue.restored(
            (
                replace(known.get(region.id, ReviewEntry(region)), region=region)
                for region in regions
            ),
            None,
        )
        self._entries, self._position, self._upcoming = replaced._entries, None, 0
        if current and current.region.id in known:
            self.go_to(current.region.id)

    def _dismiss(self, status: Status) -> ReviewEntry | None:
        if self._position is None:
            return None
        if self._entries[self._position].status != "corrected":
            self._change(self._entries[self._position], status=status)
        count = len(self._entries)
        onwards = [(self._position + step) % count for step in range(1, count)]
        left = [index for index in onwards if self._entries[index].status == "to do"]
        self._position = left[0] if left else self._position
        return self.current

    @property
    def _here(self) -> int:
        return self._upcoming if self._position is None else self._position

    def _change(self, entry: ReviewEntry, **changes: Any) -> None:
        self._entries[self._index(entry.region.id)] = replace(entry, **changes)

    def _index(self, region_id: int) -> int:
        for index, entry in enumerate(self._entries):
            if entry.region.id == region_id:
                return index
        raise KeyError(region_id)
