"""The reader's queue as JSON and the muscle table as CSV, and back."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from musclefm.errors import MuscleFMError
from musclefm.results.files import MUSCLES_FILE, REGIONS_FILE
from musclefm.review.findings import FlaggedRegion, MuscleSummary
from musclefm.review.regions import FlagRule, Regions
from musclefm.uncertainty.maps import EnsembleMaps

UNITS = {
    "volume_mm3": "mm3",
    "centroid_ras": "mm, patient RAS",
    "centroid_ijk": "voxel index of the input",
    "bounds_ijk": "voxel index of the input, both ends included",
    "slices": "voxel index of the input along slice_axis, both ends included",
    "slice_axis": "0 i, 1 j, 2 k",
    "mean_uncertainty": "predictive entropy / ln(classes), 0 to 1",
    "max_uncertainty": "predictive entropy / ln(classes), 0 to 1",
    "expected_wrong_voxels": "sum of 1 - max p, of at least 0.5 where a second opinion disagrees",
    "disagreement": "share of the voxels in which a second opinion disagrees, 0 to 1",
}


class RegionsDocument(BaseModel):
    """The reader's queue as it is stored; ``model_json_schema`` describes it to other programs.

    Attributes
    ----------
    schema_version : int
        Raised when a field changes its meaning.
    label_scheme : str
        Name of the label scheme of ``label_ids``.
    rule : FlagRule
        The rule that made the regions.
    units : dict
        What the numbers of a region are measured in.
    expected_wrong_voxels : float
        Sum of 1 - max p over the whole volume.
    share_in_regions : float
        Share of it, in [0, 1], that lies in the regions.
    regions : tuple of FlaggedRegion
        By rank.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1] = 1
    label_scheme: str
    rule: FlagRule
    units: dict[str, str] = UNITS
    expected_wrong_voxels: float = Field(ge=0.0)
    share_in_regions: float = Field(ge=0.0, le=1.0)
    regions: tuple[FlaggedRegion, ...]

    @model_validator(mode="after")
    def _ids_are_ranks(self) -> RegionsDocument:
        if [region.id for region in self.regions] != list(range(1, len(self.regions) + 1)):
            raise ValueError("region ids must run from 1 without gaps, in order")
        return self


def regions_document(maps: EnsembleMaps, regions: Regions) -> RegionsDocument:
    """Return the reader's queue as it is stored.

    Parameters
    ----------
    maps : EnsembleMaps
        Where the regions were found.
    regions : Regions
        What was found.
    """
    everywhere = float(maps.least_confidence.sum(dtype=np.float64))
    covered = sum(region.expected_wrong_voxels for region in regions.queue)
    return RegionsDocument(
        label_scheme=maps.scheme.name,
        rule=regions.rule,
        expected_wrong_voxels=everywhere,
        share_in_regions=min(1.0, covered / everywhere) if everywhere > 0 else 0.0,
        regions=regions.queue,
    )


def regions_from_json(text: str) -> RegionsDocument:
    """Read the reader's queue as it is stored.

    Raises
    ------
    MuscleFMError
        It is damaged, or of another version.
    """
    try:
        return RegionsDocument.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "the whole file"
        raise MuscleFMError(
            f"{REGIONS_FILE} cannot be read ({place}: {fault['msg']})",
            "segment the scan again with this version of musclefm",
        ) from error


_COLUMNS = (
    "Side",
    "Muscle",
    "Abbreviation",
    "Label",
    "Volume [mL]",
    "Fat fraction [0-1]",
    "Mean uncertainty [0-1]",
    "Expected Dice [0-1]",
    "Member Dice [0-1]",
    "Expected wrong voxels",
    "Flagged",
    "Volume includes",
)


def muscles_table(muscles: Sequence[MuscleSummary], delimiter: str = ",") -> str:
    """Return the muscle table as CSV: one row a muscle and side, undefined cells empty."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for muscle in muscles:
        writer.writerow(
            (
                muscle.side,
                muscle.name,
                muscle.abbreviation,
                muscle.label_id,
                _cell(muscle.volume_ml),
                _cell(muscle.fat_fraction),
                _cell(muscle.mean_uncertainty),
                _cell(muscle.expected_dice),
                _cell(muscle.member_dice),
                _cell(muscle.expected_wrong_voxels),
                "yes" if muscle.flagged else "no",
                muscle.volume_includes,
            )
        )
    return text.getvalue()


def _cell(value: float | None) -> str:
    """Return six digits, more than any of these numbers is worth."""
    return "" if value is None or np.isnan(value) else f"{value:.6g}"


def muscles_from_csv(text: str) -> tuple[MuscleSummary, ...]:
    """Read the muscle table from CSV.

    Raises
    ------
    MuscleFMError
        Its columns or cells are not those that :func:`muscles_table` writes.
    """
    try:
        header, *rows = csv.reader(io.StringIO(text))
        # Older tables do not say what a volume includes.
        if tuple(header) not in (_COLUMNS, _COLUMNS[:-1]):
            raise ValueError("other columns")
        return tuple(_muscle([*row, ""][: len(_COLUMNS)]) for row in rows)
    except (ValueError, csv.Error) as error:
        raise MuscleFMError(
            f"{MUSCLES_FILE} cannot be read ({error})",
            "segment the scan again with this version of musclefm",
        ) from error


def _muscle(row: Sequence[str]) -> MuscleSummary:
    side, name, abbreviation, label, volume, fat, uncertainty, *judged = row
    expected, members, wrong, flag, includes = judged
    if side not in ("left", "right"):
        raise ValueError(f"no such side: {side}")
    return MuscleSummary(
        side="left" if side == "left" else "right",
        label_id=int(label),
        name=name,
        abbreviation=abbreviation,
        volume_ml=float(volume),
        fat_fraction=float(fat) if fat else None,
        mean_uncertainty=_number(uncertainty),
        expected_dice=_number(expected),
        member_dice=_number(members),
        expected_wrong_voxels=float(wrong),
        flagged=flag == "yes",
        volume_includes=includes,
    )


def _number(cell: str) -> float:
    return float(cell) if cell else float("nan")
