"""A review session as a file of a results folder: kept whole, or as it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from musclefm.errors import MuscleFMError
from musclefm.evaluation.second_opinion import SecondOpinion
from musclefm.review.session import (
    _SHA256,
    SCHEMA_VERSION,
    ReviewSession,
    StoredOpinion,
    _saving,
)
from musclefm.storage.atomic import atomic_bytes, atomic_text
from musclefm.storage.regular_file import read_regular
from musclefm.storage.staging import clear_leftovers
from musclefm.volumes.formats.encoding import encode_volume
from musclefm.volumes.stored import read_stored
from musclefm.volumes.volume import Volume

SESSION_FILE = "session.json"
_LABELS_FILES = "session-labels-*.nrrd"
_OPINION_FILES = "second-opinion-*.nrrd"
# Of a hundred thousand regions, and of a thousand slices that do not compress.
_LARGEST_SESSION, _LARGEST_LABELS = 64 << 20, 1 << 30


class _Document(BaseModel):
    """What session.json holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    session: ReviewSession
    labels_file: str = Field(pattern=r"^session-labels-[0-9a-f]{16}\.nrrd$")
    labels_sha256: str = Field(pattern=_SHA256)


def save_session(folder: Path, session: ReviewSession, sided_labels: Volume) -> None:
    """Save a review, whole or not at all: until it is, the one saved before stays.

    It may run in a thread of its own if the labels are not edited meanwhile.
    Labels that are on the disk already are not written again.

    Parameters
    ----------
    folder : Path
        Exists; usually that of the case's results.
    session : ReviewSession
        Regions and what the reader did with them.
    sided_labels : Volume
        ``(K, J, I) uint8``: values of ``LabelScheme.labels_of_sides``.

    Raises
    ------
    MuscleFMError
        The folder cannot be written or the disk is full.
    ValueError
        The labels are not uint8: a programming error.
    """
    if sided_labels.array.dtype != np.uint8:
        raise ValueError(f"labels are uint8, not {sided_labels.array.dtype}")
    content = encode_volume(sided_labels, ".nrrd")
    sha256 = hashlib.sha256(content).hexdigest()
    name = _LABELS_FILES.replace("*", sha256[:16])
    document = _Document(session=session, labels_file=name, labels_sha256=sha256)
    with _saving:
        try:
            if not _holds(folder / name, content):
                atomic_bytes(folder / name, content)
            atomic_text(folder / SESSION_FILE, document.model_dump_json(indent=2) + "\n")
        except MuscleFMError as error:
            raise MuscleFMError(
                f"the review is not saved, {error.cause}",
                "make room or give access to the folder of the results; what is open is not lost",
            ) from error
        _tidy(folder, keep=name)


def read_session(folder: Path) -> ReviewSession | None:
    """Return the review that was saved in a folder, without its labels; None where none was.

    Raises
    ------
    MuscleFMError
        It is of another version, damaged, or cannot be read.
    """
    document = _read_document(folder)
    return document.session if document else None


def load_session(folder: Path) -> tuple[ReviewSession, Volume] | None:
    """Load the review that was saved in a folder.

    Returns
    -------
    tuple or None
        The session and its labels, ``(K, J, I) uint8`` sided values; None
        where none was saved.

    Raises
    ------
    MuscleFMError
        It is of another version, damaged, or cannot be read.
    """
    document = _read_document(folder)
    if document is None:
        return None
    labels = _read_labels(folder / document.labels_file, document.labels_sha256, "labels")
    return document.session, labels


def save_second_opinion(folder: Path, opinion: SecondOpinion) -> StoredOpinion:
    """Write the labels of a second opinion beside a session, which then may name them.

    Raises
    ------
    MuscleFMError
        The folder cannot be written.
    """
    content = encode_volume(opinion.labels, ".nrrd")
    sha256 = hashlib.sha256(content).hexdigest()
    name = _OPINION_FILES.replace("*", sha256[:16])
    if not _holds(folder / name, content):
        atomic_bytes(folder / name, content)
    return StoredOpinion(
        labels_file=name,
        labels_sha256=sha256,
        sha256=opinion.sha256,
        mapping=opinion.mapping,
        merged=opinion.merged,
        notes=opinion.notes,
    )


def load_second_opinion(folder: Path, stored: StoredOpinion) -> SecondOpinion:
    """Return the second opinion that a session names.

    Raises
    ------
    MuscleFMError
        Its labels are missing, damaged, or cannot be read.
    """
    labels = _read_labels(
        folder / stored.labels_file, stored.labels_sha256, "labels of the second opinion"
    )
    return SecondOpinion(labels, stored.merged, stored.sha256, stored.mapping, stored.notes)


def remove_session(folder: Path) -> None:
    """Remove the saved review of a folder, if there is one.

    Raises
    ------
    MuscleFMError
        It cannot be removed.
    """
    with _saving:
        try:
            (folder / SESSION_FILE).unlink(missing_ok=True)
        except OSError as error:
            raise MuscleFMError(
                f"the saved review cannot be removed ({error.strerror})",
                "check the access rights of the folder of the results",
            ) from error
        _tidy(folder)
        for path in folder.glob(_OPINION_FILES):
            with contextlib.suppress(OSError):
                path.unlink()


def _read_labels(path: Path, sha256: str, what: str) -> Volume:
    """Read labels ``(K, J, I) uint8`` that a session names."""
    try:
        content = read_regular(path, _LARGEST_LABELS, links=False)
    except FileNotFoundError as error:
        raise _damaged(f"its {what} are missing") from error
    except OSError as error:
        raise _unreadable(error) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _damaged(f"its {what} were changed")
    labels = read_stored(path, "the saved review")
    return labels.with_array(labels.array.astype(np.uint8))


def _read_document(folder: Path) -> _Document | None:
    try:
        text = read_regular(folder / SESSION_FILE, _LARGEST_SESSION, links=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(error) from error
    try:
        version = json.loads(text)["schema_version"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged("it is no review") from error
    if version != SCHEMA_VERSION:
        raise MuscleFMError(
            f"the saved review has format {version}, and this version of MuscleFM reads format "
            f"{SCHEMA_VERSION}",
            "open it with the version that saved it, or review the scan anew",
        )
    try:
        return _Document.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors()[0]
        raise _damaged(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False


def _tidy(folder: Path, keep: str = "") -> None:
    """Remove labels that no session names, and what killed processes left half written."""
    stale = [path for path in folder.glob(_LABELS_FILES) if path.name != keep]
    # Those of earlier versions were files, not folders.
    for path in [*stale, *folder.glob(".session*.partial")]:
        # They do no harm but for their size.
        with contextlib.suppress(OSError):
            path.unlink()
    clear_leftovers(folder)


def _damaged(how: str) -> MuscleFMError:
    return MuscleFMError(f"the saved review is damaged ({how})", "review the scan anew")


def _unreadable(error: OSError) -> MuscleFMError:
    return MuscleFMError(
        f"the saved review cannot be read ({error.strerror or 'input or output error'})",
        "check the access rights of the folder of the results",
    )
