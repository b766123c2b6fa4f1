"""What a worklist's index knows of its cases."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from musclefm.errors import MuscleFMError
from musclefm.storage.atomic import atomic_text
from musclefm.storage.lock import NoLocksError, acquired_lock
from musclefm.storage.regular_file import read_regular

INDEX_FILE = "worklist.json"
INDEX_LOCK = ".lock"
SCHEMA_VERSION = 3
# Version 1 knows no choice of a series; 1 and 2 count voxels, whatever their size.
_READ_VERSIONS = (1, 2, SCHEMA_VERSION)
# Of a hundred thousand cases.
_LARGEST_INDEX = 64 << 20
# Another program writes for a moment only.
_TIMEOUT_S = 30.0
_BUSY = MuscleFMError(
    "another program holds the worklist", "stop it, or wait until it is done, and try again"
)

Progress = Literal["waiting", "running", "ready", "failed"]
CaseStatus = Literal["waiting", "running", "ready", "in review", "saved", "failed"]


@dataclass(frozen=True)
class CaseState:
    """How far a case is.

    Attributes
    ----------
    path : Path
        The scan; may name a patient, so it is for the reader's eyes only.
    folder : Path
        The case's folder in the worklist, whose ``input`` and ``results`` are
        there once it is ready.
    status : CaseStatus
        ``"in review"`` once a review was begun, ``"saved"`` while the store of
        corrections holds it as it is.
    expected_wrong_ml : float or None
        Sum of 1 - max p over the volume, in mL; None until it is segmented.
    fault : str
        Cause and remedy in one line where it failed, else empty.
    """

    path: Path
    folder: Path
    status: CaseStatus
    expected_wrong_ml: float | None
    fault: str

    @property
    def input(self) -> Path:
        """Folder of the images, ``image.nrrd`` or one file a Dixon channel."""
        return self.folder / "input"

    @property
    def results(self) -> Path:
        """Folder of the results and the session."""
        return self.folder / "results"


class IndexedCase(BaseModel):
    """What worklist.json holds of a case.

    Attributes
    ----------
    key : str
        A keyed hash of its path.
    status : Progress
        How far it is.
    expected_wrong_ml : float or None
        See :class:`CaseState`.
    fault : str
        See :class:`CaseState`.
    choice : str
        Which series and echo its results are of: empty where none was chosen, UNSURE
        where the results may be of an earlier choice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    key: str = Field(pattern="^[0-9a-f]{16}$")
    status: Progress
    expected_wrong_ml: float | None = None
    fault: str = ""
    choice: str = Field(default="", max_length=60)


UNSURE = "?"
"""The choice of a case whose results may be of an earlier one."""


class Index(BaseModel):
    """What worklist.json holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    salt: str = Field(pattern="^[0-9a-f]{32}$")
    cases: tuple[IndexedCase, ...] = ()


class IndexFile:
    """worklist.json, which several programs may change.

    Parameters
    ----------
    folder : Path
        Of the worklist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def exists(self) -> bool:
        """Whether it is there."""
        return (self._folder / INDEX_FILE).is_file()

    def read(self) -> Index:
        """Return what it holds.

        Raises
        ------
        MuscleFMError
            It cannot be read, is damaged, or of another version.
        """
        try:
            text = read_regular(self._folder / INDEX_FILE, _LARGEST_INDEX, links=False)
            document = json.loads(text)
            version = document["schema_version"]
            if version not in _READ_VERSIONS:
                raise MuscleFMError(
                    f"the worklist has format {version}, and this version of MuscleFM reads "
                    f"format {SCHEMA_VERSION}",
                    "open it with the version that made it, or begin another one",
                )
            for case in document.get("cases", ()):
                case.pop("expected_wrong_voxels", None)
            return Index.model_validate(document)
        except OSError as error:
            raise MuscleFMError(
                f"the worklist cannot be read ({error.strerror or 'input or output error'})",
                "check the access rights of its folder",
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise MuscleFMError(
                "the worklist is damaged", f"remove its {INDEX_FILE}, and all is segmented again"
            ) from error

    def change(self, change: Callable[[Index | None], Index]) -> None:
        """Change it, one program after the other.

        Parameters
        ----------
        change : callable
            Takes what it holds, None where it is not there yet, and returns what it is to hold.

        Raises
        ------
        MuscleFMError
            It cannot be read or written, or another program does not let go of it.
        """
        with contextlib.ExitStack() as stack:
            # Without locks one of two changes at the same moment may get lost.
            with contextlib.suppress(NoLocksError):
                lock = acquired_lock(self._folder / INDEX_LOCK, _BUSY, timeout_s=_TIMEOUT_S)
                stack.callback(lock.release)
            index = change(self.read() if self.exists else None)
            index = index.model_copy(update={"schema_version": SCHEMA_VERSION})
            atomic_text(self._folder / INDEX_FILE, index.model_dump_json(indent=2) + "\n")
