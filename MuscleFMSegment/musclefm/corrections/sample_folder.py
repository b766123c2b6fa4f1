"""A sample as a folder of files, and back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.corrections.case import CorrectedCase
from musclefm.corrections.record import (
    RECORD_FILE,
    SampleRecord,
    StoredFile,
    damaged,
    parse_record,
)
from musclefm.errors import MuscleFMError
from musclefm.storage.regular_file import digest_of, open_regular, read_regular
from musclefm.volumes.formats.encoding import encode_volume
from musclefm.volumes.formats.nrrd import holds_no_voxels
from musclefm.volumes.stored import read_stored
from musclefm.volumes.volume import Volume

# A reader waits for it.
_FAST = 1
# Of provenance and review a thousand times what they hold.
_LABEL_VALUES = np.arange(256)
_LARGEST_RECORD = 16 << 20

_IMAGE = "image-{}.nrrd"
_LABELS = "labels.nrrd"
_MODEL_LABELS = "model-labels.nrrd"
_UNCERTAINTY = "uncertainty.nrrd"


@dataclass(frozen=True)
class EncodedCase:
    """The files of a case, not yet written.

    Attributes
    ----------
    content : mapping of str to bytes
        By name of the file.
    channels : mapping of str to StoredFile
        Images.
    labels : StoredFile
        Corrected labels.
    model_labels, uncertainty : StoredFile or None
        What the model gave.
    """

    content: Mapping[str, bytes]
    channels: Mapping[str, StoredFile]
    labels: StoredFile
    model_labels: StoredFile | None
    uncertainty: StoredFile | None


def encode_case(case: CorrectedCase) -> EncodedCase:
    """Return the files of a case: NRRD, which holds voxels and geometry and nothing else."""
    content: dict[str, bytes] = {}

    def encoded(name: str, volume: Volume) -> StoredFile:
        data = content[name] = encode_volume(volume, name, _FAST)
        return StoredFile(file=name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    return EncodedCase(
        content=content,
        channels={
            name: encoded(_IMAGE.format(name), volume) for name, volume in case.channels.items()
        },
        labels=encoded(_LABELS, case.labels),
        model_labels=encoded(_MODEL_LABELS, case.model_labels) if case.model_labels else None,
        uncertainty=encoded(_UNCERTAINTY, case.uncertainty) if case.uncertainty else None,
    )


def read_record(folder: Path) -> SampleRecord:
    """Read the ``sample.json`` of a sample's folder, whose name is the sample's id.

    Raises
    ------
    MuscleFMError
        It is missing or not what was saved.
    """
    try:
        if folder.is_symlink():
            raise damaged(folder.name, "its folder is a link")
        content = read_regular(folder / RECORD_FILE, _LARGEST_RECORD, links=False)
    except FileNotFoundError as error:
        raise damaged(folder.name, f"{RECORD_FILE} is missing") from error
    except OSError as error:
        raise _unreadable(folder.name, error) from error
    return parse_record(content, folder.name)


def fault_of_file(folder: Path, entry: StoredFile) -> str:
    """Return what is wrong with a file of a sample, e.g. ``"labels.nrrd has changed"``.

    Returns
    -------
    str
        Empty where nothing is.
    """
    try:
        with open_regular(folder / entry.file, links=False) as file:
            if entry.bytes != os.fstat(file.fileno()).st_size:
                return f"{entry.file} has changed"
            if holds_no_voxels(file):
                return f"{entry.file} keeps its voxels elsewhere"
            file.seek(0)
            digest = digest_of(file)
    except FileNotFoundError:
        return f"{entry.file} is missing"
    except OSError as error:
        return f"{entry.file} cannot be read ({error.strerror or 'input or output error'})"
    return "" if digest == entry.sha256 else f"{entry.file} has changed"


def read_case(folder: Path) -> CorrectedCase:
    """Read all of a sample.

    Raises
    ------
    MuscleFMError
        A file is missing or not what was saved.
    """
    record = read_record(folder)
    for entry in record.files:
        if fault := fault_of_file(folder, entry):
            raise damaged(folder.name, fault)

    def volume(entry: StoredFile, kind: npt.DTypeLike) -> Volume:
        # The record's grid has every digit; a reader of files may set axes straight.
        stored = read_stored(folder / entry.file, f"{entry.file} of sample {folder.name}")
        if stored.array.shape != record.grid.shape:
            raise damaged(folder.name, f"{entry.file} has other voxels than {RECORD_FILE} says")
        if kind is np.uint8 and not np.isin(stored.array, _LABEL_VALUES).all():
            raise damaged(folder.name, f"{entry.file} holds values that are no labels")
        return Volume(stored.array.astype(kind), record.grid)

    maps = (record.model_labels, np.uint8), (record.uncertainty, np.float32)
    model_labels, uncertainty = (volume(entry, kind) if entry else None for entry, kind in maps)
    return CorrectedCase(
        channels={name: volume(entry, np.float32) for name, entry in record.channels.items()},
        labels=volume(record.labels, np.uint8),
        reviewed=record.reviewed,
        scheme=record.scheme,
        model_labels=model_labels,
        uncertainty=uncertainty,
        review=record.review,
        provenance=record.provenance,
        case_key=record.case_key,
        subject_key=record.subject_key,
        parent=record.parent,
    )


def _unreadable(name: str, error: OSError) -> MuscleFMError:
    return MuscleFMError(
        f"sample {name} cannot be read ({error.strerror or 'input or output error'})",
        "check the access rights of the store and the disk that it is on",
    )
