"""A segmentation and its reference, as they are held against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.evaluation.review_order import RegionLooks
from musclefm.labels.scheme import LabelScheme

Labels = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class CasePair:
    """A segmentation and its reference; all arrays are ``(K, J, I)``.

    Attributes
    ----------
    labels, reference : ndarray
        uint8: sided values, 0 background; IGNORE in the reference.
    scheme : LabelScheme
        What the labels mean.
    sided : bool
        Whether there are sides; else the values are those of the scheme.
    spacing : tuple of float or None
        Of the axes of the arrays, in their order, in mm; None where unknown: nothing is
        measured in mm or mL then.
    slice_axis : int
        Axis of the arrays along which slices are counted.
    probabilities : ndarray or None
        ``(C, K, J, I)``: mean of the members, background first.
    untempered : ndarray or None
        The same as it was before the ensemble's temperature.
    uncertainty : mapping of str to ndarray
        By name, of any unit.
    fat_fraction : ndarray or None
        In [0, 1], NaN where undefined.
    expected_dice : mapping of int to float
        By sided value, as the ensemble forecasts it.
    regions : sequence or None
        Flagged regions in the order of review.
    """

    labels: Labels
    reference: Labels
    scheme: LabelScheme
    sided: bool = True
    spacing: tuple[float, float, float] | None = None
    slice_axis: int = 0
    probabilities: Probabilities | None = None
    untempered: Probabilities | None = None
    uncertainty: Mapping[str, npt.NDArray[np.floating[Any]]] = field(default_factory=dict)
    fat_fraction: npt.NDArray[np.floating[Any]] | None = None
    expected_dice: Mapping[int, float] = field(default_factory=dict)
    regions: Sequence[RegionLooks] | None = None
