"""What a report says in words and numbers, ready to be set in a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from musclefm.labels.scheme import SIDES, Label, Side
from musclefm.results.report.case import ReportCase
from musclefm.review.findings import FlaggedRegion, MuscleSummary

_DASH = "—"
_NARROW_SPACE = "\u202f"


@dataclass(frozen=True)
class Summary:
    """The case at one look.

    Attributes
    ----------
    region_count : int
        Regions to check.
    wrong_voxels, wrong_ml : float
        Expected wrong voxels of the whole volume, and their volume in mL.
    covered_share : float
        Share of them that lies in the regions; NaN where none is expected.
    mean_dice : float
        Mean of the muscles' expected Dice; NaN without muscles.
    lowest : MuscleSummary or None
        The muscle of the lowest expected Dice.
    flagged : tuple
        Sides and, of each, the abbreviations of the muscles that a region concerns.
    flagged_count : int
        How many these are.
    muscle_count : int
        Muscles that were found, each side for itself.
    """

    region_count: int
    wrong_voxels: float
    wrong_ml: float
    covered_share: float
    mean_dice: float
    lowest: MuscleSummary | None
    flagged: tuple[tuple[Side, tuple[str, ...]], ...]
    flagged_count: int
    muscle_count: int


@dataclass(frozen=True)
class QueueEntry:
    """A region of the queue.

    Attributes
    ----------
    region : FlaggedRegion
        The region.
    title : str
        Side and muscles, e.g. ``"Left gracilis, adductor magnus"``, and where a second
        opinion disagrees, that.
    share, cumulative_share : float
        Of all expected wrong voxels: its own, and with all before it.
    """

    region: FlaggedRegion
    title: str
    share: float
    cumulative_share: float


@dataclass(frozen=True)
class MuscleRow:
    """A line of the muscle table.

    Attributes
    ----------
    label : Label
        The muscle.
    sides : tuple
        For each side of the table its :class:`MuscleSummary`, or None.
    """

    label: Label
    sides: tuple[MuscleSummary | None, ...]


def summarise(case: ReportCase) -> Summary:
    """Return the case at one look."""
    wrong = float(case.maps.least_confidence.sum(dtype=np.float64))
    queued = sum(region.expected_wrong_voxels for region in case.regions)
    judged = [muscle for muscle in case.muscles if math.isfinite(muscle.expected_dice)]
    dice = [muscle.expected_dice for muscle in judged]
    flagged = [
        (side, tuple(x.abbreviation for x in case.muscles if x.flagged and x.side == side))
        for side in SIDES
    ]
    return Summary(
        region_count=len(case.regions),
        wrong_voxels=wrong,
        wrong_ml=wrong * case.maps.grid.voxel_volume_mm3 / 1000,
        covered_share=min(1.0, queued / wrong) if wrong > 0 else math.nan,
        mean_dice=sum(dice) / len(dice) if dice else math.nan,
        lowest=min(judged, key=lambda muscle: muscle.expected_dice, default=None),
        flagged=tuple((side, names) for side, names in flagged if names),
        flagged_count=sum(len(names) for _, names in flagged),
        muscle_count=sum(muscle.volume_ml > 0 for muscle in case.muscles),
    )


def queue_entries(regions: Sequence[FlaggedRegion], wrong_voxels: float) -> list[QueueEntry]:
    """Return the queue with each region's share of all expected wrong voxels."""
    whole = max(wrong_voxels, 1e-9)
    sums = accumulate(region.expected_wrong_voxels for region in regions)
    return [
        QueueEntry(
            region=region,
            title=f"{region.side.capitalize()} {', '.join(region.muscles) or 'thigh'}"
            + (f": {region.reason}" if region.disagrees else ""),
            share=min(1.0, region.expected_wrong_voxels / whole),
            cumulative_share=min(1.0, until_here / whole),
        )
        for region, until_here in zip(regions, sums, strict=True)
    ]


def muscle_rows(case: ReportCase) -> tuple[tuple[Side, ...], list[MuscleRow]]:
    """Return the sides that were found, the right first, and a row a muscle."""
    found = {(muscle.side, muscle.label_id): muscle for muscle in case.muscles}
    sides = tuple(side for side in SIDES if any(muscle.side == side for muscle in case.muscles))
    rows = [
        MuscleRow(label, tuple(found.get((side, label.id)) for side in sides))
        for label in case.maps.scheme.labels
    ]
    return sides, rows


def number(value: float | None, decimals: int = 0) -> str:
    """Return a number with narrow spaces between thousands; a dash where undefined."""
    if value is None or not math.isfinite(value):
        return _DASH
    return f"{value:,.{decimals}f}".replace(",", _NARROW_SPACE)


def percent(value: float | None) -> str:
    """Return a share in [0, 1] as a percentage of two digits; a dash where undefined."""
    if value is None or not math.isfinite(value):
        return _DASH
    return f"{100 * value:.{1 if 0 < value < 0.0995 else 0}f}{_NARROW_SPACE}%"


def slice_range(first: int, last: int) -> str:
    """Return ``"12"`` or ``"12–18"``."""
    return str(first) if first == last else f"{first}–{last}"
