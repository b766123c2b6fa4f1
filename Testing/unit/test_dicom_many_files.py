"""A folder of thousands of DICOM files says how far it is read, and reading it can be stopped."""

import numpy as np
import pytest
from made_dicom import write_series

import musclefm
from musclefm.progress import ProgressEvent
from musclefm.volumes.grid import Grid
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume

SLICES = 260
GRID = Grid((SLICES, 16, 18), (1.5, 1.5, 2.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


@pytest.fixture
def folder(tmp_path):
    array = np.random.default_rng(1).integers(1, 900, GRID.shape).astype(np.float32)
    write_series(tmp_path / "scan", Volume(array, GRID))
    return tmp_path / "scan"


def test_headers_and_slices_are_counted(folder):
    events = []
    read = read_volume(folder, progress=events.append)
    assert read.volume.array.shape == GRID.shape
    assert [(event.done, event.total) for event in events] == 2 * [(100, SLICES), (200, SLICES)]
    assert {event.stage for event in events} == {"read"}
    assert len({event.message for event in events}) == 2


@pytest.mark.parametrize("at", [100, 200])
def test_reading_ends_where_it_is_cancelled(folder, at):
    seen: list[ProgressEvent] = []
    with pytest.raises(musclefm.WorkCancelledError):
        musclefm.segment(
            folder, progress=seen.append, cancel=lambda: bool(seen) and seen[-1].done >= at
        )
    assert seen[-1].done == at, "it was read to the end"
