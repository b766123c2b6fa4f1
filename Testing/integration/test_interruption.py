"""Ctrl-C and SIGTERM end a command within two seconds, and leave no partial result."""

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

from musclefm.demo.sample import sample_channels
from musclefm.results.folder import write_provenance
from musclefm.volumes.grid import Grid
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

AT_MOST_S = 2.0
SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(scope="module")
def large_scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a volume of 512 x 512 x 60 voxels, which takes a while in every stage."""
    water = read_volume(sample_channels()["water"]).volume
    slices, rows, columns = (
        np.linspace(0, size - 1, wanted).round().astype(int)
        for size, wanted in zip(water.array.shape, (60, 512, 512), strict=True)
    )
    array = water.array[np.ix_(slices, rows, columns)].astype(np.int16)
    grid = Grid((60, 512, 512), (0.8, 0.8, 5.0), (-204.0, -204.0, -150.0), water.grid.direction)
    path = tmp_path_factory.mktemp("large") / "scan.nii.gz"
    write_volume(Volume(array, grid), path)
    return path


def interrupt(
    command: list[str],
    environment: Mapping[str, str],
    stage: str,
    delay_s: float,
    number: signal.Signals,
) -> tuple[int, float, str]:
    """Send a signal some time after a stage has begun.

    Returns the exit code, the seconds from the signal to the end, and standard
    error.
    """
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
    process.send_signal(number)
    sent = time.perf_counter()
    _, said = process.communicate(timeout=60)
    return process.returncode, time.perf_counter() - sent, said


# Torch is imported between reading and loading, so that the longest delay meets that.
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("stage", "longest_s"),
    [
        ("read", 0.3),
        ("read", 3.0),
        ("load", 1.0),
        ("segment", 3.0),
        ("review", 0.5),
        ("write", 0.8),
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
    code, seconds, said = interrupt(
        [*command, "segment", str(large_scan), "--model", str(model), "--out", str(out)],
        environment, stage, delay_s, number,
    )  # fmt: skip
    told = f"{number.name} {delay_s:.2f} s into {stage}: {seconds:.2f} s"
    print(told)
    assert code == 128 + number, said
    assert seconds <= AT_MOST_S, told
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
    code, _, _ = interrupt(
        [*command, "segment", str(large_scan), "--model", str(model), "--out", str(tmp_path)],
        environment, "write", 0.3, signal.SIGTERM,
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
    process.send_signal(number)
    sent = time.perf_counter()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number, said
    assert time.perf_counter() - sent <= AT_MOST_S
    assert said == "musclefm: stopped, no result was written\n"
    assert not list(tmp_path.iterdir())
