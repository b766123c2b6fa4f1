"""The results of a case: written as a folder, and read back into the same object."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.labels.scheme import SIDES, LabelScheme, Side, load_scheme
from musclefm.labels.sided import without_sides
from musclefm.plain_text import printable
from musclefm.progress import Progress, ProgressEvent
from musclefm.results.files import (
    FAT_FRACTION_FILE,
    LABELMAP_FILE,
    MUSCLES_FILE,
    PROBABILITIES_FILE,
    READ_FILES,
    REGION_LABELS_FILE,
    REGIONS_FILE,
    REPORT_FILE,
    SEGMENTATION_FILE,
    UNCERTAINTY_FILES,
    VARIANCE_FILE,
)
from musclefm.results.folder import staged_results, write_provenance
from musclefm.results.probabilities import read_probabilities, write_probabilities
from musclefm.results.reading import read_provenance, require_unchanged
from musclefm.results.tables import (
    RegionsDocument,
    muscles_from_csv,
    muscles_table,
    regions_from_json,
)
from musclefm.review.findings import FlaggedRegion, MuscleSummary
from musclefm.storage.atomic import atomic_bytes, atomic_text
from musclefm.storage.regular_file import read_regular
from musclefm.uncertainty.maps import ClassProbabilities, UncertaintyKind
from musclefm.volumes.formats.encoding import encode_volume
from musclefm.volumes.grid import Grid
from musclefm.volumes.stored import read_stored
from musclefm.volumes.volume import Volume

_log = logging.getLogger(__name__)

_REMEDY = "segment the scan again"
# The report with its pictures is the largest: a few MB.
_LARGEST_TEXT = 256 << 20


@dataclass(frozen=True)
class CaseResults:
    """What was found in a case; all arrays are ``(K, J, I)``.

    Attributes
    ----------
    grid : Grid
        Of all arrays.
    scheme : LabelScheme
        What the labels mean.
    sided_labels : ndarray
        uint8, see :meth:`LabelScheme.labels_of_sides`.
    sides : tuple of Side
        Of the thighs that the image shows.
    uncertainty : mapping of str to ndarray
        float32 in [0, 1] for each kind of uncertainty.
    region_labels : ndarray
        uint16: ids of the flagged regions, 0 for none.
    document : RegionsDocument
        The flagged regions and the rule that made them.
    muscles : tuple of MuscleSummary
        The muscle table.
    fat_fraction : ndarray or None
        float32 in [0, 1], NaN where undefined; None without fat and water.
    provenance : mapping
        Versions, hashes and parameters that made them.
    report : callable
        Returns the report as HTML; drawing it takes seconds.
    notes : tuple of str
        Remarks for the reader, a line each; earlier versions kept them in the report alone.
    variance : ndarray or None
        float32: variance over members, averaged over classes; only on request.
    probabilities : callable or None
        Returns the probabilities of all classes, which are large; only on request.
    """

    grid: Grid
    scheme: LabelScheme
    sided_labels: npt.NDArray[np.uint8]
    sides: tuple[Side, ...]
    uncertainty: Mapping[UncertaintyKind, npt.NDArray[np.float32]]
    region_labels: npt.NDArray[np.uint16]
    document: RegionsDocument
    muscles: tuple[MuscleSummary, ...]
    fat_fraction: npt.NDArray[np.float32] | None
    provenance: Mapping[str, Any]
    report: Callable[[], str]
    notes: tuple[str, ...] = ()
    variance: npt.NDArray[np.float32] | None = None
    probabilities: Callable[[], ClassProbabilities] | None = None

    @property
    def labels(self) -> npt.NDArray[np.uint8]:
        """``(K, J, I) uint8``: ids of the scheme, both sides alike; 0 is background."""
        return without_sides(self.sided_labels, self.scheme)

    @property
    def regions(self) -> tuple[FlaggedRegion, ...]:
        """What is to be looked at, by rank."""
        return self.document.regions


def write_results(case: CaseResults, out: Path, progress: Progress) -> None:
    """Write all results into a folder, all of them or none.

    Raises
    ------
    MuscleFMError
        The folder holds something that is not to be replaced, see
        :func:`check_results_folder`, or cannot be written.
    """
    images: dict[str, npt.NDArray[np.generic]] = {
        LABELMAP_FILE: case.labels,
        REGION_LABELS_FILE: case.region_labels,
        **{UNCERTAINTY_FILES[kind]: array for kind, array in case.uncertainty.items()},
    }
    if case.fat_fraction is not None:
        images[FAT_FRACTION_FILE] = case.fat_fraction
    if case.variance is not None:
        images[VARIANCE_FILE] = case.variance
    total = len(images) + 2
    # Packing lets go of Python's lock: the report is drawn meanwhile.
    with staged_results(out) as folder, _background() as pool:
        report = pool.submit(case.report)
        packed = {
            name: pool.submit(encode_volume, Volume(array, case.grid), name)
            for name, array in images.items()
        }
        for done, (name, volume) in enumerate(packed.items()):
            progress(ProgressEvent("write", done, total, name))
            atomic_bytes(folder / name, volume.result())
        progress(ProgressEvent("write", len(images), total, SEGMENTATION_FILE))
        labels = Volume(case.sided_labels, case.grid)
        write_seg_nrrd(folder / SEGMENTATION_FILE, labels, case.scheme, case.sides)
        if case.probabilities is not None:
            progress(ProgressEvent("write", len(images), total, PROBABILITIES_FILE))
            write_probabilities(case.probabilities(), folder / PROBABILITIES_FILE)
        document = case.document.model_dump(mode="json")
        atomic_text(folder / REGIONS_FILE, json.dumps(document, indent=2) + "\n")
        atomic_text(folder / MUSCLES_FILE, muscles_table(case.muscles))
        progress(ProgressEvent("write", total - 1, total, REPORT_FILE))
        atomic_text(folder / REPORT_FILE, report.result())
        notes = {"notes": list(case.notes)} if case.notes else {}
        write_provenance(folder, {**case.provenance, **notes})
        # Called just before the results appear: whoever stops the work here gets none of them.
        progress(ProgressEvent("write", total, total, "done"))
    _log.info("wrote %d files of results", total + 3)


@contextlib.contextmanager
def _background() -> Iterator[ThreadPoolExecutor]:
    """Yield threads whose work is waited for by its results alone: a failure leaves it behind."""
    pool = ThreadPoolExecutor()
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def read_results(folder: Path) -> CaseResults:
    """Read a results folder; it is judged before anything is returned, and may be read in a thread.

    Raises
    ------
    MuscleFMError
        A file is missing, changed, damaged or truncated, or the files do not belong together.
    """
    provenance = read_provenance(folder)
    require_unchanged(folder)
    names = [SEGMENTATION_FILE, REGION_LABELS_FILE, *UNCERTAINTY_FILES.values()]
    names += [name for name in (FAT_FRACTION_FILE, VARIANCE_FILE) if (folder / name).exists()]
    # Unpacking lets go of Python's lock: two cores need half the time.
    with ThreadPoolExecutor() as pool:
        maps = dict(zip(names, pool.map(lambda x: read_stored(folder / x, x), names), strict=True))
    document = read_regions(folder)
    scheme = load_scheme(document.label_scheme)
    _check(maps, len(document.regions), scheme)
    muscles = muscles_from_csv(_text(folder / MUSCLES_FILE))
    labels = maps[SEGMENTATION_FILE].array.astype(np.uint8)
    labels.flags.writeable = False
    return CaseResults(
        grid=maps[SEGMENTATION_FILE].grid,
        scheme=scheme,
        sided_labels=labels,
        sides=tuple(side for side in SIDES if side in {muscle.side for muscle in muscles}) or SIDES,
        uncertainty={kind: maps[name].array for kind, name in UNCERTAINTY_FILES.items()},
        region_labels=maps[REGION_LABELS_FILE].array.astype(np.uint16),
        document=document,
        muscles=muscles,
        fat_fraction=maps[FAT_FRACTION_FILE].array if FAT_FRACTION_FILE in maps else None,
        provenance=provenance,
        report=partial(_read_report, folder),
        notes=tuple(map(printable, provenance.get("notes", ()))),
        variance=maps[VARIANCE_FILE].array if VARIANCE_FILE in maps else None,
        probabilities=partial(
            _read_probabilities, folder, (scheme.class_count, *labels.shape)
        ) if (folder / PROBABILITIES_FILE).exists() else None,
    )  # fmt: skip


def read_regions(folder: Path) -> RegionsDocument:
    """Return the flagged regions of a results folder.

    Raises
    ------
    MuscleFMError
        They are missing or damaged.
    """
    return regions_from_json(_text(folder / REGIONS_FILE))


def _read_report(folder: Path) -> str:
    require_unchanged(folder, (*READ_FILES, REPORT_FILE))
    return _text(folder / REPORT_FILE)


def _read_probabilities(folder: Path, shape: tuple[int, ...]) -> ClassProbabilities:
    require_unchanged(folder, (PROBABILITIES_FILE,))
    return read_probabilities(folder / PROBABILITIES_FILE, shape)


def _text(path: Path) -> str:
    try:
        return read_regular(path, _LARGEST_TEXT, links=False).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MuscleFMError(f"{path.name} cannot be read", _REMEDY) from error


def _check(maps: Mapping[str, Volume], regions: int, scheme: LabelScheme) -> None:
    segmentation = maps[SEGMENTATION_FILE]
    for name, volume in maps.items():
        if not volume.grid.matches(segmentation.grid):
            raise MuscleFMError(f"{name} lies on another grid than {SEGMENTATION_FILE}", _REMEDY)
    if maps[REGION_LABELS_FILE].array.max() > regions:
        raise MuscleFMError(
            f"{REGION_LABELS_FILE} and {REGIONS_FILE} do not belong together", _REMEDY
        )
    if segmentation.array.max() > max(scheme.labels_of_sides()):
        raise MuscleFMError(
            f"{SEGMENTATION_FILE} holds more muscles than the label scheme '{scheme.name}'",
            _REMEDY,
        )
