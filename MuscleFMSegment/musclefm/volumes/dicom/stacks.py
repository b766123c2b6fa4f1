"""From frames to series and stacks: one slice at each position.

A DICOM series may hold several images of the same place: echoes, image types,
b-values, time points. Its files are therefore grouped by geometry first, and
only what tells files at the same position apart then makes them stacks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from musclefm.volumes.dicom.defined_terms import known_image_type
from musclefm.volumes.dicom.frames import TRAITS, Frame
from musclefm.volumes.dicom.localizers import separate
from musclefm.volumes.dicom.pixels import pixel_digests
from musclefm.volumes.dicom.slice_positions import places
from musclefm.volumes.formats.decoded import SeriesDescription

# Of cosines, and of mm between pixels.
_SAME_PLANE = 1e-3
_TIME_POINT = TRAITS.index("time point")

_PLURAL = {
    "image type": "image types",
    "echo time": "echoes",
    "echo number": "echoes",
    "inversion time": "inversion times",
    "b-value": "b-values",
    "time point": "time points",
}
_LABEL = {
    "image type": "{}",
    "echo time": "{:.4g} ms",
    "echo number": "echo {:.4g}",
    "inversion time": "inversion time {:.4g} ms",
    "b-value": "b {:.4g} s/mm²",
    "time point": "time point {:.4g}",
}
_NOT_MAGNITUDE = {"P", "PHASE", "R", "REAL", "I", "IMAGINARY"}

Traits = tuple[str | float | None, ...]


@dataclass(frozen=True)
class Stack:
    """One image of a series: a slice at each position, ascending along the normal.

    Attributes
    ----------
    frames : tuple of Frame
        Its slices.
    label : str
        What tells it from the other stacks of its series, e.g. ``"10.9 ms"``.
    """

    frames: tuple[Frame, ...]
    label: str


@dataclass(frozen=True)
class Series:
    """Frames of one SeriesInstanceUID, orientation and matrix, without localizers among them.

    Attributes
    ----------
    stacks : tuple of Stack
        The images at the same place, the default one first: complete before
        incomplete, magnitude before phase, then by echo time and time.
    kind : str
        What the stacks are, in the plural, e.g. ``"echoes"``.
    duplicates : int
        Frames left out because another lies at their place and nothing tells
        the two apart.
    """

    stacks: tuple[Stack, ...]
    kind: str
    duplicates: int

    @property
    def key(self) -> tuple[int, str]:
        """Series number and SeriesInstanceUID, which localizers may share with their image."""
        return self.stacks[0].frames[0].series

    @property
    def plane(self) -> str:
        """``"axial"``, ``"coronal"`` or ``"sagittal"``, whichever is closest."""
        normal = self.stacks[0].frames[0].normal
        return ("sagittal", "coronal", "axial")[int(np.abs(normal).argmax())]

    @property
    def slices(self) -> int:
        """Slices of its first image."""
        return len(self.stacks[0].frames)


def find_series(frames: Iterable[Frame]) -> tuple[Series, ...]:
    """Group frames into series, in the order of their series numbers."""
    groups: list[list[Frame]] = []
    # Compared as arrays: a folder may hold thousands of planes.
    known: dict[tuple[object, ...], tuple[npt.NDArray[np.float64], list[int]]] = {}
    for frame in sorted(frames, key=lambda frame: (frame.series, frame.order)):
        plane = np.array([*frame.orientation, *frame.spacing])
        key = (frame.series, frame.shape)
        planes, numbers = known.get(key, (np.empty((0, len(plane))), []))
        same = np.flatnonzero((np.abs(planes - plane) <= _SAME_PLANE).all(axis=1))
        if len(same):
            groups[numbers[same[0]]].append(frame)
        else:
            known[key] = np.vstack([planes, plane]), [*numbers, len(groups)]
            groups.append([frame])
    return tuple(_series(part) for group in groups for part in separate(group))


def describe(series: Series, number: int) -> SeriesDescription:
    """Describe a series under the number by which it is chosen."""
    stack = series.stacks[0]
    frame = stack.frames[0]
    return SeriesDescription(
        number=number,
        modality=frame.modality or "unknown",
        plane=series.plane,
        columns=frame.shape[1],
        rows=frame.shape[0],
        slices=series.slices,
        stacks=tuple(stack.label for stack in series.stacks) if len(series.stacks) > 1 else (),
        kind=series.kind,
    )


def _series(group: list[Frame]) -> Series:
    frames = _distinct(group)
    normal = frames[0].normal
    place = dict(
        zip(
            (frame.identity for frame in frames),
            places(np.array([np.dot(frame.position, normal) for frame in frames])).tolist(),
            strict=True,
        )
    )
    parts: dict[Traits, list[Frame]] = defaultdict(list)
    telling = _telling_traits(frames, place)
    for frame in frames:
        parts[tuple(frame.traits[trait] for trait in telling)].append(frame)
    found: list[tuple[Traits, list[Frame]]] = []
    for part in parts.values():
        for repetition, members in enumerate(_repetitions(part, place)):
            traits = list(members[0].traits)
            if _TIME_POINT not in telling:
                traits[_TIME_POINT] = repetition + 1.0
            found.append((tuple(traits), members))
    most = max(len(members) for _, members in found)
    found.sort(key=lambda item: _rank(item[0], item[1], most))
    naming = _naming_traits([traits for traits, _ in found])
    stacks = tuple(
        Stack(tuple(members), _label(traits, naming) or f"number {number}")
        for number, (traits, members) in enumerate(found, 1)
    )
    kinds = [_PLURAL[TRAITS[trait]] for trait in naming]
    return Series(
        stacks=stacks,
        kind=kinds[0] if len(kinds) == 1 else "images",
        duplicates=len(group) - sum(len(stack.frames) for stack in stacks),
    )


def _distinct(group: list[Frame]) -> list[Frame]:
    """Leave out copies: the same identifier, position and pixels.

    Some anonymisers give all files one identifier, so that alone tells nothing.
    """
    alike: dict[tuple[object, ...], list[Frame]] = defaultdict(list)
    for frame in group:
        alike[frame.identity, frame.position, frame.traits].append(frame)
    kept = []
    digests = cache(pixel_digests)
    for number, members in enumerate(alike.values()):
        several = members
        if len(members) > 1:
            found = {_digest(digests(one.path), one): one for one in reversed(members)}
            several = list(found.values())[::-1]
        kept += [
            replace(frame, identity=f"{frame.identity}/{number}/{copy}")
            for copy, frame in enumerate(several)
        ]
    return kept


def _digest(of_file: tuple[str, ...], frame: Frame) -> str:
    # All tiles of a mosaic lie in the one frame of its file.
    return of_file[min(frame.index, len(of_file) - 1)] if of_file else ""


def _telling_traits(frames: list[Frame], place: dict[str, int]) -> list[int]:
    """Return the traits that differ between frames at the same position."""
    values: dict[tuple[int, int], set[str | float | None]] = defaultdict(set)
    for frame in frames:
        for trait, value in enumerate(frame.traits):
            values[trait, place[frame.identity]].add(value)
    return sorted({trait for (trait, _), seen in values.items() if len(seen) > 1})


def _repetitions(part: list[Frame], place: dict[str, int]) -> list[list[Frame]]:
    """Deal frames that nothing but their order tells apart into stacks.

    A second frame at fewer than half of the positions is a duplicate; at more
    it is a second time point.
    """
    queues: dict[int, list[Frame]] = defaultdict(list)
    for frame in sorted(part, key=lambda frame: frame.order):
        queues[place[frame.identity]].append(frame)
    stacks = []
    for repetition in range(max(len(queue) for queue in queues.values())):
        members = [queues[at][repetition] for at in sorted(queues) if len(queues[at]) > repetition]
        if repetition == 0 or 2 * len(members) >= len(queues):
            stacks.append(members)
    return stacks


def _rank(traits: Traits, members: list[Frame], most: int) -> tuple[object, ...]:
    kind = traits[0]
    phase = isinstance(kind, str) and not _NOT_MAGNITUDE.isdisjoint(kind.split())
    times = [value if isinstance(value, float) else 0.0 for value in traits[1:]]
    return (2 * len(members) < most, phase, *times, members[0].order)


def _naming_traits(keys: list[Traits]) -> list[int]:
    """Return the fewest traits, the important ones first, that tell all keys apart."""
    chosen: list[int] = []
    apart = 1
    for trait in range(len(TRAITS)):
        distinct = len({tuple(key[index] for index in [*chosen, trait]) for key in keys})
        if distinct > apart:
            chosen.append(trait)
            apart = distinct
    return chosen


def _label(traits: Traits, naming: list[int]) -> str:
    return ", ".join(_trait_text(TRAITS[trait], traits[trait]) for trait in naming)


def _trait_text(trait: str, value: str | float | None) -> str:
    if trait == "image type" and value is not None:
        return known_image_type(str(value))
    return f"no {trait}" if value is None else _LABEL[trait].format(value)
