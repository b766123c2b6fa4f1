"""The store of corrected cases: one folder, several workstations, samples that never change.

::

    store.json              the salt of the keys
    samples/<id>/           a sample, see corrections.record
        sample.json
        image-….nrrd, labels.nrrd, model-labels.nrrd, uncertainty.nrrd

A sample is written beside its place, synced, and put there by one rename: it is
there as a whole or not at all. Its id holds the hash of ``sample.json``, which
holds the hash of every other file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from musclefm.corrections.access import (
    SAMPLES_FOLDER,
    STORE_FILE,
    remove_entry,
    sole_writer,
    unwritable,
)
from musclefm.corrections.case import CorrectedCase
from musclefm.corrections.identity import case_key, subject_key, without_identity
from musclefm.corrections.newest import StoredSample, left_out_cases, newest_samples
from musclefm.corrections.record import (
    RECORD_FILE,
    SAMPLE_ID,
    SampleRecord,
    beginning_of_id,
    record_bytes,
    sample_id,
)
from musclefm.corrections.sample_folder import encode_case, read_case, read_record
from musclefm.errors import MuscleFMError
from musclefm.storage.atomic import atomic_bytes, staged_folder
from musclefm.storage.user_data import user_data_folder
from musclefm.volumes.volume import Volume


def default_store_folder() -> Path:
    """Return the folder of the user's own store; it may not exist yet."""
    return user_data_folder() / "corrections"


class CorrectionStore:
    """Corrected cases in a folder on a local disk or a shared drive.

    Parameters
    ----------
    folder : Path, optional
        It may not exist yet: the first sample makes it. By default that of the user.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_store_folder()

    def add(self, case: CorrectedCase, *, subject: str | None = None) -> StoredSample:
        """Store a corrected case, whole or not at all.

        It becomes a new version of the newest sample of the same voxels, or of the
        one that it names as its parent.

        Parameters
        ----------
        case : CorrectedCase
            What to store; ``case_key`` and ``subject_key`` are not taken from it.
        subject : str, optional
            Whatever tells persons apart. Only a salted hash of it is kept, so that
            training can keep all cases of a person in one fold. By default that of
            the parent.

        Raises
        ------
        MuscleFMError
            The parent is not there; the store cannot be written, or the disk is full.
            The store is then as before.
        """
        # Compressing takes longest, and others need not wait for it.
        files = encode_case(case)
        with sole_writer(self.folder) as salt:
            key = case_key(salt, case.channels)
            parent = self._parent(case.parent, key)
            record = SampleRecord(
                case_key=parent.record.case_key if parent else key,
                subject_key=_subject_key(salt, subject, parent),
                parent=parent.id if parent else None,
                scheme=case.scheme,
                grid=case.grid,
                channels=dict(files.channels),
                labels=files.labels,
                model_labels=files.model_labels,
                uncertainty=files.uncertainty,
                reviewed=case.reviewed,
                review=case.review,
                provenance=without_identity(case.provenance),
            )
            content = record_bytes(record)
            name = sample_id(record, content)
            with staged_folder(self.folder / SAMPLES_FOLDER / name) as folder:
                for file, data in {**files.content, RECORD_FILE: content}.items():
                    atomic_bytes(folder / file, data)
        return StoredSample(name, record)

    def samples(self) -> tuple[StoredSample, ...]:
        """Return all samples whose ``sample.json`` is sound, oldest first.

        Raises
        ------
        MuscleFMError
            There is no such store.
        """
        return self._sound()

    def newest(self) -> tuple[StoredSample, ...]:
        """Return the samples that no other one corrects, oldest first: those to learn from.

        Cases whose newest sample may be a damaged one are left out, see :meth:`left_out`.

        Raises
        ------
        MuscleFMError
            There is no such store.
        """
        return newest_samples(self.samples(), self._unreadable())

    def left_out(self) -> tuple[str, ...]:
        """Return which damaged samples keep their case out of :meth:`newest`, a line each.

        Raises
        ------
        MuscleFMError
            There is no such store.
        """
        return left_out_cases(self.samples(), self._unreadable())

    def damaged(self) -> tuple[MuscleFMError, ...]:
        """Return what is wrong with the samples whose ``sample.json`` is not sound.

        Raises
        ------
        MuscleFMError
            There is no such store.
        """
        return tuple(self._unreadable().values())

    def sample(self, name: str) -> StoredSample:
        """Return one sample.

        Raises
        ------
        MuscleFMError
            It is not there, or its ``sample.json`` is damaged.
        """
        return StoredSample(name, read_record(self.sample_folder(name)))

    def load(self, name: str) -> CorrectedCase:
        """Read all of a sample, and compare the hash of every file.

        Raises
        ------
        MuscleFMError
            It is not there, or damaged.
        """
        return read_case(self.sample_folder(name))

    def training_labels(self, name: str) -> Volume:
        """Return what a network may learn from a sample, see ``CorrectedCase``.

        Returns
        -------
        Volume
            ``(K, J, I) uint8``: sided values, IGNORE (255) wherever not reviewed.

        Raises
        ------
        MuscleFMError
            It is not there, or damaged.
        """
        return self.load(name).training_labels()

    def remove(self, name: str) -> None:
        """Remove a sample, damaged or not, at once and for good; its other versions stay.

        Raises
        ------
        MuscleFMError
            It is not there, or the store cannot be written.
        """
        folder = self.sample_folder(name)
        with sole_writer(self.folder):
            # Hidden by one rename first: from there on it is half written.
            hidden = folder.with_name(f".{name}.removed.partial")
            try:
                folder.rename(hidden)
                remove_entry(hidden)
            except OSError as error:
                raise unwritable(error) from error

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all samples, damaged or not, in order.

        Raises
        ------
        MuscleFMError
            There is no such store.
        """
        samples = self.folder / SAMPLES_FOLDER
        if samples.is_symlink():
            raise MuscleFMError(
                f"'{SAMPLES_FOLDER}' of the store of corrections is a link",
                "put the folder itself there: a store takes nothing from elsewhere",
            )
        try:
            return tuple(
                sorted(x.name for x in samples.iterdir() if re.fullmatch(SAMPLE_ID, x.name))
            )
        except FileNotFoundError as error:
            if (self.folder / STORE_FILE).is_file():
                return ()
            raise MuscleFMError(
                "there is no store of corrections in this folder",
                "give the folder of one, or store a first correction",
            ) from error
        except OSError as error:
            raise MuscleFMError(
                f"the store of corrections cannot be read ({error.strerror or 'input error'})",
                "check its access rights and disk, or give another store",
            ) from error

    def sample_folder(self, name: str) -> Path:
        """Return the folder of a sample.

        Raises
        ------
        MuscleFMError
            It is not there.
        """
        if name not in self.ids():
            raise MuscleFMError(
                "there is no sample of this id in the store",
                "take one that 'musclefm corrections list' shows",
            )
        return self.folder / SAMPLES_FOLDER / name

    def _entries(self, beginning: str = "") -> Iterator[tuple[str, SampleRecord | MuscleFMError]]:
        for name in self.ids():
            if name.startswith(beginning):
                try:
                    yield name, read_record(self.folder / SAMPLES_FOLDER / name)
                except MuscleFMError as error:
                    yield name, error

    def _sound(self, beginning: str = "") -> tuple[StoredSample, ...]:
        entries = self._entries(beginning)
        found = [StoredSample(name, x) for name, x in entries if isinstance(x, SampleRecord)]
        return tuple(sorted(found, key=lambda sample: (sample.record.saved_at, sample.id)))

    def _unreadable(self) -> dict[str, MuscleFMError]:
        return {name: x for name, x in self._entries() if isinstance(x, MuscleFMError)}

    def _parent(self, named: str | None, key: str) -> StoredSample | None:
        if named is not None:
            return self.sample(named)
        # Others on a shared drive wait meanwhile, so only what can be of the case is read.
        alike = self._sound(beginning_of_id(key))
        versions = [sample for sample in alike if sample.record.case_key == key]
        return versions[-1] if versions else None


def _subject_key(salt: bytes, subject: str | None, parent: StoredSample | None) -> str | None:
    if subject:
        return subject_key(salt, subject)
    return parent.record.subject_key if parent else None
