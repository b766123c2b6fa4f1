"""What a job tells of a child process: progress, log and outcome."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scripted_library import ScriptedProcess

from MuscleFMSegmentLib.process.job import Job, Outcome
from MuscleFMSegmentLib.process.job_progress import JobProgress, duration


def event(stage: str, done: int, total: int, message: str = "") -> str:
    return json.dumps({"stage": stage, "done": done, "total": total, "message": message})


def followed(process: ScriptedProcess) -> tuple[Job, list[Any], list[str]]:
    told: list[Any] = []
    log: list[str] = []
    return Job(process, told.append, log.append), told, log


def test_the_way_is_told_by_member_and_slice_with_the_time_left() -> None:
    now = [0.0]
    progress = JobProgress(lambda: now[0])
    texts, fractions = [], []
    for seconds, line in (
        (0, event("read", 0, 1)),
        (1, event("read", 1, 1)),
        (5, event("load", 1, 3)),
        (6, event("load", 3, 3, "CPU, fp32")),
        (16, event("segment", 5, 20, "slices")),
        (46, event("segment", 20, 20, "slices")),
        (47, event("review", 2, 2, "7 regions to check")),
        (48, event("write", 1, 6, "labels.nii.gz")),
    ):
        now[0] = seconds
        update = progress.take(line)
        texts.append(update.text)
        fractions.append(update.fraction)
    assert texts[0] == "Reading the image" and texts[2] == "Loading member 2 of 3"
    assert texts[3] == "Running on CPU, fp32"
    assert texts[4] == "Slice 5 of 20 in each of 3 members, about 30 s left"
    assert texts[6] == "7 regions to check" and texts[7] == "Writing the results"
    assert fractions == sorted(fractions) and fractions[-1] < 1


def test_a_worklist_tells_the_case_too() -> None:
    progress = JobProgress(lambda: 0.0)
    progress.take(event("worklist", 1, 3, "case 2 of 3"))
    assert progress.take(event("load", 0, 3)).text == "Case 2 of 3: Loading member 1 of 3"


def test_the_log_has_a_line_a_stage() -> None:
    process = ScriptedProcess()
    job, _told, log = followed(process)
    process.out = [
        event("read", 1, 1),
        event("load", 2, 2, "CPU, fp32"),
        *(event("segment", k, 9, "slices") for k in range(1, 10)),
        event("write", 0, 6, "a"),
        event("write", 1, 6, "b"),
    ]
    job.poll()
    assert log[:2] == ["Starting PyTorch", "Running on CPU, fp32"]
    assert log[2].startswith("Slice 9 of 9") and log[3:] == ["Writing the results"]


@pytest.mark.parametrize("line", ["", "Slice 3", "{}", '{"stage": 3}', "[1, 2]", '"text"'])
def test_other_output_goes_to_the_log(line: str) -> None:
    process = ScriptedProcess()
    job, told, log = followed(process)
    process.out = [line]
    assert job.poll() is None and log == [line] and told == []


def test_the_one_line_of_an_error_is_the_outcome() -> None:
    process = ScriptedProcess()
    job, _told, log = followed(process)
    process.errors = ["note: something", "musclefm: there is no model 'x': use one of these: y"]
    process.returnCode = 2
    outcome = job.poll()
    assert outcome == Outcome("failed", "there is no model 'x': use one of these: y")
    assert str(outcome.error) == outcome.message and len(log) == 2


def test_a_missing_package_is_named_with_the_button_that_mends_it() -> None:
    process = ScriptedProcess()
    job, _told, _log = followed(process)
    process.errors = [
        "Traceback (most recent call last):",
        "ModuleNotFoundError: No module named 'safetensors'",
    ]
    process.returnCode = 1
    message = job.poll().message
    assert "'safetensors'" in message and "Install" in message


def test_a_killed_process_is_told_with_a_remedy() -> None:
    process = ScriptedProcess()
    job, _told, _log = followed(process)
    process.returnCode = -9
    assert "memory" in job.poll().message


def test_stopping_is_no_failure() -> None:
    process = ScriptedProcess()
    job, told, _log = followed(process)
    job.stop()
    assert process.isAsked
    process.out = [event("segment", 3, 20, "slices")]
    assert job.poll() is None and told == []
    process.returnCode = 143
    process.errors = ["musclefm: stopped, no result was written"]
    assert job.poll() == Outcome("stopped")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2, "a few seconds"), (42, "about 40 s"), (600, "about 10 min"), (9000, "about 2.5 h")],
)
def test_times_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
