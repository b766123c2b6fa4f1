"""The queue as the reader sees it: muscle by muscle, each with its regions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import nan

from musclefm.labels.scheme import LabelScheme
from musclefm.review.findings import MuscleSummary
from musclefm.review.queue import RESOLVED, Muscle, ReviewEntry, main_muscle


@dataclass(frozen=True)
class MuscleEntry:
    """A muscle of one side, its regions, and how far their review has come.

    Attributes
    ----------
    muscle : tuple
        Side and label id.
    name : str
        As in the scheme, e.g. ``"vastus lateralis"``.
    expected_dice : float
        Dice that the model expects of its own label; NaN where that is empty.
    entries : tuple of ReviewEntry
        The regions that are listed under the muscle, in the queue's order; a region of
        several muscles is listed once, see :func:`musclefm.review.queue.main_muscle`.
    """

    muscle: Muscle
    name: str
    expected_dice: float
    entries: tuple[ReviewEntry, ...]

    @property
    def expected_wrong_voxels(self) -> float:
        """Sum over the regions."""
        return sum(entry.region.expected_wrong_voxels for entry in self.entries)

    @property
    def expected_wrong_ml(self) -> float:
        """Their volume in mL."""
        return sum(entry.region.expected_wrong_ml for entry in self.entries)

    @property
    def resolved_count(self) -> int:
        """How many regions are corrected or accepted."""
        return sum(entry.status in RESOLVED for entry in self.entries)

    @property
    def flagged(self) -> bool:
        """Whether the reader wants to come back to one of the regions."""
        return any(entry.flagged for entry in self.entries)


def muscles_of_queue(
    entries: Iterable[ReviewEntry], muscles: Iterable[MuscleSummary], scheme: LabelScheme
) -> tuple[MuscleEntry, ...]:
    """Return all muscles of a case in the order in which they matter.

    Parameters
    ----------
    entries : iterable of ReviewEntry
        Of a queue, in its order.
    muscles : iterable of MuscleSummary
        The muscle table of the case.
    scheme : LabelScheme
        What the labels mean.

    Returns
    -------
    tuple of MuscleEntry
        Those with regions in the queue's order, then the others, most expected wrong
        voxels first.
    """
    listed: dict[Muscle, list[ReviewEntry]] = {}
    for entry in entries:
        listed.setdefault(main_muscle(entry.region), []).append(entry)
    summaries = {(muscle.side, muscle.label_id): muscle for muscle in muscles}
    for summary in sorted(summaries.values(), key=lambda muscle: -muscle.expected_wrong_voxels):
        listed.setdefault((summary.side, summary.label_id), [])
    return tuple(
        MuscleEntry(
            muscle=muscle,
            name=scheme.label(muscle[1]).name,
            expected_dice=summaries[muscle].expected_dice if muscle in summaries else nan,
            entries=tuple(found),
        )
        for muscle, found in listed.items()
    )
