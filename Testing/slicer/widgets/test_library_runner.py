"""What is shown of a child process of the library: progress, log and outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scripted_library import ScriptedProcess, event


class Followed:
    """A segmentation that a scripted process stands for, and what is shown of it."""

    def __init__(self, process: ScriptedProcess) -> None:
        import qt

        from MuscleFMSegmentLib.process.library_runner import LibraryRunner
        from MuscleFMSegmentLib.process.progress_updates import SEGMENT_STAGES

        self.updates: list[Any] = []
        self.log: list[str] = []
        self.outcomes: list[Any] = []
        self.runner = LibraryRunner(qt.QTimer(), lambda arguments: process)
        receivers = self.outcomes.append, self.updates.append, self.log.append
        self.runner.run(["segment"], *receivers, SEGMENT_STAGES)

    def poll(self) -> Any:
        """Look once, and return the outcome, if there is one."""
        self.runner.poll()
        return self.outcomes[0] if self.outcomes else None


@pytest.fixture
def process(session: Any) -> ScriptedProcess:
    return ScriptedProcess()


@pytest.fixture
def followed(process: ScriptedProcess) -> Any:
    made = Followed(process)
    yield made
    made.runner.end()


def reader(clock: Any) -> Any:
    from MuscleFMSegmentLib.process.progress_updates import SEGMENT_STAGES, ProgressReader

    return ProgressReader(SEGMENT_STAGES, clock)


def test_progress_is_shown_by_member_and_slice_with_the_time_left(session: Any) -> None:
    now = [0.0]
    progress = reader(lambda: now[0])
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


def test_a_worklist_names_the_case_too(session: Any) -> None:
    progress = reader(lambda: 0.0)
    progress.take(event("worklist", 1, 3, "case 2 of 3"))
    assert progress.take(event("load", 0, 3)).text == "Case 2 of 3: Loading member 1 of 3"


def test_the_log_has_a_line_a_stage(followed: Any, process: ScriptedProcess) -> None:
    process.out = [
        event("read", 1, 1),
        event("load", 2, 2, "CPU, fp32"),
        *(event("segment", k, 9, "slices") for k in range(1, 10)),
        event("write", 0, 6, "a"),
        event("write", 1, 6, "b"),
    ]
    followed.poll()
    assert followed.log[:2] == ["Starting PyTorch", "Running on CPU, fp32"]
    assert followed.log[2].startswith("Slice 9 of 9")
    assert followed.log[3:] == ["Writing the results"]


@pytest.mark.parametrize("line", ["", "Slice 3", "{}", '{"stage": 3}', "[1, 2]", '"text"'])
def test_other_output_goes_to_the_log(followed: Any, process: ScriptedProcess, line: str) -> None:
    process.out = [line]
    assert followed.poll() is None and followed.log == [line] and followed.updates == []


def test_the_one_line_of_an_error_is_the_outcome(followed: Any, process: ScriptedProcess) -> None:
    from MuscleFMSegmentLib.process.library_runner import Outcome

    process.errors = ["note: something", "musclefm: there is no model 'x': use one of these: y"]
    process.returnCode = 2
    outcome = followed.poll()
    assert outcome == Outcome("failed", "there is no model 'x': use one of these: y")
    assert str(outcome.error) == outcome.message and len(followed.log) == 2


@pytest.mark.parametrize(
    ("other", "remedy"),
    [("", "open the module again and press Install"), ("/a/python", "MUSCLEFM_LIBRARY_PYTHON")],
)
def test_a_missing_package_is_named_with_what_installs_it(
    followed: Any,
    process: ScriptedProcess,
    monkeypatch: pytest.MonkeyPatch,
    other: str,
    remedy: str,
) -> None:
    monkeypatch.setenv("MUSCLEFM_LIBRARY_PYTHON", other)
    process.errors = [
        "Traceback (most recent call last):",
        "ModuleNotFoundError: No module named 'safetensors'",
    ]
    process.returnCode = 1
    message = followed.poll().message
    assert "'safetensors'" in message and remedy in message


def test_a_killed_process_is_reported_with_a_remedy(
    followed: Any, process: ScriptedProcess
) -> None:
    process.returnCode = -9
    assert "memory" in followed.poll().message


def test_a_python_that_cannot_be_started_is_reported(session: Any) -> None:
    import qt

    from musclefm.errors import MuscleFMError
    from MuscleFMSegmentLib.process.library_runner import LibraryRunner

    def refuse(arguments: Any) -> Any:
        raise FileNotFoundError(2, "No such file or directory")

    runner = LibraryRunner(qt.QTimer(), refuse)
    with pytest.raises(MuscleFMError, match="cannot be started"):
        runner.run(["segment"], lambda outcome: None)
    failures: list[Exception] = []
    runner.ask(["inventory"], lambda answer: None, failures.append)
    assert "cannot be started" in str(failures[0]) and not runner.isRunning


def test_slicer_itself_is_never_started_in_place_of_python(
    session: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from MuscleFMSegmentLib.process.library_runner import startLibrary

    monkeypatch.delenv("MUSCLEFM_LIBRARY_PYTHON")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="PythonSlicer"):
        startLibrary(["inventory"])


def test_an_answer_is_what_was_printed_beside_progress_and_warnings(session: Any) -> None:
    import qt

    from MuscleFMSegmentLib.process.library_runner import LibraryRunner

    process = ScriptedProcess([event("read", 0, 1), '{"models": []}'], 0)
    process.errors = ["UserWarning: something is old"]
    runner, answers = LibraryRunner(qt.QTimer(), lambda arguments: process), []
    runner.ask(["inventory"], answers.append, answers.append)
    runner.poll()
    assert answers == ['{"models": []}']


def test_stopping_is_no_failure(followed: Any, process: ScriptedProcess) -> None:
    from MuscleFMSegmentLib.process.library_runner import Outcome

    followed.runner.stop()
    assert process.isAsked
    process.out = [event("segment", 3, 20, "slices")]
    assert followed.poll() is None and followed.updates == []
    process.returnCode = 143
    process.errors = ["musclefm: stopped, no result was written"]
    assert followed.poll() == Outcome("stopped")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2, "a few seconds"), (42, "about 40 s"), (600, "about 10 min"), (9000, "about 2.5 h")],
)
def test_times_are_for_people(session: Any, seconds: float, text: str) -> None:
    from MuscleFMSegmentLib.process.progress_updates import duration

    assert duration(seconds) == text
