"""Whether everything in a store is still as it was saved, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from musclefm.corrections.access import SAMPLES_FOLDER, read_salt
from musclefm.corrections.sample_folder import fault_of_file, read_record
from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError


@dataclass(frozen=True)
class Fault:
    """Something that is not as it was saved.

    Attributes
    ----------
    sample : str
        Id of the sample; empty where the store itself is concerned.
    what : str
        What is wrong, e.g. ``"labels.nrrd has changed"``.
    """

    sample: str
    what: str


def verify_store(store: CorrectionStore) -> Iterator[Fault]:
    """Read every file of a store and yield all that is wrong.

    A sample that is saved or removed meanwhile is none.

    Raises
    ------
    MuscleFMError
        There is no such store.
    """
    names = store.ids()
    try:
        read_salt(store.folder)
    except MuscleFMError as error:
        yield Fault("", error.cause)
    for name in names:
        faults = _faults(store.folder / SAMPLES_FOLDER / name)
        if faults and name in store.ids():
            yield from faults


def verify_sample(store: CorrectionStore, name: str) -> tuple[Fault, ...]:
    """Read every file of a sample and return all that is wrong.

    Raises
    ------
    MuscleFMError
        It is not there.
    """
    return _faults(store.sample_folder(name))


def _faults(folder: Path) -> tuple[Fault, ...]:
    try:
        record = read_record(folder)
    except MuscleFMError as error:
        return (Fault(folder.name, error.cause),)
    found = (fault_of_file(folder, entry) for entry in record.files)
    return tuple(Fault(folder.name, fault) for fault in found if fault)
