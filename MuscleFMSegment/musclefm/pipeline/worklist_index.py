"""What a worklist's index knows of its cases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

INDEX_FILE = "worklist.json"
SCHEMA_VERSION = 1

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
    expected_wrong_voxels : float or None
        Sum of 1 - max p over the volume; None until it is segmented.
    fault : str
        Cause and remedy in one line where it failed, else empty.
    """

    path: Path
    folder: Path
    status: CaseStatus
    expected_wrong_voxels: float | None
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
    """What worklist.json holds of a case; ``key`` is a keyed hash of its path."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    key: str = Field(pattern="^[0-9a-f]{16}$")
    status: Progress
    expected_wrong_voxels: float | None = None
    fault: str = ""


class Index(BaseModel):
    """What worklist.json holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    salt: str = Field(pattern="^[0-9a-f]{32}$")
    cases: tuple[IndexedCase, ...] = ()
