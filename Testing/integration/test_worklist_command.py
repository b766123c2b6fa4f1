"""``musclefm worklist``: a folder of cases, of which some fail, in a process that may be killed."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from asked_to_end import ended
from musclefm.pipeline.worklist import Worklist
from musclefm.pipeline.worklist_index import CaseState
from musclefm.results.reading import read_provenance
from musclefm.results.tables import regions_from_json
from musclefm.volumes.channels import read_channels
from musclefm.volumes.reading import read_volume
from musclefm.volumes.writing import write_volume

Musclefm = Callable[..., subprocess.CompletedProcess[str]]
Started = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def scans(scan: Path, tmp_path: Path) -> Path:
    """Return a folder of three cases, in order: damaged, a single image, Dixon channels."""
    folder = tmp_path / "scans"
    shutil.copytree(scan, folder / scan.name)
    (folder / "Doe-1-damaged.nii.gz").write_bytes((scan / "fat.nii.gz").read_bytes()[:5000])
    write_volume(read_volume(scan / "water.nii.gz").volume, folder / "Doe-2.nrrd")
    return folder


@pytest.fixture
def started(command: tuple[str, ...], environment: Mapping[str, str]) -> Started:
    """Return a function that starts the command, with its progress as JSON."""
    return lambda *words: subprocess.Popen(
        [*command, *words, "--progress", "json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def by_name(worklist: Worklist) -> dict[str, CaseState]:
    return {state.path.name: state for state in worklist.states()}


def written(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_case_that_fails_stops_no_other_and_is_tried_again(
    scans: Path, model: Path, musclefm: Musclefm, tmp_path: Path
) -> None:
    out = tmp_path / "list"
    command = ("worklist", scans, "--out", out, "--model", model)
    done = musclefm(*command)
    assert done.returncode == 2
    assert done.stderr.startswith("musclefm: 1 of 3 cases failed (the first one: the image is dam")
    assert done.stderr.count("\n") == 1

    worklist = Worklist(scans, out)
    states = by_name(worklist)
    failed = states["Doe-1-damaged.nii.gz"]
    assert failed.status == "failed" and failed.fault.startswith("the image is damaged")
    assert not failed.results.exists()
    ready = [state for state in worklist.states() if state.status == "ready"]
    assert len(ready) == 2
    wrong = [state.expected_wrong_ml or 0.0 for state in ready]
    assert wrong == sorted(wrong, reverse=True) and min(wrong) > 0
    for state in ready:
        document = regions_from_json((state.results / "regions.json").read_text())
        spacing = read_provenance(state.results)["input"]["spacing_ijk_mm"]
        wrong_ml = document.expected_wrong_voxels * math.prod(spacing) / 1000
        assert state.expected_wrong_ml == pytest.approx(wrong_ml)

    reported = done.stdout + done.stderr + (out / "worklist.json").read_text()
    names = "".join(str(path.relative_to(out)) for path in out.rglob("*"))
    assert "Doe" not in reported + names

    shutil.copy(scans / "Doe-2.nrrd", scans / "Doe-1.nrrd")
    (scans / "Doe-1-damaged.nii.gz").unlink()
    before = {state.folder: written(state.folder) for state in ready}
    again = musclefm(*command, "--progress", "json")
    assert (again.returncode, again.stderr) == (0, "")
    assert {folder: written(folder) for folder in before} == before
    assert {state.status for state in Worklist(scans, out).states()} == {"ready"}


def test_the_images_of_a_case_are_those_that_were_segmented(
    scans: Path, model: Path, musclefm: Musclefm, tmp_path: Path
) -> None:
    (scans / "Doe-1-damaged.nii.gz").unlink()
    done = musclefm("worklist", scans, "--out", tmp_path / "list", "--model", model)
    assert done.returncode == 0, done.stderr
    for name, state in by_name(Worklist(scans, tmp_path / "list")).items():
        dixon = name != "Doe-2.nrrd"
        expected = {"water", "fat"} if dixon else {"image"}
        images = read_channels({path.stem: path for path in state.input.iterdir()})
        assert set(images.images) == expected
        labels = read_volume(state.results / "labels.seg.nrrd").volume
        assert images.grid.matches(labels.grid)
        assert (state.results / "fat_fraction.nii.gz").exists() == dixon


def test_a_killed_process_goes_on_where_it_was(
    scans: Path,
    model: Path,
    started: Started,
    musclefm: Musclefm,
    tmp_path: Path,
) -> None:
    (scans / "Doe-1-damaged.nii.gz").unlink()
    out = tmp_path / "list"
    words = ["worklist", str(scans), "--out", str(out), "--model", str(model)]
    process = started(*words)
    stages = (json.loads(line) for line in process.stdout)
    next(event for event in stages if event["stage"] == "worklist" and event["done"] == 1)
    next(event for event in stages if event["stage"] == "segment")
    first, second = by_name(Worklist(scans, out)).values()
    assert (first.status, second.status) == ("ready", "running")
    process.kill()
    process.wait()
    kept = written(first.results)

    done = musclefm(*words)
    assert done.returncode == 0, done.stderr
    assert {state.status for state in Worklist(scans, out).states()} == {"ready"}
    assert written(first.results) == kept
    assert {path.name for path in second.folder.iterdir()} == {"input", "results"}


@pytest.mark.timing
def test_ends_soon_when_asked(
    scans: Path,
    model: Path,
    started: Started,
    tmp_path: Path,
) -> None:
    words = ["worklist", str(scans), "--out", str(tmp_path / "list"), "--model", str(model)]
    process = started(*words)
    next(line for line in process.stdout if json.loads(line)["stage"] == "segment")
    ended(process, signal.SIGTERM)
    assert process.returncode == 128 + signal.SIGTERM
    states = Worklist(scans, tmp_path / "list").states(processing=False)
    assert {state.status for state in states} == {"failed", "waiting"}


def test_after_ctrl_c_it_says_what_is_kept_and_how_to_go_on(
    scans: Path,
    model: Path,
    started: Started,
    musclefm: Musclefm,
    tmp_path: Path,
) -> None:
    (scans / "Doe-1-damaged.nii.gz").unlink()
    words = ["worklist", str(scans), "--out", str(tmp_path / "list"), "--model", str(model)]
    process = started(*words)
    events = (json.loads(line) for line in process.stdout)
    next(event for event in events if event["stage"] == "worklist" and event["done"] == 1)
    next(event for event in events if event["stage"] == "segment")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 128 + signal.SIGINT
    assert said == (
        "musclefm: stopped, 1 finished case is kept; run the same command again to resume\n"
    )
    assert [state.status for state in Worklist(scans, tmp_path / "list").states()] == [
        "ready",
        "waiting",
    ]
    assert musclefm(*words).returncode == 0
