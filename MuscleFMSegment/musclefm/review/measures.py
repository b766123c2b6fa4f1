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


class MuscleTally:
    """What is counted of every muscle, slice by slice: after an edit only what it changed is anew.

    Parameters
    ----------
    scheme : LabelScheme
        What the labels mean.
    slices : int
        How many slices there are, along the first axis of the labels.
    """

    def __init__(self, scheme: LabelScheme, slices: int) -> None:
        self._scheme = scheme
        self._of_sides = scheme.labels_of_sides()
        # Voxels, the sum of their fat fractions, and in how many that is defined.
        self._counts = np.zeros((3, slices, max(self._of_sides) + 1))

    def count(
        self,
        k: int,
        labels: npt.NDArray[np.uint8],
        fat_fraction: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """Count a slice, in place of what was counted of it before.

        Parameters
        ----------
        k : int
            Which slice.
        labels : ndarray
            ``(J, I) uint8``: sided values, 0 background.
        fat_fraction : ndarray, optional
            ``(J, I) float32`` in [0, 1], NaN where undefined.

        Raises
        ------
        ValueError
            A voxel has a value that the scheme lacks: a programming error.
        """
        counts = self._counts[:, k]
        counts[:] = 0.0
        rows = np.flatnonzero(labels.any(axis=1))
        if len(rows) == 0:
            return
        band = slice(rows[0], rows[-1] + 1)
        columns = np.flatnonzero(labels[band].any(axis=0))
        box = band, slice(columns[0], columns[-1] + 1)
        value = labels[box].ravel().astype(np.intp)
        if value.max() >= counts.shape[1]:
            raise ValueError(f"label {value.max()} is not of scheme '{self._scheme.name}'")
        values = counts.shape[1]
        counts[0] = np.bincount(value, minlength=values)
        if fat_fraction is not None:
            fraction = fat_fraction[box].ravel()
            known = np.isfinite(fraction)
            counts[1] = np.bincount(value, np.where(known, fraction, 0.0), minlength=values)
            counts[2] = np.bincount(value, known, minlength=values)

    def measures(self, voxel_volume_mm3: float) -> tuple[MuscleMeasure, ...]:
        """Return one measure a muscle and side, the right side first, in the scheme's order.

        Parameters
        ----------
        voxel_volume_mm3 : float
            Volume of a voxel in mm³.
        """
        voxels, fat, defined = self._counts.sum(axis=1)
        return tuple(
            MuscleMeasure(
                side=side,
                label_id=label.id,
                volume_ml=float(voxels[at] * voxel_volume_mm3 / 1000.0),
                fat_fraction=float(fat[at] / defined[at]) if defined[at] else None,
            )
            for at, (side, label) in self._of_sides.items()
        )
