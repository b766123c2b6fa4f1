"""Where images, results and reviews in progress lie until they are saved as corrections.

Each case has a folder: ``input`` with the volume as it was handed to the
library, ``results`` with what the library wrote and the review's session. No
name of a node, file or patient is in them.
"""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from musclefm.review.queue import RESOLVED
from musclefm.review.session import ReviewSession
from musclefm.review.session_file import read_session
from musclefm.storage.lock import NoLocksError, acquired_lock
from musclefm.storage.user_data import make_private_folder, user_data_folder

_INPUT, _RESULTS, _LOCK = "input", "results", "in-use.lock"


@dataclass(frozen=True)
class ReviewFolder:
    """The folder of a case that this Slicer works on.

    Attributes
    ----------
    path : Path
        The folder.
    lock : FileLock
        Keeps other Slicers from it; the operating system frees those of killed ones.
    isDisposable : bool
        Whether nobody needs it once the case is saved; those of a worklist are needed.
    """

    path: Path
    lock: FileLock
    isDisposable: bool = True

    @property
    def input(self) -> Path:
        """Folder of the images."""
        return self.path / _INPUT

    @property
    def results(self) -> Path:
        """Folder of the results and the session."""
        return self.path / _RESULTS

    def release(self) -> None:
        """Leave the folder as it is, for a later Slicer to resume."""
        self.lock.release()

    def remove(self) -> None:
        """Remove the folder with all that it holds, if it is disposable."""
        self.lock.release()
        if self.isDisposable:
            shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True)
class InterruptedReview:
    """A review that ended without a save.

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
        """How many regions are resolved."""
        return sum(entry.status in RESOLVED for entry in self.session.entries)


class ReviewFolders:
    """All folders of cases.

    Parameters
    ----------
    root : Path, optional
        Where they lie; the user's data folder unless given.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or user_data_folder() / "reviews"

    def make(self) -> ReviewFolder:
        """Make the folder of a new case.

        Raises
        ------
        MuscleFMError
            It cannot be made.
        """
        path = self._root / f"{datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
        try:
            make_private_folder(path / _INPUT)
            return ReviewFolder(path, _lock(path))
        except OSError as error:
            raise MuscleFMError(
                _("there is no place for the results ({cause})").format(cause=error.strerror),
                _("check the space and the access rights of the user's data folder"),
            ) from error

    def interrupted(self) -> list[InterruptedReview]:
        """Lock and return the reviews that ended without a save, latest first.

        Those already saved, and what a killed run left without results, are removed.
        """
        found = []
        paths = sorted(self._root.glob("*/"), reverse=True) if self._root.is_dir() else []
        for path in paths:
            try:
                folder = claimFolder(path)
            except NoLocksError:
                # Nobody knows whether another Slicer works in it.
                continue
            if folder is None:
                continue
            try:
                session = read_session(folder.results) if folder.results.is_dir() else None
            except MuscleFMError:
                # Of another version, or damaged: another MuscleFMSegment may read it.
                folder.release()
                continue
            if session is None or session.stored_sample:
                folder.remove()
            else:
                found.append(InterruptedReview(folder, session))
        return found


def claimFolder(path: Path, isDisposable: bool = True) -> ReviewFolder | None:
    """Return a folder that is now this Slicer's, or None where another one works in it.

    Raises
    ------
    NoLocksError
        The disk knows no locks.
    """
    try:
        return ReviewFolder(path, _lock(path), isDisposable)
    except NoLocksError:
        raise
    except MuscleFMError:
        return None


def _lock(path: Path) -> FileLock:
    inUse = MuscleFMError(
        _("the folder of the case is in use"), _("close the case in the other Slicer first")
    )
    return acquired_lock(path / _LOCK, inUse)
