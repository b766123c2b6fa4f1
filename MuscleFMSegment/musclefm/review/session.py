"""A review in progress, kept on the disk so that a crash costs at most the time between saves.

A folder holds at most one: ``session.json`` with the statuses, and the labels
in a file that is named after its content and that the JSON names with its hash.
New labels are whole on the disk before the JSON is replaced, and old ones go
after that: at every moment the JSON names labels that are there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from musclefm.errors import MuscleFMError
from musclefm.review.findings import FlaggedRegion
from musclefm.review.muscle_slices import MuscleSlices
from musclefm.review.queue import ReviewEntry, ReviewQueue, Status

SCHEMA_VERSION = 1

_SHA256 = "^[0-9a-f]{64}$"

# An autosave in a thread may meet the save at the program's end.
_saving = threading.Lock()


class SessionEntry(BaseModel):
    """What the reader did with one region, see :class:`ReviewEntry`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    region_id: int = Field(ge=1)
    status: Status
    flagged: bool
    seconds: float = Field(ge=0.0)


class StoredOpinion(BaseModel):
    """A second opinion whose labels lie beside the session, see :class:`SecondOpinion`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels_file: str = Field(pattern=r"^second-opinion-[0-9a-f]{16}\.nrrd$")
    labels_sha256: str = Field(pattern=_SHA256)
    sha256: str
    mapping: str
    merged: tuple[tuple[int, ...], ...]
    notes: tuple[str, ...]


class ReviewSession(BaseModel):
    """All of a review but the labels.

    Attributes
    ----------
    model_sha256, input_sha256 : str
        Of the model and the image whose results are reviewed, as in provenance.json.
    label_scheme : str
        Name of the scheme of the labels.
    entries : tuple of SessionEntry
        In the queue's order.
    position : int or None
        Index of the current entry; None before the first.
    reader : str
        The reader's pseudonym, empty where none was given.
    unseen : tuple of MuscleSlices
        Where a correction was carried to and the reader has not looked yet.
    visited_slices : tuple of int
        Slices across the leg that the reader looked at, by their index in the image.
    visited_muscles : tuple of int
        Sided values of the muscles that the reader went to from the table.
    saved_at : datetime
        When this state was taken.
    stored_sample : str or None
        Id of the training sample that holds exactly this state; None while there is none.
    second_opinion : StoredOpinion or None
        That was chosen in the review; its regions are among the entries.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_sha256: str = Field(pattern=_SHA256)
    input_sha256: str = Field(pattern=_SHA256)
    label_scheme: str
    entries: tuple[SessionEntry, ...]
    position: int | None = Field(ge=0)
    reader: str = ""
    unseen: tuple[MuscleSlices, ...] = ()
    visited_slices: tuple[int, ...] = ()
    visited_muscles: tuple[int, ...] = ()
    saved_at: AwareDatetime
    stored_sample: str | None = None
    second_opinion: StoredOpinion | None = None

    @classmethod
    def of(
        cls,
        queue: ReviewQueue,
        provenance: Mapping[str, Any],
        reader: str = "",
        stored_sample: str | None = None,
        unseen: Iterable[MuscleSlices] = (),
        visited_slices: Iterable[int] = (),
        visited_muscles: Iterable[int] = (),
        second_opinion: StoredOpinion | None = None,
    ) -> ReviewSession:
        """Take down the state of a queue, now.

        Parameters
        ----------
        queue : ReviewQueue
            Regions and what the reader did with them.
        provenance : mapping
            The content of provenance.json beside the reviewed results.
        reader, stored_sample, unseen, visited_slices, visited_muscles, second_opinion
            See the attributes.
        """
        return cls(
            model_sha256=provenance["model"]["sha256"],
            input_sha256=provenance["input"]["sha256"],
            label_scheme=provenance["model"]["label_scheme"],
            entries=tuple(
                SessionEntry(
                    region_id=entry.region.id,
                    status=entry.status,
                    flagged=entry.flagged,
                    seconds=entry.seconds,
                )
                for entry in queue.entries
            ),
            position=queue.position,
            reader=reader,
            unseen=tuple(unseen),
            visited_slices=tuple(sorted(visited_slices)),
            visited_muscles=tuple(sorted(visited_muscles)),
            saved_at=datetime.now(timezone.utc),
            stored_sample=stored_sample,
            second_opinion=second_opinion,
        )

    def belongs_to(self, provenance: Mapping[str, Any]) -> bool:
        """Tell whether the reviewed results are those of a provenance.json."""
        model = provenance["model"]
        return (
            self.model_sha256 == model["sha256"]
            and self.label_scheme == model["label_scheme"]
            and self.input_sha256 == provenance["input"]["sha256"]
        )

    def queue(self, regions: Sequence[FlaggedRegion]) -> ReviewQueue:
        """Return the queue as it was left.

        Parameters
        ----------
        regions : sequence of FlaggedRegion
            Of the reviewed results.

        Raises
        ------
        MuscleFMError
            These are not the regions that were reviewed.
        """
        saved = {entry.region_id: entry for entry in self.entries}
        position = self.position
        if saved.keys() != {region.id for region in regions} or (
            position is not None and position >= len(saved)
        ):
            raise MuscleFMError(
                "the saved review is of other flagged regions",
                "segment the scan and review it anew",
            )
        queue = ReviewQueue.restored(
            (
                ReviewEntry(
                    region=region,
                    status=saved[region.id].status,
                    flagged=saved[region.id].flagged,
                    seconds=saved[region.id].seconds,
                )
                for region in regions
            ),
            None,
        )
        if position is not None:
            # A review that an older version saved has its regions in another order.
            queue.go_to(self.entries[position].region_id)
        return queue
