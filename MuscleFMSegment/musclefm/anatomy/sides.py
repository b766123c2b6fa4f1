"""Which side of the patient each thigh is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from musclefm.anatomy.thighs import Thighs
from musclefm.labels.scheme import LabelScheme, Side
from musclefm.labels.sides import LEFT, RIGHT


def name_sides(
    thighs: Thighs, labels: npt.NDArray[np.uint8], scheme: LabelScheme
) -> tuple[Side, ...]:
    """Name the patient's side of each thigh.

    Of two thighs the first is the right one. A thigh alone is known by its
    muscles: where lateral muscles lie toward the patient's right, i.e. toward
    smaller columns unless the patient is turned, it is a right thigh. With one
    muscle only, or muscles of equal ``medial_lateral``, the offset of the
    labels from the centre of the thigh decides. Without any label it is the
    half of the image that the thigh lies in, a guess; its patient coordinate
    would be no better, as the origin of many scans lies far off the patient.

    Parameters
    ----------
    thighs : Thighs
        As found in the volume.
    labels : ndarray
        ``(K, J, I) uint8``: labelmap in canonical orientation, 0 background.
    scheme : LabelScheme
        What the labels mean.

    Returns
    -------
    tuple of Side
        One for each thigh, in order.
    """
    if thighs.count == 2:
        return ("right", "left")
    lateral = np.array([0.0, *(label.medial_lateral for label in scheme.labels)])
    k, j, i = np.nonzero(labels)
    laterality = lateral[labels[k, j, i]]
    slices, _, columns = labels.shape
    turn = np.radians(thighs.turn_degrees)
    middle = thighs.centres[0, k]
    column = np.cos(turn) * (i - middle[:, 1]) + np.sin(turn) * (j - middle[:, 0])
    # Within each slice, for a thigh that runs obliquely through the columns.
    voxels = np.maximum(np.bincount(k, minlength=slices), 1)
    mean_laterality = np.bincount(k, weights=laterality, minlength=slices) / voxels
    towards_left = float(np.sum((laterality - mean_laterality[k]) * column))
    if np.isclose(towards_left, 0.0):
        towards_left = float(np.sum(laterality * column))
    if np.isclose(towards_left, 0.0):
        towards_left = float(thighs.centres[0, :, 1].mean() - (columns - 1) / 2) * np.cos(turn)
    return ("right",) if towards_left < 0 else ("left",)


def sides_map(thighs: Thighs, sides: tuple[Side, ...]) -> npt.NDArray[np.uint8]:
    """Return the patient's side of every voxel.

    Parameters
    ----------
    thighs : Thighs
        As found in the volume.
    sides : tuple of Side
        The side of each thigh, in order.

    Returns
    -------
    ndarray
        ``(K, J, I) uint8``: RIGHT or LEFT of :mod:`musclefm.uncertainty.maps`.

    Raises
    ------
    ValueError
        There are more or fewer sides than thighs.
    """
    if len(sides) != thighs.count:
        raise ValueError(f"{len(sides)} sides for {thighs.count} thighs")
    values = np.array([0, *(RIGHT if side == "right" else LEFT for side in sides)], np.uint8)
    return np.asarray(values[thighs.membership])
