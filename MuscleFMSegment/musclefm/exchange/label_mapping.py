"""What foreign labels mean: a file that a user writes, and the texts in it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from musclefm.anatomy.scheme import SIDES, LabelScheme, Side
from musclefm.errors import MuscleFMError
from musclefm.exchange.sided_labels import IGNORE

_TEXTS = TypeAdapter(dict[str, str])
_FORMAT = 'write it as JSON, {"13": "left vastus lateralis", "14": "ignore"}, or as CSV, id,muscle'


@dataclass(frozen=True)
class Target:
    """What becomes of a foreign label.

    Attributes
    ----------
    label_id : int
        Of the scheme; 0 for background, IGNORE for voxels of which nothing is
        known.
    side : Side or None
        The patient's; None where each voxel's place decides.
    """

    label_id: int
    side: Side | None = None


LabelMapping = Mapping[str, Target]
"""From a foreign value (``"13"``) or a segment's name in lower case to what it becomes."""


def read_mapping(path: Path, scheme: LabelScheme) -> LabelMapping:
    """Read a mapping file.

    JSON is an object from ids to texts, CSV has a header and the columns ``id``
    and ``muscle``. An id is a value of the labelmap or the name of a segment;
    for the texts see :func:`parse_target`.

    Parameters
    ----------
    path : Path
        Ends in ``.json`` or ``.csv``.
    scheme : LabelScheme
        In which the muscles are named.

    Raises
    ------
    MuscleFMError
        The file is not so, or names a muscle that the scheme has not.
    """
    try:
        text = path.read_text("utf-8-sig")
        texts = _rows(text) if path.suffix.lower() == ".csv" else _TEXTS.validate_json(text)
    except (OSError, UnicodeDecodeError, ValidationError, KeyError) as error:
        raise MuscleFMError("the mapping file cannot be read", _FORMAT) from error
    mapping: dict[str, Target] = {}
    for key, meaning in texts.items():
        target = parse_target(meaning, scheme)
        if target is None:
            raise MuscleFMError(
                f"the mapping file names '{meaning}', which is no muscle of '{scheme.name}'",
                "use " + ", ".join(label.name for label in scheme.labels) + ", with left or"
                " right where it is of one side; or background, or ignore",
            )
        mapping[key.strip().lower()] = target
    return mapping


def parse_target(text: str, scheme: LabelScheme) -> Target | None:
    """Return what a text names, in any case, with spaces or underscores; None if nothing.

    Parameters
    ----------
    text : str
        ``"background"``, ``"ignore"``, or a muscle by name or abbreviation, with
        ``left`` or ``right`` where it is of one side:
        ``"left vastus lateralis"``, ``"VL_Right"``, ``"gracilis"``.
    scheme : LabelScheme
        In which the muscle is named.
    """
    words = text.replace("_", " ").lower().split()
    name = " ".join(words)
    if name in ("background", "ignore"):
        return Target(0 if name == "background" else IGNORE)
    side = next((side for side in SIDES if side in words), None)
    muscle = " ".join(word for word in words if word != side)
    for label in scheme.labels:
        if muscle in (label.name.lower(), label.abbreviation.lower()):
            return Target(label.id, side)
    return None


def _rows(text: str) -> dict[str, str]:
    return {row["id"]: row["muscle"] or "" for row in csv.DictReader(text.splitlines())}
