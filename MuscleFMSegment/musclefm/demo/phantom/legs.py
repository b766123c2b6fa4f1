"""Label maps of both thighs, taken apart into single legs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.labels.scheme import LabelScheme
from musclefm.labels.sided import with_sides
from musclefm.labels.sides import LEFT, RIGHT
from musclefm.volumes.orientation import to_canonical
from musclefm.volumes.volume import Volume

Labels = npt.NDArray[np.uint8]

# No two slices of a person lie further apart across, in mm: what is further from the
# median is a gap between muscles of one thigh.
_FARTHEST_SPLIT_MM = 15.0
# Edge of the square that just holds the labels of a usual thigh.
_USUAL_MM = 142.0


@dataclass(frozen=True)
class Sections:
    """One section of a right thigh with its neighbours along the leg.

    Attributes
    ----------
    labels : ndarray
        ``(J, I) uint8``: rows run from anterior to posterior, columns from
        lateral to medial.
    below, above : ndarray or None
        The neighbour towards the feet and towards the head, on the same pixels;
        None where the thigh's labels end before.
    spacing_mm : tuple of float
        Of rows and columns.
    height : float
        Where along the labelled part of the thigh, 0 at the knee, 1 at the hip.
    size : float
        Of the whole thigh, 1 for a usual one.
    """

    labels: Labels
    below: Labels | None
    above: Labels | None
    spacing_mm: tuple[float, float]
    height: float
    size: float


@dataclass(frozen=True)
class Leg:
    """The labels of one thigh, seen as a right thigh.

    Attributes
    ----------
    labels : ndarray
        ``(K, J, I) uint8``: slices from the knee to the hip, the first and the
        last labelled; rows run from anterior to posterior, columns from lateral
        to medial; cut to the labels.
    spacing_mm : tuple of float
        Of slices, rows and columns.
    subject : str
        Pseudonym of the subject, for splits by subject.
    """

    labels: Labels
    spacing_mm: tuple[float, float, float]
    subject: str

    def sections(self, k: int, distance_mm: float | None) -> Sections:
        """Return slice ``k``, with those nearest to a distance on either side unless None."""
        count = len(self.labels)
        step = count if distance_mm is None else max(round(distance_mm / self.spacing_mm[0]), 1)
        below, above = (
            self.labels[place] if 0 <= place < count and self.labels[place].any() else None
            for place in (k - step, k + step)
        )
        height = k / max(count - 1, 1)
        box_mm = np.array(self.labels.shape[1:]) * self.spacing_mm[1:]
        size = float(np.clip(np.sqrt(box_mm.prod()) / _USUAL_MM, 0.7, 1.35))
        return Sections(self.labels[k], below, above, self.spacing_mm[1:], height, size)

    def usable(self, least_mm2: float = 100.0) -> npt.NDArray[np.intp]:
        """Return the slices whose labels cover at least an area."""
        pixels = np.count_nonzero(self.labels, axis=(1, 2))
        return np.flatnonzero(pixels * self.spacing_mm[1] * self.spacing_mm[2] >= least_mm2)


def split_columns(labels: Labels) -> int | None:
    """Return the column between two thighs of a canonical slice ``(J, I)``.

    It lies in the middle of the widest run of unlabelled columns; None where
    the labels hold no such run of at least two columns.
    """
    used = np.flatnonzero(labels.any(axis=0))
    if len(used) == 0:
        return None
    widths = np.diff(used)
    if len(widths) == 0 or widths.max() < 3:
        return None
    widest = int(np.argmax(widths))
    return int(used[widest] + widths[widest] // 2)


def both_legs(labelmap: Volume, subject: str) -> Iterator[Leg]:
    """Yield the right and the left leg of a label map of both thighs, where labelled.

    A slice in which the thighs touch is split where the next slice is in which
    they do not.
    """
    canonical, _ = to_canonical(labelmap)
    columns = _splits(canonical.array, canonical.grid.spacing[0])
    if columns is None:
        return
    halves = [np.zeros_like(canonical.array) for _ in range(2)]
    for k, middle in enumerate(columns):
        halves[0][k, :, :middle] = canonical.array[k, :, :middle]
        halves[1][k, :, middle:] = canonical.array[k, :, middle:]
    width, height, depth = canonical.grid.spacing
    for half in (halves[0], halves[1][:, :, ::-1]):
        if half.any():
            box = tuple(
                slice(found.min(), found.max() + 1)
                for found in (np.flatnonzero(half.any(axis=axes)) for axes in _OTHER_AXES)
            )
            yield Leg(np.ascontiguousarray(half[box]), (depth, height, width), subject)


def sided_labels(labelmap: Volume, scheme: LabelScheme) -> Labels:
    """Return sided values for a label map of both thighs, on its own voxels."""
    canonical, view = to_canonical(labelmap)
    columns = _splits(canonical.array, canonical.grid.spacing[0])
    sides = np.full(canonical.grid.shape, RIGHT, np.uint8)
    for k, middle in enumerate(columns or ()):
        sides[k, :, middle:] = LEFT
    return with_sides(labelmap.array, view.undo(sides), scheme)


_OTHER_AXES = ((1, 2), (0, 2), (0, 1))


def _splits(array: Labels, pixel_mm: float) -> list[int] | None:
    """Return the column between the thighs for each slice ``(K, J, I)``; None without any."""
    found = {k: middle for k, labels in enumerate(array) if (middle := split_columns(labels))}
    if not found:
        return None
    usual = float(np.median(list(found.values())))
    known = [k for k in found if abs(found[k] - usual) * pixel_mm < _FARTHEST_SPLIT_MM]
    return [found[min(known, key=lambda other: abs(other - k))] for k in range(len(array))]
