"""The muscle table: size, fat and trust, by muscle and side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.evaluation.dice import expected_dice, member_dice
from musclefm.labels.scheme import SIDES
from musclefm.labels.sides import RIGHT
from musclefm.review.findings import FlaggedRegion, MuscleSummary
from musclefm.uncertainty.maps import EnsembleMaps
from musclefm.volumes.orientation import canonical_view


def summarise_muscles(
    maps: EnsembleMaps,
    regions: Sequence[FlaggedRegion],
    fat_fraction: npt.NDArray[np.float32] | None = None,
    *,
    gaps: bool = False,
) -> tuple[MuscleSummary, ...]:
    """Sum up every muscle of the scheme on each side that holds any label.

    Parameters
    ----------
    maps : EnsembleMaps
        Labels and uncertainty of a volume.
    regions : sequence of FlaggedRegion
        The reader's queue.
    fat_fraction : ndarray, optional
        ``(K, J, I) float32`` in [0, 1] on the same grid, NaN where undefined;
        such voxels do not count in a muscle's mean.
    gaps : bool
        Whether the volumes fill gaps between the slices.

    Returns
    -------
    tuple of MuscleSummary
        The right side first, muscles in the scheme's order. A muscle of which
        nothing is seen has a volume of 0 and undefined means.
    """
    classes = maps.scheme.class_count
    inside = maps.labels > 0
    row = (maps.sides[inside].astype(np.intp) - RIGHT) * classes + maps.labels[inside]

    def by_muscle(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        summed = np.bincount(row, values.astype(np.float64), minlength=len(SIDES) * classes)
        return summed.reshape(len(SIDES), classes).astype(np.float64)

    voxels = by_muscle(np.ones(len(row)))
    wrong = by_muscle(maps.least_confidence[inside])
    with np.errstate(invalid="ignore"):
        uncertainty = by_muscle(maps.total[inside]) / maps.max_entropy / voxels
        fat = np.full_like(voxels, np.nan)
        if fat_fraction is not None:
            fractions = fat_fraction[inside]
            defined = np.isfinite(fractions)
            fat = by_muscle(np.where(defined, fractions, 0.0)) / by_muscle(defined)
    slice_axis = canonical_view(maps.grid).axes[0]
    beyond = by_muscle(np.isin(np.nonzero(inside)[slice_axis], maps.beyond_thigh))
    expected = expected_dice(maps.statistics, voxels)
    between_members = member_dice(maps.statistics)
    flagged = {(region.side, label) for region in regions for label in region.label_ids}
    return tuple(
        MuscleSummary(
            side=side,
            label_id=label.id,
            name=label.name,
            abbreviation=label.abbreviation,
            volume_ml=float(voxels[at, label.id] * maps.grid.voxel_volume_mm3 / 1000.0),
            fat_fraction=None if np.isnan(fat[at, label.id]) else float(fat[at, label.id]),
            mean_uncertainty=float(uncertainty[at, label.id]),
            expected_dice=float(expected[at, label.id]),
            member_dice=float(between_members[at, label.id]),
            expected_wrong_voxels=float(wrong[at, label.id]),
            flagged=(side, label.id) in flagged,
            volume_includes=", ".join(
                what
                for what, counted in (
                    ("gaps", gaps and voxels[at, label.id] > 0),
                    ("beyond", beyond[at, label.id] > 0),
                )
                if counted
            ),
        )
        for at, side in enumerate(SIDES)
        if voxels[at].any()
        for label in maps.scheme.labels
    )
