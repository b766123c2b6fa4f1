"""A worklist under way: one bad case stops no other, and no other program works on it."""

import os
import signal
import sys

import pytest
from tiny_ensemble import tiny_bundle

from musclefm.cli.commands.worklist import kept_cases
from musclefm.errors import MuscleFMError
from musclefm.inference.device import choose_runtime
from musclefm.pipeline import process_worklist as processing
from musclefm.pipeline.worklist import Worklist
from musclefm.progress import WorkCancelledError, silent
from musclefm.results.folder import staged_results, write_provenance
from musclefm.results.tables import RegionsDocument
from musclefm.review.regions import DEFAULT_RULE

CPU = choose_runtime("cpu", "fp32")
DOCUMENT = RegionsDocument(
    label_scheme="thigh-11",
    rule=DEFAULT_RULE,
    expected_wrong_voxels=1.0,
    share_in_regions=0.0,
    regions=(),
).model_dump_json()


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
            results = folder / "results"
            with staged_results(results) as staged:
                (staged / "regions.json").write_text(DOCUMENT)
                write_provenance(
                    staged,
                    {
                        "model": {"sha256": bundle.sha256, "label_scheme": "thigh-11"},
                        "input": {"sha256": "b" * 64},
                    },
                )

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


def test_two_programs_do_not_work_on_one_worklist(worklist, process):
    with worklist.sole_processing(), pytest.raises(MuscleFMError, match="another program"):
        process({})
    assert set(states(worklist).values()) == {"waiting"}


def test_results_that_were_changed_are_not_ready_and_not_replaced(worklist, process):
    process({})
    results = worklist.case_folder(worklist.cases[0]) / "results"
    (results / "regions.json").write_text("edited")
    assert process({}) == ["1"]
    assert states(worklist)["1"] == "failed" and "regions.json" in fault(worklist, "1")
    assert (results / "regions.json").read_text() == "edited"
