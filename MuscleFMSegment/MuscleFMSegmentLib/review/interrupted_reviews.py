"""Reviews that ended without a save, to go on with."""

from __future__ import annotations

from dataclasses import dataclass

from musclefm.errors import MuscleFMError
from musclefm.review.queue import RESOLVED
from musclefm.review.session import ReviewSession
from musclefm.review.session_file import read_session
from MuscleFMSegmentLib.review.review_folders import ReviewFolder, ReviewFolders


@dataclass(frozen=True)
class InterruptedReview:
    """A review on the disk.

    Attributes
    ----------
    folder : ReviewFolder
        This Slicer's now.
    session : ReviewSession
        Its state.
    """

    folder: ReviewFolder
    session: ReviewSession

    @property
    def savedAt(self) -> str:
        """When it was saved, in the user's time zone."""
        return f"{self.session.saved_at.astimezone():%d %b, %H:%M}"

    @property
    def done(self) -> int:
        """How many regions are dealt with."""
        return sum(entry.status in RESOLVED for entry in self.session.entries)


def findKeptReviews(folders: ReviewFolders) -> list[InterruptedReview]:
    """Return the reviews that wait, latest first; those already saved are removed."""
    found = []
    for folder in folders.unfinished():
        try:
            session = read_session(folder.results)
        except MuscleFMError:
            # Of another version, or damaged: another MuscleFMSegment may read it.
            folder.keep()
            continue
        if session is None or session.stored_sample:
            folder.remove()
        else:
            found.append(InterruptedReview(folder, session))
    return found
