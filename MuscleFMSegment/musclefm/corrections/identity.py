"""What is kept in place of a patient's identity: salted hashes, and provenance without text.

Whoever holds a store can tell that two samples are of one case or one person,
and nothing else; the same person has other keys in another store.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Mapping
from datetime import datetime

import numpy as np

from musclefm.volumes.volume import Volume

# A patient's number has few digits: trying them all shall take long.
_ROUNDS = 200_000
_KEY_DIGITS = 32

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+_-]{0,63}")
_KEPT: dict[str, tuple[str, ...]] = {
    "model": ("name", "version", "sha256", "members", "label_scheme"),
    "parameters": ("device", "precision", "temperature", "flag_rule"),
}


def case_key(salt: bytes, channels: Mapping[str, Volume]) -> str:
    """Return the key of a case: the same for the same voxels, whatever file held them.

    Parameters
    ----------
    salt : bytes
        Of the store.
    channels : mapping of str to Volume
        ``(K, J, I) float32`` each.
    """
    digest = hmac.new(salt, digestmod=hashlib.sha256)
    for name in sorted(channels):
        array = channels[name].array
        digest.update(np.asarray(array.shape, "<i8").tobytes())
        digest.update(np.ascontiguousarray(array, "<f4").data)
    return digest.hexdigest()[:_KEY_DIGITS]


def subject_key(salt: bytes, subject: str) -> str:
    """Return the key of a person.

    Parameters
    ----------
    salt : bytes
        Of the store.
    subject : str
        Whatever tells persons apart, e.g. a pseudonym or the number in the clinic.
    """
    digest = hashlib.pbkdf2_hmac("sha256", subject.encode(), salt, _ROUNDS)
    return digest.hex()[:_KEY_DIGITS]


def without_identity(provenance: Mapping[str, object]) -> dict[str, object]:
    """Return what may be kept of a ``provenance.json``.

    These are the time of the segmentation, versions of software, the model and the
    parameters that are known here; numbers and single words, no path and no sentence.

    Parameters
    ----------
    provenance : mapping
        Anything, made of plain JSON types.
    """
    kept: dict[str, object] = {}
    created = provenance.get("created")
    if isinstance(created, str) and _is_time(created):
        kept["created"] = created
    versions = {
        name: version
        for name, version in _entries(provenance.get("versions")).items()
        if _WORD.fullmatch(name) and isinstance(version, str) and _VERSION.fullmatch(version)
    }
    if versions:
        kept["versions"] = versions
    for part, names in _KEPT.items():
        entries = _entries(provenance.get(part))
        plain = {name: _plain(entries[name]) for name in names if name in entries}
        if plain := {name: value for name, value in plain.items() if value is not None}:
            kept[part] = plain
    return kept


def _entries(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _plain(value: object) -> object:
    """Return a number, a word, or a mapping of words to numbers as it is, else None."""
    if isinstance(value, str):
        return value if _WORD.fullmatch(value) else None
    if isinstance(value, Mapping):
        return {
            name: number
            for name, number in value.items()
            if isinstance(name, str) and _WORD.fullmatch(name) and _is_number(number)
        }
    return value if _is_number(value) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
