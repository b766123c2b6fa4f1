"""A results folder, read and judged before the scene is touched; it may be read in a thread."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.results.reading import FAT_FRACTION_FILE, require_unchanged
from musclefm.results.tables import muscles_from_csv, regions_from_json
from musclefm.review.findings import FlaggedRegion, MuscleSummary
from musclefm.volumes.grid import Grid
from musclefm.volumes.stored import read_stored
from musclefm.volumes.volume import Volume

HeatKind = Literal["total", "aleatoric", "epistemic"]

_HEAT_FILES: dict[HeatKind, str] = {
    "total": "uncertainty.nii.gz",
    "aleatoric": "aleatoric.nii.gz",
    "epistemic": "epistemic.nii.gz",
}
_REGIONS_FILE = "regions.nii.gz"
# MRML reads it too, but a truncated one takes Slicer down with it (seen with 5.13).
_LABELS_FILE = "labels.seg.nrrd"
_REMEDY = "segment the scan again"


@dataclass(frozen=True)
class Results:
    """What ``musclefm segment`` wrote of a case; all arrays are ``(K, J, I)``.

    Attributes
    ----------
    folder : Path
        Where it lies.
    grid : Grid
        Of all arrays.
    scheme : LabelScheme
        What the labels mean.
    labels : ndarray
        uint8, read-only: the model's sided labels.
    heat : Mapping
        float32 in [0, 1] for each kind of uncertainty.
    regions : ndarray
        uint16: ids of the flagged regions, 0 for none.
    fatFraction : ndarray or None
        float32 in [0, 1], NaN where undefined; None without fat and water.
    queue : tuple of FlaggedRegion
        What is to be looked at.
    muscles : tuple of MuscleSummary
        The muscle table.
    provenance : Mapping
        What ``provenance.json`` says.
    """

    folder: Path
    grid: Grid
    scheme: LabelScheme
    labels: npt.NDArray[np.uint8]
    heat: Mapping[HeatKind, npt.NDArray[np.float32]]
    regions: npt.NDArray[np.uint16]
    fatFraction: npt.NDArray[np.float32] | None
    queue: tuple[FlaggedRegion, ...]
    muscles: tuple[MuscleSummary, ...]
    provenance: Mapping[str, Any]


def readResults(folder: Path) -> Results:
    """Read a results folder.

    Raises
    ------
    MuscleFMError
        A file is missing, damaged or truncated, or the files do not belong together.
    """
    names = [*_HEAT_FILES.values(), _REGIONS_FILE, _LABELS_FILE]
    if (folder / FAT_FRACTION_FILE).exists():
        names.append(FAT_FRACTION_FILE)
    require_unchanged(folder, [*names, "regions.json", "muscles.csv"])
    # Unpacking lets go of Python's lock: two cores need half the time.
    with ThreadPoolExecutor() as pool:
        maps = dict(zip(names, pool.map(lambda x: read_stored(folder / x, x), names), strict=True))
    document = regions_from_json(_text(folder / "regions.json"))
    scheme = load_scheme(document.label_scheme)
    try:
        provenance = json.loads(_text(folder / "provenance.json"))
    except json.JSONDecodeError as error:
        raise MuscleFMError("provenance.json cannot be read", _REMEDY) from error
    _check(maps, len(document.regions), scheme)
    labels = maps[_LABELS_FILE].array.astype(np.uint8)
    labels.flags.writeable = False
    return Results(
        folder=folder,
        grid=maps[_LABELS_FILE].grid,
        scheme=scheme,
        labels=labels,
        heat={kind: maps[name].array for kind, name in _HEAT_FILES.items()},
        regions=maps[_REGIONS_FILE].array.astype(np.uint16),
        fatFraction=maps[FAT_FRACTION_FILE].array if FAT_FRACTION_FILE in maps else None,
        queue=document.regions,
        muscles=muscles_from_csv(_text(folder / "muscles.csv")),
        provenance=provenance,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MuscleFMError(f"{path.name} cannot be read", _REMEDY) from error


def _check(maps: Mapping[str, Volume], regions: int, scheme: LabelScheme) -> None:
    grid = maps[_LABELS_FILE].grid
    for name, volume in maps.items():
        if not volume.grid.matches(grid):
            raise MuscleFMError(f"{name} lies on another grid than {_LABELS_FILE}", _REMEDY)
    if maps[_REGIONS_FILE].array.max() > regions:
        raise MuscleFMError(f"{_REGIONS_FILE} and regions.json do not belong together", _REMEDY)
    if maps[_LABELS_FILE].array.max() > max(scheme.labels_of_sides()):
        raise MuscleFMError(
            f"{_LABELS_FILE} holds more muscles than the label scheme '{scheme.name}'", _REMEDY
        )
