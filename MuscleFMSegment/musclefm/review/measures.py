"""What is measured of a muscle while its outline is edited: volume and fat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.labels.scheme import LabelScheme, Side


@dataclass(frozen=True)
class MuscleMeasure:
    """One muscle of one side.

    Attributes
    ----------
    side : Side
        The patient's side.
    label_id : int
        Id in the label scheme.
    volume_ml : float
        Volume in mL, 0 where nothing is labelled.
    fat_fraction : float or None
        Mean of fat / (fat + water) inside, in [0, 1]; None where it is defined
        in no voxel.
    """

    side: Side
    label_id: int
    volume_ml: float
    fat_fraction: float | None


def measure_muscles(
    sided_labels: npt.NDArray[np.uint8],
    scheme: LabelScheme,
    voxel_volume_mm3: float,
    fat_fraction: npt.NDArray[np.float32] | None = None,
) -> tuple[MuscleMeasure, ...]:
    """Measure every muscle of both sides, as ``review.muscles`` does on a model's results.

    Parameters
    ----------
    sided_labels : ndarray
        ``(K, J, I) uint8``: values of ``LabelScheme.labels_of_sides``, 0 background.
    scheme : LabelScheme
        What the values mean.
    voxel_volume_mm3 : float
        Volume of a voxel in mm³.
    fat_fraction : ndarray, optional
        ``(K, J, I) float32`` in [0, 1], NaN where undefined; such voxels do not
        count in a muscle's mean.

    Returns
    -------
    tuple of MuscleMeasure
        One a muscle and side, empty ones too: the right side first, muscles in
        the scheme's order.

    Raises
    ------
    ValueError
        A voxel has a value that the scheme lacks: a programming error.
    """
    of_sides = scheme.labels_of_sides()
    values = max(of_sides) + 1
    voxels, fat, defined = np.zeros((3, values))
    # A slice at a time: its integers and weights stay in the processor's cache.
    for k, labels in enumerate(sided_labels):
        inside = labels > 0
        value = labels[inside].astype(np.intp)
        if value.max(initial=0) >= values:
            raise ValueError(f"label {value.max()} is not of scheme '{scheme.name}'")
        voxels += np.bincount(value, minlength=values)
        if fat_fraction is not None:
            fraction = fat_fraction[k][inside]
            known = np.isfinite(fraction)
            defined += np.bincount(value, known, minlength=values)
            fat += np.bincount(value, np.where(known, fraction, 0.0), minlength=values)
    return tuple(
        MuscleMeasure(
            side=side,
            label_id=label.id,
            volume_ml=float(voxels[at] * voxel_volume_mm3 / 1000.0),
            fat_fraction=float(fat[at] / defined[at]) if defined[at] else None,
        )
        for at, (side, label) in of_sides.items()
    )
