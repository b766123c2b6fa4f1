"""The worklist of a folder of scans, as the module keeps it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from musclefm.pipeline.worklist import Worklist
from musclefm.pipeline.worklist_index import CaseState
from musclefm.storage.user_data import user_data_folder
from MuscleFMSegmentLib.review.review_folders import ReviewFolder, claimFolder

_OPENABLE = ("ready", "in review", "saved")


class WorklistCases:
    """The cases of a folder of scans.

    Results lie in the user's data folder: that of the scans may not be written.

    Parameters
    ----------
    folder : Path
        Holds the scans.

    Raises
    ------
    MuscleFMError
        There is no scan, or the worklist cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        name = hashlib.blake2b(str(folder.resolve()).encode(), digest_size=8).hexdigest()
        self.out = user_data_folder() / "worklists" / name
        self._worklist = Worklist(folder, self.out)

    def states(self, isProcessing: bool) -> tuple[CaseState, ...]:
        """Return how far the cases are, most expected wrong first."""
        return self._worklist.states(isProcessing)

    def title(self, state: CaseState) -> str:
        """Return what the reader calls a case: where it lies in the folder of scans."""
        return state.path.relative_to(self.folder).as_posix()

    def claim(self, state: CaseState) -> ReviewFolder:
        """Return the folder of a case, now this Slicer's.

        Raises
        ------
        MuscleFMError
            It is not segmented yet, or is open elsewhere.
        """
        if state.status not in _OPENABLE:
            raise MuscleFMError(
                _("the case is not segmented yet"),
                state.fault or _("segment the cases in the background first"),
            )
        folder = claimFolder(state.folder, isDisposable=False)
        if folder is None:
            raise MuscleFMError(
                _("the case is open already"), _("close it in the other Slicer first")
            )
        return folder
