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

from musclefm.errors import MuscleFMError
from musclefm.storage.lock import NoLocksError, acquired_lock
from musclefm.storage.user_data import make_private_folder, user_data_folder

_INPUT, _RESULTS, _LOCK = "input", "results", "in-use.lock"
_IN_USE = MuscleFMError("the folder of the case is in use", "close the case there first")


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

    def keep(self) -> None:
        """Leave the folder as it is, for a later Slicer to go on."""
        self.lock.release()

    def remove(self) -> None:
        """Remove the folder with all that it holds, if it is disposable."""
        self.lock.release()
        if self.isDisposable:
            shutil.rmtree(self.path, ignore_errors=True)


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
            return ReviewFolder(path, acquired_lock(path / _LOCK, _IN_USE))
        except OSError as error:
            raise MuscleFMError(
                f"there is no place for the results ({error.strerror})",
                "check the space and the access rights of the user's data folder",
            ) from error

    def unfinished(self) -> list[ReviewFolder]:
        """Lock and return the folders of reviews that ended without a save, latest first.

        What a killed run left without results is removed.
        """
        found = []
        paths = sorted(self._root.glob("*/"), reverse=True) if self._root.is_dir() else []
        for path in paths:
            try:
                folder = claimFolder(path)
            except NoLocksError:
                # Nobody can tell whether another Slicer works in it.
                continue
            if folder and folder.results.is_dir():
                found.append(folder)
            elif folder:
                folder.remove()
        return found


def claimFolder(path: Path, isDisposable: bool = True) -> ReviewFolder | None:
    """Return a folder that is now this Slicer's, or None where another one works in it.

    Raises
    ------
    NoLocksError
        The disk knows no locks.
    """
    try:
        lock = acquired_lock(path / _LOCK, _IN_USE)
    except NoLocksError:
        raise
    except MuscleFMError:
        return None
    return ReviewFolder(path, lock, isDisposable)
