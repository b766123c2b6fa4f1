"""Which samples of a store a model can learn from, and which ones it has learned from already."""

from __future__ import annotations

import json
from collections.abc import Iterable

from musclefm.corrections.access import STORE_FILE
from musclefm.corrections.record import damaged
from musclefm.corrections.store import CorrectionStore, StoredSample
from musclefm.corrections.undamaged import left_out_line
from musclefm.corrections.verification import verify_sample
from musclefm.labels.scheme import LabelScheme
from musclefm.storage.atomic import atomic_text
from musclefm.storage.regular_file import read_regular
from musclefm.storage.user_data import make_private_folder, user_data_folder

_LEARNED_FOLDER = "learned"
# Of a million samples.
_LARGEST_NOTE = 64 << 20


def trainable_samples(store: CorrectionStore, scheme: LabelScheme) -> tuple[StoredSample, ...]:
    """Return the newest sample of every case, of those of which anything was reviewed.

    Parameters
    ----------
    store : CorrectionStore
        It may not exist yet.
    scheme : LabelScheme
        That of the model; samples of another one are left out.

    Returns
    -------
    tuple of StoredSample
        Oldest first.

    Raises
    ------
    MuscleFMError
        The store cannot be read.
    """
    if not (store.folder / STORE_FILE).is_file():
        return ()
    return tuple(
        sample
        for sample in store.newest()
        if sample.record.scheme == scheme.name and _is_reviewed(sample)
    )


def damaged_samples(store: CorrectionStore, names: Iterable[str]) -> dict[str, str]:
    """Read all files of samples, and return a line for each that is not as it was saved.

    Parameters
    ----------
    store : CorrectionStore
        It may have lost some of the samples since.
    names : iterable of str
        Their ids.

    Raises
    ------
    MuscleFMError
        The store cannot be read.
    """
    there = set(store.ids())
    faults = {name: verify_sample(store, name) for name in names if name in there}
    return {
        name: left_out_line(damaged(name, found[0].what).cause)
        for name, found in faults.items()
        if found
    }


def subject_of(sample: StoredSample) -> str:
    """Return the pseudonym of whom a sample shows; a case counts as a person where unknown."""
    return sample.record.subject_key or sample.record.case_key


def samples_learned_from(model_sha256: str) -> frozenset[str]:
    """Return the ids of the samples that a model was made with, as far as this user's data tell.

    Parameters
    ----------
    model_sha256 : str
        Of the bundle.
    """
    file = user_data_folder() / _LEARNED_FOLDER / f"{model_sha256}.json"
    try:
        return frozenset(map(str, json.loads(read_regular(file, _LARGEST_NOTE))))
    # Then all samples count as new, and are learned from once more.
    except (OSError, ValueError, TypeError):
        return frozenset()


def note_learned(model_sha256: str, samples: frozenset[str]) -> None:
    """Note what :func:`samples_learned_from` will tell of a model.

    Raises
    ------
    MuscleFMError
        It cannot be written.
    """
    folder = user_data_folder() / _LEARNED_FOLDER
    make_private_folder(folder)
    atomic_text(folder / f"{model_sha256}.json", json.dumps(sorted(samples), indent=2) + "\n")


def _is_reviewed(sample: StoredSample) -> bool:
    reviewed = sample.record.reviewed
    return reviewed.kind == "all" or bool(reviewed.slices or reviewed.muscles)
