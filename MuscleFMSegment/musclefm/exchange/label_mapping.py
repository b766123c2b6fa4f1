"""What foreign labels mean: a file that a user writes, and the texts in it."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from musclefm.anatomy.scheme import LabelScheme, Side
from musclefm.errors import MuscleFMError
from musclefm.exchange.sided_labels import IGNORE
from musclefm.storage.regular_file import read_regular

_TEXTS = TypeAdapter(dict[str, str])
# Letters of any script and digits; what else there is separates words.
_WORD = re.compile(r"[^\W_]+")
_SIDE_WORDS: dict[str, Side] = {"left": "left", "l": "left", "right": "right", "r": "right"}
# Of a mapping: a thousand times what a file of this kind holds.
_LARGEST_FILE = 1 << 20
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
        text = read_regular(path, _LARGEST_FILE).decode("utf-8-sig")
        texts = _rows(text) if path.suffix.lower() == ".csv" else _TEXTS.validate_json(text)
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise MuscleFMError("the mapping file cannot be read", _FORMAT) from error
    mapping: dict[str, Target] = {}
    for key, meaning in texts.items():
        if key.strip().lower() in mapping:
            raise MuscleFMError(
                f"the mapping file names '{key.strip()}' twice", "keep one of the two lines"
            )
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
    """Return what a text names, in any case and with any punctuation; None if nothing.

    Parameters
    ----------
    text : str
        ``"background"``, ``"ignore"``, or a muscle by name or abbreviation, with
        ``left`` or ``right``, or L or R, where it is of one side: ``"left vastus
        lateralis"``, ``"VL_Right"``, ``"Vastus lateralis (L)"``, ``"gracilis"``.
    scheme : LabelScheme
        In which the muscle is named.
    """
    words = _WORD.findall(text.casefold())
    if words in (["background"], ["ignore"]):
        return Target(0 if words == ["background"] else IGNORE)
    muscle = [word for word in words if word not in _SIDE_WORDS]
    for label in scheme.labels:
        if muscle in (_WORD.findall(label.name.casefold()), [label.abbreviation.casefold()]):
            sided = len(muscle) < len(words)
            return Target(label.id, side_in(text)) if side_in(text) or not sided else None
    return None


def side_in(text: str) -> Side | None:
    """Return the side that a text names, or None where it names none or both."""
    sides = {_SIDE_WORDS[word] for word in _WORD.findall(text.casefold()) if word in _SIDE_WORDS}
    return next(iter(sides)) if len(sides) == 1 else None


def _rows(text: str) -> dict[str, str]:
    rows = [(row["id"] or "", row["muscle"] or "") for row in csv.DictReader(text.splitlines())]
    if len(dict(rows)) < len(rows):
        raise ValueError("an id stands in two rows")
    return dict(rows)
