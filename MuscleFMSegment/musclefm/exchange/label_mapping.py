"""From what a file, a mapping or a user calls a segment to the labels of a scheme."""

from __future__ import annotations

from musclefm.errors import MuscleFMError
from musclefm.exchange.external_labels import ExternalLabels, ExternalSegment
from musclefm.labels.mapping import OTHERS, LabelMapping, Target, parse_target, side_in
from musclefm.labels.scheme import Label, LabelScheme, Side
from musclefm.labels.sided import IGNORE

_LISTED = 8


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
            "say in a mapping file what they are (--mapping), or, where the command takes it, name"
            " the label scheme that they were made with (--scheme)",
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
    return mapping.get(str(segment.value), mapping.get(OTHERS))


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
