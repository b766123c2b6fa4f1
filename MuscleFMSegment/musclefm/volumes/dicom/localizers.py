"""Slices that only show where an image lies, or lie among its own by mistake.

Some scanners and archives keep them in the series of the image. Seldom does a
header name them, but something tells them from the many slices of the image:
the frame of reference, the thickness, the echo time, or that they lie beside
the regular row of those.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.volumes.dicom.defined_terms import LOCALIZER_TERMS
from musclefm.volumes.dicom.frames import Frame
from musclefm.volumes.dicom.slice_positions import longest_run, places, regular_slices

FEWEST = 5
"""Fewer slices do not tell by their number that they are the image."""

_FAR_STEPS = 3.0
_ROW_STEPS = 1.5
_NEXT = 0.05
_MOST_SEARCHED = 1000


def names_localizer(frame: Frame) -> bool:
    """Tell whether the image type calls a slice a localizer."""
    return not LOCALIZER_TERMS.isdisjoint(str(frame.traits[0] or "").split())


def separate(group: Sequence[Frame]) -> list[list[Frame]]:
    """Part the slices of an image from others of the same plane, matrix and pixel size.

    Parameters
    ----------
    group : sequence of Frame
        Frames of one series and geometry.

    Returns
    -------
    list of list of Frame
        The image first, then the others; one alone where nothing is plain to see.
    """
    if len(group) == 1:
        return [list(group)]
    named = [frame for frame in group if names_localizer(frame)]
    frames = [frame for frame in group if not names_localizer(frame)]
    if named and frames:
        return [*separate(frames), named]
    frames = list(group)
    if is_plain(frames) and len(set(Counter(_places(frames).tolist()).values())) == 1:
        return [frames]
    attributes: list[Sequence[object]] = [
        values
        for values in zip(*map(_stated, frames), strict=True)
        # A slice that lacks them is none of another image.
        if all(values)
    ]
    attributes += zip(*(frame.traits for frame in frames), strict=True)
    for values in attributes:
        if split := _split(frames, values):
            return split
    if split := _split(frames, _is_near(frames)) or _split_row(frames):
        return split
    if not _is_regular(frames):
        for values in (*attributes, [frame.order[0] for frame in frames]):
            if stations := _stations(frames, values):
                return stations
    return [frames]


def _stated(frame: Frame) -> tuple[str, float]:
    return frame.frame_of_reference, round(frame.slice_mm, 2)


def _stations(frames: list[Frame], values: Sequence[object]) -> list[list[Frame]] | None:
    """Part several images of other places that make a plain row each."""
    parts = _parts(frames, values)
    plain = all(is_plain(part) and len(_positions(part)) >= FEWEST for part in parts.values())
    return list(parts.values()) if plain and len(parts) > 1 else None


def _parts(frames: list[Frame], values: Sequence[object]) -> dict[object, list[Frame]]:
    parts: dict[object, list[Frame]] = defaultdict(list)
    for frame, value in zip(frames, values, strict=True):
        parts[value].append(frame)
    return parts


def _split(frames: list[Frame], values: Sequence[object]) -> list[list[Frame]] | None:
    """Part the frames that share their value with many from the others, if that is plain."""
    parts = _parts(frames, values)
    counts = {value: len(_positions(part)) for value, part in parts.items()}
    most = max(counts.values())
    main = [f for f, value in zip(frames, values, strict=True) if 2 * counts[value] > most]
    rest = [f for f, value in zip(frames, values, strict=True) if 2 * counts[value] <= most]
    return [main, rest] if rest and most >= FEWEST and is_plain(main) else None


def _split_row(frames: list[Frame]) -> list[list[Frame]] | None:
    """Part a gapless row of slices from others between them or far from them."""
    positions = _positions(frames)
    if not FEWEST <= len(positions) <= _MOST_SEARCHED:
        return None
    row = longest_run(positions)
    step = float(np.diff(positions[row]).mean())
    others = positions[~row]
    outside = np.maximum(positions[row][0] - others, others - positions[row][-1])
    beyond = others[outside > 0]
    try:
        finer = regular_slices(positions, "").step_mm
    except MuscleFMError:
        # What is near the row or makes one of its own may be slices that were moved.
        ambiguous = (outside[outside > 0] < _FAR_STEPS * step).any() or (
            np.diff(beyond) < _ROW_STEPS * step
        ).any()
    else:
        # They fit between: the header says whether others are missing there.
        stated = frames[0].thickness
        ambiguous = bool(len(beyond)) or not abs(step - stated) < abs(finer - stated)
    return None if ambiguous else _split(frames, row[_places(frames)].tolist())


def _is_near(frames: list[Frame]) -> list[bool]:
    """Tell of each slice whether it lies straight above most of the others."""
    _, aside = _offsets(frames)
    off = np.linalg.norm(aside - np.median(aside, axis=0), axis=1)
    return (off <= max(frames[0].spacing)).tolist()


def _is_regular(frames: Sequence[Frame], *, gaps: bool = True) -> bool:
    """Tell whether slices lie above one another at even distances, with gaps or without."""
    _, aside = _offsets(frames)
    positions = _positions(frames)
    if np.linalg.norm(aside, axis=1).max() > max(frames[0].spacing):
        return False
    try:
        return len(positions) == 1 or not regular_slices(positions, "").missing or gaps
    except MuscleFMError:
        return False


def is_plain(frames: Sequence[Frame]) -> bool:
    """Tell whether slices make a regular row without a gap."""
    return _is_regular(frames, gaps=False)


def continues(row: Sequence[Frame], other: Frame) -> bool:
    """Tell whether a slice lies where the one before or behind a row would.

    Parameters
    ----------
    row : sequence of Frame
        Several slices, ascending along their normal.
    other : Frame
        A slice, perhaps of another matrix or pixel size.
    """
    along, aside = _offsets([row[0], row[-1], other])
    step = along[1] / (len(row) - 1)
    near = np.abs(along[2] - np.array([-step, along[1] + step])).min() < _NEXT * step
    return bool(near and np.linalg.norm(aside[2]) <= max(row[0].spacing))


def _positions(frames: Sequence[Frame]) -> npt.NDArray[np.float64]:
    """Return the distinct positions along the normal in mm, ascending."""
    place = _places(frames)
    return np.bincount(place, weights=_offsets(frames)[0]) / np.bincount(place)


def _places(frames: Sequence[Frame]) -> npt.NDArray[np.int64]:
    return places(_offsets(frames)[0])


def _offsets(frames: Sequence[Frame]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return how far slices lie from the first: along its normal, and vectors aside, in mm."""
    offsets = np.array([frame.position for frame in frames]) - frames[0].position
    along = offsets @ frames[0].normal
    return along, offsets - np.outer(along, frames[0].normal)
