"""Where along the leg the model is uncertain, slice by slice, from what the results hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.defaults import UNCERTAIN_FROM
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view

PROFILE_TITLE = "Uncertain volume along the leg (mL)"
"""What the report and the module in Slicer write over the plot."""


@dataclass(frozen=True)
class SliceUncertainty:
    """The uncertain volume of one slice.

    Attributes
    ----------
    index : int
        On the input grid, along the axis that runs closest to inferior-superior
        (``FlaggedRegion.slice_axis``).
    superior_mm : float
        Where the middle of the slice lies: S of RAS in mm.
    uncertain_ml : float
        Volume in mL of the voxels, labelled or not, that are as uncertain as
        those of flagged regions (``FlagRule.threshold``).
    flagged_ml : float
        The part of it in mL that lies in flagged regions.
    """

    index: int
    superior_mm: float
    uncertain_ml: float
    flagged_ml: float


def leg_profile(
    uncertainty: npt.NDArray[np.float32], regions: npt.NDArray[Any], grid: Grid
) -> tuple[SliceUncertainty, ...]:
    """Sum up the uncertain volume of every slice.

    Parameters
    ----------
    uncertainty : ndarray
        ``(K, J, I) float32``: total uncertainty in [0, 1], as in uncertainty.nii.gz.
    regions : ndarray
        ``(K, J, I)``: id of the flagged region, 0 for none, as in regions.nii.gz.
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
    ml = grid.voxel_volume_mm3 / 1000.0
    profile = []
    for k, (values, ids) in enumerate(
        zip(view.apply(uncertainty), view.apply(regions), strict=True)
    ):
        uncertain = values >= UNCERTAIN_FROM
        profile.append(
            SliceUncertainty(
                index=slices - 1 - k if view.flips[0] else k,
                superior_mm=float(middles[2, k]),
                uncertain_ml=np.count_nonzero(uncertain) * ml,
                flagged_ml=np.count_nonzero(uncertain & (ids > 0)) * ml,
            )
        )
    return tuple(profile)
