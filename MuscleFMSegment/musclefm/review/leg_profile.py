"""Where along the leg the doubt lies, slice by slice, from what the results hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.review.regions import DEFAULT_RULE
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view


@dataclass(frozen=True)
class SliceUncertainty:
    """The doubt of one slice.

    Attributes
    ----------
    index : int
        On the input grid, along the axis that runs closest to inferior-superior
        (``FlaggedRegion.slice_axis``).
    superior_mm : float
        Where the middle of the slice lies: S of RAS in mm.
    mean_uncertainty : float
        Mean total uncertainty of the labelled voxels, in [0, 1]; NaN without any.
    uncertain_ml : float
        Volume in mL of the voxels, labelled or not, that are as uncertain as
        those of flagged regions (``FlagRule.threshold``).
    """

    index: int
    superior_mm: float
    mean_uncertainty: float
    uncertain_ml: float


def slice_doubt(
    uncertainty: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8], grid: Grid
) -> tuple[SliceUncertainty, ...]:
    """Sum up the doubt of every slice.

    Parameters
    ----------
    uncertainty : ndarray
        ``(K, J, I) float32``: total uncertainty in [0, 1], as in uncertainty.nii.gz.
    labels : ndarray
        ``(K, J, I) uint8``: 0 background, with sides or without.
    grid : Grid
        Of both, in any orientation.

    Returns
    -------
    tuple of SliceUncertainty
        From inferior to superior.
    """
    view = canonical_view(grid)
    slices, rows, columns = view.grid.shape
    middles = view.grid.ijk_to_ras @ [
        np.full(slices, (columns - 1) / 2),
        np.full(slices, (rows - 1) / 2),
        np.arange(slices),
        np.ones(slices),
    ]
    profile = []
    for k, (doubt, label) in enumerate(
        zip(view.apply(uncertainty), view.apply(labels), strict=True)
    ):
        inside = doubt[label > 0]
        uncertain = np.count_nonzero(doubt >= DEFAULT_RULE.threshold)
        profile.append(
            SliceUncertainty(
                index=slices - 1 - k if view.flips[0] else k,
                superior_mm=float(middles[2, k]),
                mean_uncertainty=float(inside.mean(dtype=np.float64)) if inside.size else np.nan,
                uncertain_ml=uncertain * grid.voxel_volume_mm3 / 1000.0,
            )
        )
    return tuple(profile)
