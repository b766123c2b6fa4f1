"""Each muscle of each side against the reference: Dice, distances, volume and fat fraction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.evaluation.dice import dice
from musclefm.evaluation.distances import surface_distance
from musclefm.labels.scheme import LabelScheme, Side
from musclefm.labels.sided import IGNORE

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class MuscleAccuracy:
    """One muscle of one side, where the reference tells anything.

    Attributes
    ----------
    side : Side or None
        The patient's; None where the labels have no sides.
    label_id, name : int, str
        As in the scheme; muscles that are taken together have the lowest id.
    dice : float
        0 where only one of the two shows the muscle.
    hd95_mm, assd_mm : float
        See :class:`musclefm.evaluation.distances.SurfaceDistance`; NaN where either
        does not show the muscle, which its Dice of 0 tells.
    volume_ml, reference_ml : float
        In labelled slices, of the segmentation and of the reference.
    fat_fraction, reference_fat_fraction : float
        Means within the two, in [0, 1]; NaN without fat and water.
    """

    side: Side | None
    label_id: int
    name: str
    dice: float
    hd95_mm: float
    assd_mm: float
    volume_ml: float
    reference_ml: float
    fat_fraction: float
    reference_fat_fraction: float

    @property
    def volume_error_ml(self) -> float:
        """Segmentation minus reference."""
        return self.volume_ml - self.reference_ml

    @property
    def volume_error_percent(self) -> float:
        """The same in percent of the reference; NaN where that does not show the muscle."""
        return 100 * self.volume_error_ml / self.reference_ml if self.reference_ml else float("nan")

    @property
    def fat_fraction_error_percent(self) -> float:
        """Segmentation minus reference, in percentage points."""
        return 100 * (self.fat_fraction - self.reference_fat_fraction)

    @property
    def row(self) -> dict[str, Side | str | float | None]:
        """All of it as a row of a table, the errors too."""
        errors = ("volume_error_ml", "volume_error_percent", "fat_fraction_error_percent")
        return asdict(self) | {name: getattr(self, name) for name in errors}


def muscle_accuracy(
    labels: Labels,
    reference: Labels,
    scheme: LabelScheme,
    spacing: tuple[float, ...],
    *,
    sided: bool = True,
    fat_fraction: npt.NDArray[np.floating[Any]] | None = None,
    judged: Collection[int] | None = None,
) -> tuple[MuscleAccuracy, ...]:
    """Measure every muscle that the segmentation or the reference shows.

    Parameters
    ----------
    labels, reference : ndarray
        ``(K, J, I) uint8``: sided values, 0 background; where the reference is IGNORE,
        nothing counts.
    scheme : LabelScheme
        What the labels mean.
    spacing : tuple of float
        Of the axes of the arrays, in their order, in mm.
    sided : bool
        Whether there are sides; else the values are those of the scheme.
    fat_fraction : ndarray, optional
        ``(K, J, I)`` in [0, 1], NaN where undefined.
    judged : collection of int, optional
        Sided values to measure; by default all.

    Returns
    -------
    tuple of MuscleAccuracy
        The right side first, muscles in the scheme's order.
    """
    known = reference != IGNORE
    found = np.where(known, labels, np.uint8(0))
    truth = np.where(known, reference, np.uint8(0))
    values = scheme.labels_of_sides()
    overlap = dice(found, truth, max(values) + 1)
    ml = float(np.prod(spacing)) / 1000
    rows = []
    for value, (side, label) in values.items():
        if np.isnan(overlap[value]) or (judged is not None and value not in judged):
            continue
        mine, real = found == value, truth == value
        distance = surface_distance(mine, real, spacing, known)
        rows.append(
            MuscleAccuracy(
                side=side if sided else None,
                label_id=label.id,
                name=label.name,
                dice=float(overlap[value]),
                hd95_mm=distance.hd95,
                assd_mm=distance.assd,
                volume_ml=float(mine.sum()) * ml,
                reference_ml=float(real.sum()) * ml,
                fat_fraction=_mean_within(fat_fraction, mine),
                reference_fat_fraction=_mean_within(fat_fraction, real),
            )
        )
    return tuple(rows)


def _mean_within(
    fat_fraction: npt.NDArray[np.floating[Any]] | None, mask: npt.NDArray[np.bool_]
) -> float:
    if fat_fraction is None:
        return float("nan")
    values = fat_fraction[mask]
    values = values[np.isfinite(values)]
    return float(values.mean(dtype=np.float64)) if values.size else float("nan")
