"""Ctrl-C and SIGTERM end a command soon, and leave no partial result."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from asked_to_end import ended
from musclefm.demo.sample import sample_channels
from musclefm.results.folder import write_provenance
from musclefm.volumes.grid import Grid
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

pytestmark = pytest.mark.timing

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(scope="module")
def large_scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a volume of 320 x 320 x 24 voxels, which takes a while in every stage."""
    water = read_volume(sample_channels()["water"]).volume
    slices, rows, columns = (
        np.linspace(0, size - 1, wanted).round().astype(int)
        for size, wanted in zip(water.array.shape, (24, 320, 320), strict=True)
    )
    array = water.array[np.ix_(slices, rows, columns)].astype(np.int16)
    grid = Grid((24, 320, 320), (1.3, 1.3, 12.0), (-208.0, -208.0, -144.0), water.grid.direction)
    path = tmp_path_factory.mktemp("large") / "scan.nii.gz"
    write_volume(Volume(array, grid), path)
    return path


def interrupt(
    command: list[str],
    environment: Mapping[str, str],
    stage: str,
    delay_s: float,
    number: signal.Signals,
) -> tuple[int, str]:
    """Send a signal some time after a stage has begun; return the exit code and standard error."""
    process = subprocess.Popen(
        [*command, "--progress", "json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["stage"] == stage:
            break
    else:
        pytest.fail(f"stage {stage} was never reached: {process.communicate()[1]}")
    time.sleep(delay_s)
    said = ended(process, number)
    return process.returncode, said


# Torch is imported between reading and loading, so that the longest delay meets that.
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("stage", "longest_s"),
    [
        ("read", 0.3),
        ("read", 2.0),
        ("load", 0.5),
        ("segment", 0.5),
        ("review", 0.1),
        ("write", 0.2),
    ],
)
def test_ends_soon_and_leaves_nothing(
    stage: str,
    longest_s: float,
    number: signal.Signals,
    large_scan: Path,
    model: Path,
    command: tuple[str, ...],
    environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    delay_s = random.uniform(0.0, longest_s)
    out = tmp_path / "new" / "out"
    code, said = interrupt(
        [*command, "segment", str(large_scan), "--model", str(model), "--out", str(out)],
        environment, stage, delay_s, number,
    )  # fmt: skip
    print(f"{number.name} {delay_s:.2f} s into {stage}")
    assert code == 128 + number, said
    assert said == "musclefm: stopped, no result was written\n"
    assert not list(tmp_path.iterdir())


def test_leaves_earlier_results_as_they_were(
    large_scan: Path,
    model: Path,
    command: tuple[str, ...],
    environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    (tmp_path / "labels.nii.gz").write_bytes(b"earlier")
    made_by = {"model": {"sha256": "a" * 64, "label_scheme": "thigh-11"}}
    write_provenance(tmp_path, {**made_by, "input": {"sha256": "b" * 64}})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code, _ = interrupt(
        [*command, "segment", str(large_scan), "--model", str(model), "--out", str(tmp_path)],
        environment, "write", 0.1, signal.SIGTERM,
    )  # fmt: skip
    assert code == 128 + signal.SIGTERM
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def heeds_signals(pid: int) -> bool:
    """Tell whether a process has a handler of its own for SIGTERM; Python has none."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.split("SigCgt:")[1].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("delay_s", [0.0, 1.0])
def test_a_command_without_progress_ends_too(
    delay_s: float,
    number: signal.Signals,
    command: tuple[str, ...],
    environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    process = subprocess.Popen(
        [*command, "phantom", "--out", str(tmp_path / "case")],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not heeds_signals(process.pid):
        time.sleep(0.01)
    time.sleep(delay_s)
    said = ended(process, number)
    assert process.returncode == 128 + number, said
    assert said == "musclefm: stopped, no result was written\n"
    assert not list(tmp_path.iterdir())
