"""Where a section's muscles lie, seen from the femur."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.labels.scheme import LabelScheme

Place = tuple[float, float]
"""Posterior and medial of the femur's centre, in mm."""

# Where muscles lie in a thigh of usual size, for sections that do not show them.
_USUAL: dict[str, Place] = {
    "SA": (-32.0, 38.0),
    "RF": (-48.0, -6.0),
    "VL": (-12.0, -42.0),
    "VM": (-14.0, 30.0),
    "AM": (34.0, 30.0),
    "GR": (20.0, 62.0),
    "BFL": (52.0, -12.0),
    "ST": (64.0, 8.0),
    "SM": (52.0, 26.0),
}
_LEAST_PIXELS = 12


@dataclass(frozen=True)
class Landmarks:
    """A section's femur and muscles.

    Attributes
    ----------
    femur : tuple of float
        Row and column of its centre, in pixels.
    places : mapping of str to tuple of float
        Centre of each muscle by abbreviation, posterior and medial of the femur
        in mm; the usual place of a muscle that the section does not show.
    shown : frozenset of str
        Muscles that it shows.
    """

    femur: tuple[float, float]
    places: Mapping[str, Place]
    shown: frozenset[str]


def find_landmarks(
    labels: npt.NDArray[np.uint8],
    femur: tuple[float, float],
    scheme: LabelScheme,
    size: float,
    pixel_mm: float,
) -> Landmarks:
    """Find the muscles of a section ``(J, I)`` of a thigh of relative ``size``."""
    rows, columns = np.nonzero(labels)
    values = labels[rows, columns]
    counts, row_sums, column_sums = (
        np.bincount(values, weights=weights, minlength=scheme.class_count)
        for weights in (None, rows, columns)
    )
    places = {name: (size * y, size * x) for name, (y, x) in _USUAL.items()}
    shown = set()
    for label in scheme.labels:
        if counts[label.id] >= _LEAST_PIXELS:
            shown.add(label.abbreviation)
            places[label.abbreviation] = (
                float(row_sums[label.id] / counts[label.id] - femur[0]) * pixel_mm,
                float(column_sums[label.id] / counts[label.id] - femur[1]) * pixel_mm,
            )
    return Landmarks(femur, places, frozenset(shown))
