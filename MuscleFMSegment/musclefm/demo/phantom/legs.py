"""Label maps of both thighs, taken apart into slices of one thigh each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.volumes.orientation import to_canonical
from musclefm.volumes.volume import Volume

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class LegSlice:
    """The labelled slice of one thigh, seen as a right thigh.

    Attributes
    ----------
    labels : ndarray
        ``(J, I) uint8``: rows run from anterior to posterior, columns from
        lateral to medial; cut to the labels.
    spacing_mm : tuple of float
        Of rows and columns.
    height : float
        Where along the labelled part of the thigh, 0 at the knee, 1 at the hip.
    subject : str
        Pseudonym of the subject, for splits by subject.
    """

    labels: Labels
    spacing_mm: tuple[float, float]
    height: float
    subject: str


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


def leg_slices(labelmap: Volume, subject: str, least_pixels: int = 150) -> Iterator[LegSlice]:
    """Yield every labelled slice of either thigh of a label map of both thighs."""
    canonical, _ = to_canonical(labelmap)
    array = canonical.array
    labelled = np.flatnonzero(array.any(axis=(1, 2)))
    if len(labelled) == 0:
        return
    first, last = labelled[0], labelled[-1]
    spacing = (canonical.grid.spacing[1], canonical.grid.spacing[0])
    for k in labelled:
        middle = split_columns(array[k])
        if middle is None:
            continue
        height = float((k - first) / max(last - first, 1))
        for half in (array[k][:, :middle], array[k][:, middle:][:, ::-1]):
            rows, columns = np.nonzero(half)
            if len(rows) < least_pixels:
                continue
            tight = half[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            yield LegSlice(np.ascontiguousarray(tight), spacing, height, subject)
