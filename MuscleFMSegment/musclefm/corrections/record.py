"""``sample.json``: what a stored sample says of itself, validated."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from typing import Any, Literal

import numpy as np
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from musclefm import __version__
from musclefm.corrections.case import Reviewed
from musclefm.corrections.review_log import ReviewLog
from musclefm.errors import MuscleFMError
from musclefm.volumes.channels import CHANNEL_NAMES
from musclefm.volumes.grid import Grid

RECORD_FILE = "sample.json"
FORMAT_VERSION: Literal[1] = 1

SAMPLE_ID = r"^[0-9a-f]{8}-[0-9a-f]{16}$"
"""The beginning of the case's key, and of the hash of ``sample.json``."""

_SHA256 = r"^[0-9a-f]{64}$"
_KEY = r"^[0-9a-f]{32}$"
# Cosines of a stored grid are rounded less than that.
_OBLIQUE = 1e-3


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Versioned(BaseModel):
    format_version: int


class StoredFile(_Strict):
    """A file beside ``sample.json``.

    Attributes
    ----------
    file : str
        Its name, without a folder.
    bytes : int
        Size of the file.
    sha256 : str
        Its hash, lower-case hexadecimal.
    """

    file: str = Field(pattern=r"^[a-z][a-z-]*\.nrrd$", max_length=40)
    bytes: int = Field(ge=1)
    sha256: str = Field(pattern=_SHA256)


class SampleRecord(_Strict):
    """The whole of ``sample.json``.

    Attributes
    ----------
    format_version : int
        Of this file.
    case_key : str
        The same for all versions of a case: a salted hash.
    subject_key : str or None
        The same for all cases of a person, where that is known: a salted hash.
    parent : str or None
        Id of the sample that this one corrects; it may have been removed since.
    saved_at : datetime
        When it was saved.
    scheme : str
        Name of the label scheme of all labels.
    grid : Grid
        Of all files; every digit counts.
    channels : dict of str to StoredFile
        Images, float32.
    labels : StoredFile
        Corrected labels, uint8: right muscles keep the scheme's id, left ones add the
        number of labels; 255 unknown.
    model_labels : StoredFile or None
        The model's labels, likewise.
    uncertainty : StoredFile or None
        The model's total uncertainty in [0, 1], float32.
    reviewed : Reviewed
        Where the corrected labels are right.
    review : ReviewLog or None
        What was done with the flagged regions.
    provenance : dict
        Of the model's labels: time, versions, model and parameters.
    saved_with : dict of str to str
        Versions of the software that wrote the sample.
    """

    format_version: Literal[1] = FORMAT_VERSION
    case_key: str = Field(pattern=_KEY)
    subject_key: str | None = Field(default=None, pattern=_KEY)
    parent: str | None = Field(default=None, pattern=SAMPLE_ID)
    saved_at: AwareDatetime = Field(default_factory=lambda: datetime.now(timezone.utc))
    scheme: str
    grid: Grid
    channels: dict[str, StoredFile] = Field(min_length=1)
    labels: StoredFile
    model_labels: StoredFile | None = None
    uncertainty: StoredFile | None = None
    reviewed: Reviewed
    review: ReviewLog | None = None
    provenance: dict[str, Any] = {}
    saved_with: dict[str, str] = {"musclefm": __version__}

    @field_validator("channels")
    @classmethod
    def _channels_are_known(cls, channels: dict[str, StoredFile]) -> dict[str, StoredFile]:
        if unknown := set(channels) - set(CHANNEL_NAMES):
            raise ValueError(f"unknown channels: {sorted(unknown)}")
        return channels

    @field_validator("grid")
    @classmethod
    def _grid_is_one(cls, grid: Grid) -> Grid:
        numbers = np.array([*grid.spacing, *grid.origin, *grid.direction])
        if min(grid.shape) < 1 or min(grid.spacing) <= 0 or not np.isfinite(numbers).all():
            raise ValueError("no image has such a grid")
        directions = np.reshape(grid.direction, (3, 3))
        if np.abs(directions.T @ directions - np.eye(3)).max() > _OBLIQUE:
            raise ValueError("the axes are not at right angles")
        return grid

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """All files of the sample but ``sample.json``."""
        maps = (self.labels, self.model_labels, self.uncertainty)
        return (*self.channels.values(), *(entry for entry in maps if entry is not None))


def record_bytes(record: SampleRecord) -> bytes:
    """Return the content of ``sample.json``."""
    return (record.model_dump_json(indent=2) + "\n").encode()


def is_newer(content: bytes, version: int) -> bool:
    """Tell whether a document says of itself that it is of a newer version than this."""
    try:
        return _Versioned.model_validate_json(content).format_version > version
    except ValidationError:
        return False


def sample_id(record: SampleRecord, content: bytes) -> str:
    """Return the id of a sample, which is the name of its folder.

    Parameters
    ----------
    record : SampleRecord
        What ``sample.json`` says.
    content : bytes
        All of ``sample.json``. As the id holds its hash, a change of any byte shows.
    """
    return beginning_of_id(record.case_key) + hashlib.sha256(content).hexdigest()[:16]


def beginning_of_id(case_key: str) -> str:
    """Return what the ids of all versions of a case begin with."""
    return f"{case_key[:8]}-"


def parse_record(content: bytes, name: str) -> SampleRecord:
    """Validate the content of a ``sample.json``.

    Parameters
    ----------
    content : bytes
        All of it.
    name : str
        The sample's id.

    Raises
    ------
    MuscleFMError
        It is not what was saved under this id, or of a version that is not known here.
    """
    if not name.endswith(hashlib.sha256(content).hexdigest()[:16]):
        raise damaged(name, f"{RECORD_FILE} has changed")
    try:
        record = SampleRecord.model_validate_json(content)
    except ValidationError as error:
        if is_newer(content, FORMAT_VERSION):
            raise MuscleFMError(
                f"sample {name} was saved by a newer version of musclefm", "update musclefm"
            ) from error
        raise damaged(name, f"{RECORD_FILE} holds what no sample can") from error
    if sample_id(record, content) != name:
        raise damaged(name, "its folder was renamed")
    return record


def damaged(name: str, how: str) -> MuscleFMError:
    """Return the error for a sample that is not as it was saved."""
    return MuscleFMError(
        f"sample {name} is damaged ({how})",
        "restore it from a backup, or remove it with 'musclefm corrections remove'",
    )


def schema_text() -> str:
    """Return the JSON Schema of ``sample.json``, as committed in ``Resources/Schemas``."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **SampleRecord.model_json_schema(),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
