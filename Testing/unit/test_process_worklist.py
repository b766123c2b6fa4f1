"""A worklist under way: one bad case stops no other, and two programs keep apart."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from slow_worklist import write_empty_results
from tiny_ensemble import tiny_bundle

from musclefm.api.worklists import segment_worklist
from musclefm.cli.commands.worklist import kept_cases
from musclefm.errors import MuscleFMError
from musclefm.inference.device import choose_runtime
from musclefm.pipeline import process_worklist as processing
from musclefm.pipeline.worklist import Worklist
from musclefm.progress import WorkCancelledError, silent
from musclefm.volumes.formats.decoded import SeriesChoice

CPU = choose_runtime("cpu", "fp32")


@pytest.fixture
def worklist(tmp_path):
    (tmp_path / "scans").mkdir()
    for number in (1, 2, 3):
        (tmp_path / "scans" / f"{number}.nii").write_bytes(b"x")
    return Worklist(tmp_path / "scans", tmp_path / "list")


@pytest.fixture
def process(worklist, tmp_path, monkeypatch):
    """Return a function that processes the worklist, with what each case does in its place."""
    bundle = tiny_bundle(tmp_path / "model", members=1)
    tried = []

    def run(doing):
        tried.clear()

        def segment(case, folder, *others):
            tried.append(case.path.stem)
            doing.get(case.path.stem, lambda: None)()
            write_empty_results(folder / "results", bundle.sha256)

        monkeypatch.setattr(processing, "_segment", segment)
        processing.process_worklist(worklist, bundle, CPU, silent)
        return list(tried)

    return run


def states(worklist):
    return {state.path.stem: state.status for state in worklist.states()}


def fault(worklist, name):
    return next(state.fault for state in worklist.states() if state.path.stem == name)


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_process_that_dies(work):
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("error", [MemoryError, RuntimeError, RecursionError, MuscleFMError])
def test_a_case_that_fails_stops_no_other(worklist, process, error):
    def fail():
        raise error("x", "y")

    process({"1": fail})
    assert states(worklist) == {"1": "failed", "2": "ready", "3": "ready"}
    assert process({}) == ["1"]
    assert set(states(worklist).values()) == {"ready"}


@pytest.mark.skipif(sys.platform == "win32", reason="forking is POSIX")
def test_a_case_that_kills_the_program_comes_last_and_then_fails(worklist, process):
    in_a_process_that_dies(lambda: process({"1": killed}))
    assert states(worklist) == {"1": "running", "2": "waiting", "3": "waiting"}
    in_a_process_that_dies(lambda: process({"1": killed}))
    assert states(worklist) == {"1": "running", "2": "ready", "3": "ready"}
    assert process({"1": killed}) == []
    assert states(worklist)["1"] == "failed"
    assert "killed twice" in fault(worklist, "1")
    assert process({}) == ["1"]
    assert set(states(worklist).values()) == {"ready"}


@pytest.mark.parametrize("stop", [KeyboardInterrupt, WorkCancelledError])
def test_a_case_at_which_the_user_stopped_does_not_count_as_killed(worklist, process, stop):
    for _ in range(3):
        with pytest.raises(stop):
            process({"2": lambda: (_ for _ in ()).throw(stop)})
        assert kept_cases(worklist) == (
            "1 finished case is kept; run the same command again to resume"
        )
    assert process({}) == ["2", "3"]
    assert kept_cases(worklist).startswith("3 finished cases are kept")


def test_cancelled_from_python_a_case_waits_again(worklist, tmp_path, monkeypatch):
    def cancel(*others):
        raise WorkCancelledError

    monkeypatch.setattr(processing, "_segment", cancel)
    with pytest.raises(WorkCancelledError):
        segment_worklist(worklist, model=tiny_bundle(tmp_path / "model", 1), device="cpu")
    assert set(states(worklist).values()) == {"waiting"}


class TwoPrograms:
    """Real programs on one worklist, whose cases end when they are asked to."""

    def __init__(self, folder):
        self.folder = folder
        self.journal = folder / "journal"
        model = folder / "model"
        tiny_bundle(model, members=1)
        script = Path(__file__).with_name("slow_worklist.py")
        self.words = [
            sys.executable, script, folder / "scans", folder / "list", model, self.journal
        ]  # fmt: skip
        self.programs = []

    def start(self):
        self.programs.append(subprocess.Popen(list(map(str, self.words))))
        return self.programs[-1]

    def begun(self, count):
        """Wait until so many cases were begun; return who did which, in order."""
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            lines = self.journal.read_text().splitlines() if self.journal.exists() else []
            if len(lines) >= count:
                break
            assert all(program.poll() in (None, -signal.SIGKILL) for program in self.programs)
            time.sleep(0.05)
        found = [(int(line.split()[0]), line.split()[1]) for line in lines]
        assert len(found) == count, found
        return found

    def finish(self, *cases):
        for case in cases:
            (self.folder / f"{self.journal.name}.{case}").touch()


@pytest.fixture
def programs(worklist, tmp_path):
    two = TwoPrograms(tmp_path)
    yield two
    for program in two.programs:
        program.kill()
        program.wait()


def test_two_programs_share_a_worklist_and_take_each_case_once(worklist, programs):
    one, other = programs.start(), programs.start()
    first, second = programs.begun(2)
    assert {first[0], second[0]} == {one.pid, other.pid}
    assert {first[1], second[1]} == {"1", "2"}
    assert list(states(worklist).values()) == ["running", "running", "waiting"]
    # Whoever is done first goes on with the third case, and leaves the other one its own.
    programs.finish(first[1])
    third = programs.begun(3)[2]
    assert third == (first[0], "3")
    programs.finish("3")
    done = one if first[0] == one.pid else other
    assert done.wait(600) == 0
    assert states(worklist)[second[1]] == "running"
    programs.finish(second[1])
    assert (one.wait(600), other.wait(600)) == (0, 0)
    assert set(states(worklist).values()) == {"ready"}
    assert len(programs.begun(3)) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_the_case_of_a_program_that_was_killed_is_taken_up_by_the_other(worklist, programs):
    one = programs.start()
    programs.begun(1)
    other = programs.start()
    assert programs.begun(2)[1] == (other.pid, "2")
    one.kill()
    one.wait()
    programs.finish("1", "2", "3")
    assert other.wait(600) == 0
    assert programs.begun(4) == [
        (one.pid, "1"), (other.pid, "2"), (other.pid, "3"), (other.pid, "1"),
    ]  # fmt: skip
    assert set(states(worklist).values()) == {"ready"}


def test_a_case_whose_series_is_chosen_anew_is_segmented_again(worklist, process):
    assert process({}) == ["1", "2", "3"]
    found = worklist.cases
    chosen = dataclasses.replace(found[1], choice=SeriesChoice(echo=2))
    worklist.cases = (found[0], chosen, found[2])

    def fail():
        raise MuscleFMError("x", "y")

    assert process({"2": fail}) == ["2"]
    # Its old results are of another echo, of whichever that is asked now.
    worklist.cases = found
    assert process({}) == ["2"] and process({}) == []
    worklist.cases = (found[0], chosen, found[2])
    assert process({}) == ["2"] and process({}) == []


def test_results_that_were_changed_are_not_ready_and_not_replaced(worklist, process):
    process({})
    results = worklist.case_folder(worklist.cases[0]) / "results"
    (results / "regions.json").write_text("edited")
    assert process({}) == ["1"]
    assert states(worklist)["1"] == "failed" and "regions.json" in fault(worklist, "1")
    assert (results / "regions.json").read_text() == "edited"
