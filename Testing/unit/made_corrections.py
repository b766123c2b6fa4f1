"""Small corrected cases for tests, and processes that store them; imports no torch."""

import dataclasses
import threading

import numpy as np

from musclefm.corrections import store as store_module
from musclefm.corrections.case import CorrectedCase, Reviewed
from musclefm.corrections.review_log import ReviewedRegion, ReviewLog
from musclefm.corrections.store import CorrectionStore
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

GRID = Grid(
    shape=(4, 18, 16),
    spacing=(1.1, 0.9, 7.3),
    origin=(-101.37, 55.123456789012345, 12.0),
    direction=(0.6, -0.8, 0.0, 0.8, 0.6, 0.0, 0.0, 0.0, -1.0),
)
SIDED_VALUES = 22


def corrected_case(seed=0, grid=GRID, **changes):
    """Return a fully reviewed case of noise with all that a case can have."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, SIDED_VALUES + 1, grid.shape, np.uint8)
    model_labels = labels.copy()
    model_labels[:2] = rng.integers(0, SIDED_VALUES + 1, grid.shape, np.uint8)[:2]
    case = CorrectedCase(
        channels={
            name: Volume(rng.gamma(2.0, 100.0, grid.shape).astype(np.float32), grid)
            for name in ("water", "fat")
        },
        labels=Volume(labels, grid),
        reviewed=Reviewed("all"),
        scheme="thigh-11",
        model_labels=Volume(model_labels, grid),
        uncertainty=Volume(rng.random(grid.shape, np.float32), grid),
        review=ReviewLog(
            entries=(
                ReviewedRegion(1, "left", (3, 4), "corrected", True, 21.5),
                ReviewedRegion(2, "right", (6,), "accepted", False, 4.0),
            ),
            reader="reader-1",
            seconds=30.25,
        ),
        provenance={
            "created": "2026-11-20T10:00:00+00:00",
            "versions": {"musclefm": "0.1.0", "torch": "2.8.0+cpu"},
            "model": {"name": "thigh-demo", "sha256": "ab" * 32, "members": 3},
            "parameters": {"temperature": 1.25, "flag_rule": {"threshold": 0.25}},
        },
    )
    return dataclasses.replace(case, **changes)


def content(folder):
    """Return all that lies under a folder, hidden or not, but the empty file of its lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.name != ".lock"
    }


def save_many(folder, seeds):
    """Store cases one after the other, as one of several workstations does."""
    for seed in seeds:
        CorrectionStore(folder).add(corrected_case(seed))


def save_slowly(folder, begun, go_on):
    """Store a case, with a pause after the first of its files."""
    write = store_module.atomic_bytes
    first = threading.Event()

    def write_and_wait(path, data):
        write(path, data)
        if not first.is_set():
            first.set()
            begun.set()
            go_on.wait(60)

    store_module.atomic_bytes = write_and_wait
    CorrectionStore(folder).add(corrected_case(7))
