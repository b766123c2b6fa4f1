"""How long the reader waits for the review's own work, at 512 x 512 x 60 voxels.

Twelve muscles on two sides with ragged outlines, fifty regions, a fat fraction
and an uncertainty in every voxel; each time is the median of several, with a
new edit before each. Run from the repository's root, with musclefm installed::

    python Testing/benchmarks/review.py

It prints Markdown and fails where a limit is passed.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.labels.scheme import load_scheme
from musclefm.review.changes import find_changes
from musclefm.review.findings import FlaggedRegion
from musclefm.review.leg_profile import leg_profile
from musclefm.review.measures import MuscleTally
from musclefm.review.queue import ReviewQueue
from musclefm.review.session import ReviewSession
from musclefm.review.session_file import load_session, save_session
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

SCHEME = load_scheme("thigh-12")
GRID = Grid((60, 512, 512), (0.8, 0.8, 5.0), (-204.0, -204.0, -150.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
PROVENANCE = {
    "model": {"sha256": "a" * 64, "label_scheme": SCHEME.name},
    "input": {"sha256": "b" * 64},
}
REPEATS = 9
REGIONS = 50


def sided_labels(rng: np.random.Generator) -> np.ndarray:
    """Return 24 muscles in a 6 x 4 raster, with outlines that differ in every slice."""
    labels = np.zeros(GRID.shape, np.uint8)
    rows, columns = np.mgrid[:512, :512].astype(np.float32)
    for number in range(24):
        row, column = 70 + 120 * (number // 6), 45 + 84 * (number % 6)
        box = np.s_[row - 58 : row + 58, column - 41 : column + 41]
        away = np.hypot(rows[box] - row, 1.4 * (columns[box] - column))
        for k in range(60):
            ragged = away + rng.normal(0.0, 1.0, away.shape)
            labels[k][box][ragged < 42 + 10 * np.sin(k / 9 + number)] = number + 1
    return labels


def regions_of(labels: np.ndarray) -> tuple[np.ndarray, tuple[FlaggedRegion, ...]]:
    """Return boxes of some slices across the labels, and what is said of them."""
    labelmap = np.zeros(labels.shape, np.uint16)
    queue = []
    for region_id in range(1, REGIONS + 1):
        k, j, i = region_id % 50, 20 + 9 * (region_id % 50), 9 * (region_id % 47)
        labelmap[k : k + 8, j : j + 30, i : i + 30] = region_id
        queue.append(
            FlaggedRegion(
                id=region_id, side="right", muscles=("vastus lateralis",), label_ids=(3,),
                voxels=7200, volume_mm3=23040.0, centroid_ras=(0.0, 0.0, 0.0),
                centroid_ijk=(i + 14.5, j + 14.5, k + 3.5),
                bounds_ijk=(i, i + 29, j, j + 29, k, k + 7), slices=(k, k + 7), slice_axis=2,
                mean_uncertainty=0.4, max_uncertainty=0.8, expected_wrong_voxels=5000 / region_id,
            )
        )  # fmt: skip
    return labelmap, tuple(queue)


def edits(labels: np.ndarray) -> Iterator[Volume]:
    """Yield the labels with a brush stroke in another slice each time."""
    for k in range(60):
        edited = labels.copy()
        edited[k, 100:130, 100:130] = 5
        yield Volume(edited, GRID)


def milliseconds(work: Callable[[Volume], object], volumes: Iterator[Volume]) -> list[float]:
    """Return how long something takes on each of some volumes."""
    measured = []
    for volume in islice(volumes, REPEATS):
        started = time.perf_counter()
        work(volume)
        measured.append(1000 * (time.perf_counter() - started))
    return measured


def measured(labels: npt.NDArray[np.uint8], fat: npt.NDArray[np.float32]) -> object:
    """Measure every muscle in every slice."""
    tally = MuscleTally(SCHEME, len(labels))
    for k, part in enumerate(labels):
        tally.count(k, part, fat[k])
    return tally.measures(GRID.voxel_volume_mm3)


def main() -> None:
    """Measure, and fail above a limit."""
    rng = np.random.default_rng(0)
    labels = sided_labels(rng)
    labelmap, regions = regions_of(labels)
    fat = rng.random(GRID.shape, np.float32)
    fat[labels == 0] = np.nan
    uncertainty = rng.random(GRID.shape, np.float32)
    queue = ReviewQueue(regions)
    queue.next()
    session = ReviewSession.of(queue, PROVENANCE)
    edited = edits(labels)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        steps: dict[str, tuple[Callable[[Volume], object], int]] = {
            "muscle table after an edit": (
                lambda v: measured(v.array, fat),
                1000,
            ),
            "which regions an edit has changed": (
                lambda v: find_changes(labels, v.array, labelmap),
                100,
            ),
            "session saved after an edit": (lambda v: save_session(folder, session, v), 500),
            "session loaded": (lambda _: load_session(folder), 1000),
            "uncertain volume along the leg": (
                lambda v: leg_profile(uncertainty, labelmap, GRID),
                1000,
            ),
        }
        rows = {what: (milliseconds(work, edited), limit) for what, (work, limit) in steps.items()}
    print(f"{platform.machine()}, {os.cpu_count()} cores, numpy {np.__version__}\n")
    print("| 512 x 512 x 60, 24 muscles | median, ms | worst, ms | limit, ms | share of limit |")
    print("|---|---|---|---|---|")
    for what, (measured, limit) in rows.items():
        median = statistics.median(measured)
        print(f"| {what} | {median:.0f} | {max(measured):.0f} | {limit} | {median / limit:.2f} |")
    if any(statistics.median(measured) > limit for measured, limit in rows.values()):
        sys.exit("slower than promised")


if __name__ == "__main__":
    main()
