"""From what a file, a mapping or a user calls a segment to the labels of a scheme."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from musclefm.errors import MuscleFMError
from musclefm.exchange.external_labels import ExternalLabels, ExternalSegment
from musclefm.labels.scheme import Label, LabelScheme, Side
from musclefm.labels.sided import IGNORE
from musclefm.storage.regular_file import is_file, read_regular
from musclefm.storage.resources import resource_folder

_TEXTS = TypeAdapter(dict[str, str])
# Letters of any script and digits; what else there is separates words.
_WORD = re.compile(r"[^\W_]+")
_SIDE_WORDS: dict[str, Side] = {"left": "left", "l": "left", "right": "right", "r": "right"}
# Of a mapping: a thousand times what a file of this kind holds.
_LARGEST_FILE = 1 << 20
# Of all ids that a mapping does not name.
_OTHERS = "*"
_FORMAT = 'write it as JSON, {"13": "left vastus lateralis", "14": "ignore"}, or as CSV, id,muscle'
_LISTED = 8


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
        raise MuscleFMError("the mapping file cannot be read", _FORMAT) from error
    return parse_mapping(texts, scheme, others_are_background=by_name)


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


def find_meanings(
    external: ExternalLabels,
    scheme: LabelScheme,
    source: LabelScheme,
    mapping: LabelMapping | None,
    what: str,
    *,
    numbered: bool = True,
) -> tuple[dict[int, Target], tuple[str, ...]]:
    """Return what becomes of each value, and what the user should know of it.

    Parameters
    ----------
    external : ExternalLabels
        All that the file holds.
    scheme : LabelScheme
        In which the labels are wanted.
    source : LabelScheme
        That the file was made with.
    mapping : LabelMapping or None
        Goes before all else, and is all there is for values that the file does
        not describe.
    what : str
        What the labels are called in messages.
    numbered : bool
        Whether the values of a plain labelmap are those of ``source``.

    Raises
    ------
    MuscleFMError
        The meaning of a segment is not known.
    """
    numbers = source if numbered and external.numbered and mapping is None else None
    sided = numbers is not None and any(
        len(numbers.labels) < segment.value < IGNORE for segment in external.segments
    )
    meanings: dict[int, Target] = {}
    unknown: list[str] = []
    lost: set[str] = set()
    for segment in external.segments:
        target = _mapped(segment, mapping)
        if target is None:
            target, name = _known(segment, scheme, source, numbers, sided)
            lost |= {name} if name else set()
        if target is None:
            unknown.append(f"'{segment.name}'" if segment.name else str(segment.value))
        else:
            meanings[segment.value] = target
    if unknown:
        more = f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
        raise MuscleFMError(
            f"{what} holds {', '.join(unknown[:_LISTED])}{more},"
            f" which '{scheme.name}' does not know",
            "say in a mapping file what they are (--mapping), or name the label scheme that they"
            " were made with (--scheme)",
        )
    return meanings, tuple(
        f"'{scheme.name}' does not know {name}: it became background" for name in sorted(lost)
    )


def contradicting_sides(external: ExternalLabels, mapping: LabelMapping | None) -> tuple[str, ...]:
    """Return the segments whose name says another side than their code, a line each.

    Segments that a mapping names are right by the user's word.
    """
    return tuple(
        f"segment '{segment.name}' is coded as {segment.side}"
        for segment in external.segments
        if segment.side
        and _mapped(segment, mapping) is None
        and side_in(segment.name) not in (None, segment.side)
    )


def _mapped(segment: ExternalSegment, mapping: LabelMapping | None) -> Target | None:
    if not mapping:
        return None
    if segment.described:
        return mapping.get(segment.name.strip().lower())
    return mapping.get(str(segment.value), mapping.get(_OTHERS))


def _known(
    segment: ExternalSegment,
    scheme: LabelScheme,
    source: LabelScheme,
    numbers: LabelScheme | None,
    sided: bool,
) -> tuple[Target | None, str]:
    """Return what becomes of a segment, and the muscle's name where only ``source`` knows it."""
    if segment.described:
        found = _described(segment, scheme, source)
    elif numbers is None:
        return None, ""
    elif segment.value == IGNORE:
        return Target(IGNORE), ""
    else:
        found = _of_value(segment.value, numbers, sided)
    if found is None:
        return None, ""
    label, side = found
    for own in scheme.labels:
        if own.code == label.code:
            return Target(own.id, side), ""
    return Target(0), label.name


def _of_value(value: int, source: LabelScheme, sided: bool) -> tuple[Label, Side | None] | None:
    found = source.labels_of_sides().get(value)
    if found is None:
        return None
    return found[1], found[0] if sided else None


def _described(segment: ExternalSegment, *schemes: LabelScheme) -> tuple[Label, Side | None] | None:
    for scheme in schemes:
        by_name = parse_target(segment.name, scheme)
        side = segment.side or (by_name.side if by_name else None)
        for label in scheme.labels:
            if segment.code == (label.code.scheme, label.code.value):
                return label, side
        if by_name and 0 < by_name.label_id < IGNORE:
            return scheme.label(by_name.label_id), side
    return None
