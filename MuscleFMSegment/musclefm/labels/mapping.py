"""What a label from elsewhere means in a scheme: by its name, or by a user's mapping."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import LabelScheme, Side
from musclefm.labels.sided import IGNORE
from musclefm.storage.regular_file import is_file, read_regular
from musclefm.storage.resources import resource_folder

_TEXTS = TypeAdapter(dict[str, str])
# Letters of any script and digits; what else there is separates words.
_WORD = re.compile(r"[^\W_]+")
_SIDE_WORDS: dict[str, Side] = {"left": "left", "l": "left", "right": "right", "r": "right"}
# Of a mapping: a thousand times what a file of this kind holds.
_LARGEST_FILE = 1 << 20
OTHERS = "*"
"""Of all ids that a mapping does not name."""

_FORMAT = 'write it as JSON, {"13": "left vastus lateralis", "14": "ignore"}, or as CSV, id,muscle'


@dataclass(frozen=True)
class Target:
    """What becomes of an external label.

    Attributes
    ----------
    label_id : int
        Of the scheme; 0 for background, IGNORE for voxels of which nothing is
        known.
    side : Side or None
        The patient's; None where each voxel's place decides.
    group : frozenset of int
        Ids of the muscles that the label does not tell apart, ``label_id`` the lowest of
        them; empty where it is one.
    """

    label_id: int
    side: Side | None = None
    group: frozenset[int] = frozenset()


LabelMapping = Mapping[str, Target]
"""From an external value (``"13"``) or a segment's name in lower case to what it becomes."""


def read_mapping(path: Path, scheme: LabelScheme) -> LabelMapping:
    """Read a mapping file.

    JSON is an object from ids to texts, CSV has a header and the columns ``id``
    and ``muscle``. An id is a value of the labelmap or the name of a segment;
    for the texts see :func:`parse_mapping`. Of ids and names, ``*`` stands for all other
    values.

    Parameters
    ----------
    path : Path
        Ends in ``.json`` or ``.csv``; or the name of a shipped mapping, ``musclemap`` or
        ``totalsegmentator``.
    scheme : LabelScheme
        In which the muscles are named.

    Raises
    ------
    MuscleFMError
        The file is not so, or names a muscle that the scheme has not.
    """
    shipped = resource_folder() / "LabelMappings" / f"{path}.json"
    by_name = path.name == str(path) and is_file(shipped) and not is_file(path)
    if by_name:
        path = shipped
    try:
        text = read_regular(path, _LARGEST_FILE).decode("utf-8-sig")
        texts = _rows(text) if path.suffix.lower() == ".csv" else _TEXTS.validate_json(text)
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise MuscleFMError(
            "the mapping file cannot be read",
            f"{_FORMAT}; or name one of {', '.join(_shipped_mappings())}",
        ) from error
    return parse_mapping(texts, scheme, others_are_background=by_name)


def _shipped_mappings() -> list[str]:
    return sorted(path.stem for path in (resource_folder() / "LabelMappings").glob("*.json"))


def parse_mapping(
    texts: Mapping[str, str], scheme: LabelScheme, *, others_are_background: bool = False
) -> LabelMapping:
    """Return a mapping for texts by id, as :func:`read_mapping` describes them.

    Parameters
    ----------
    texts : mapping of str to str
        As of :func:`parse_target`; ``"left BFL + BFS"`` is a group.
    scheme : LabelScheme
        In which the muscles are named.
    others_are_background : bool
        Whether muscles that the scheme has not are background, and groups of which it has
        only some are ignored; else they are refused.
    """
    mapping: dict[str, Target] = {}
    for key, meaning in texts.items():
        if key.strip().lower() in mapping:
            raise MuscleFMError(
                f"the mapping file names '{key.strip()}' twice", "keep one of the two lines"
            )
        target = _parse_group(meaning, scheme, others_are_background)
        if target is None:
            raise MuscleFMError(
                f"the mapping file names '{meaning}', which is no muscle of '{scheme.name}'",
                "use " + ", ".join(label.name for label in scheme.labels) + ", with left or"
                " right where it is of one side; or background, or ignore",
            )
        mapping[key.strip().lower()] = target
    return mapping


def merged_muscles(mapping: LabelMapping | None) -> tuple[frozenset[int], ...]:
    """Return the muscles that a mapping does not tell apart, by ids of the scheme."""
    targets = () if mapping is None else mapping.values()
    return tuple(dict.fromkeys(target.group for target in targets if target.group))


def _parse_group(text: str, scheme: LabelScheme, others_are_background: bool) -> Target | None:
    parts = [parse_target(part, scheme) for part in text.split("+")]
    known = [part for part in parts if part]
    if len(known) < len(parts):
        return Target(IGNORE if known else 0) if others_are_background else None
    ids = frozenset(part.label_id for part in known)
    if len(ids) == 1:
        return known[0]
    return None if ids & {0, IGNORE} else Target(min(ids), side_in(text), ids)


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
