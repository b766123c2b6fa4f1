"""The worker as the module's runner sees it: a process a case, though it is one for all."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from MuscleFMSegmentLib.process.child_process import ChildProcess
from MuscleFMSegmentLib.process.worker import Worker

# Answers with its number; a case named "crash", "hang" or "idle" does what it says.
SCRIPT = """
import json, os, sys, time
for line in sys.stdin:
    wanted = json.loads(line).get("arguments", [""])[0]
    if wanted == "crash":
        os.kill(os.getpid(), 9)
    if wanted == "idle" and not os.path.exists(sys.argv[1]):
        open(sys.argv[1], "w").close()
        sys.exit(0)
    print(os.getpid(), flush=True)
    if wanted == "hang":
        time.sleep(600)
    if wanted == "wait":
        assert json.loads(sys.stdin.readline()) == {"cancel": True}
    if wanted == "refuse":
        print("musclefm: no such scan: give another", file=sys.stderr, flush=True)
    print(json.dumps({"ended": {"refuse": 2, "wait": 130}.get(wanted, 0)}), flush=True)
"""


class Runs:
    """The module's runner on a worker that a script stands for."""

    def __init__(self, marker: Path) -> None:
        import qt

        from MuscleFMSegmentLib.process.library_runner import LibraryRunner

        command = [sys.executable, "-c", SCRIPT, str(marker)]
        self.worker = Worker(lambda: ChildProcess(command, os.environ, takesLines=True))
        self.runner = LibraryRunner(qt.QTimer(), self.worker.begin)

    def run(self, name: str, stop: bool = False) -> Any:
        """Return the outcome of a case, which is stopped once it has begun if so asked."""
        outcomes: list[Any] = []
        begun: list[str] = []
        self.runner.run([name], outcomes.append, onLog=begun.append)
        deadline = time.monotonic() + 600
        while not outcomes:
            assert time.monotonic() < deadline
            self.runner.poll()
            if stop and begun:
                self.runner.stop()
            time.sleep(0.01)
        return outcomes[0]


@pytest.fixture
def runs(session: Any, tmp_path: Path) -> Any:
    made = Runs(tmp_path / "marker")
    yield made
    made.worker.end()


def test_one_process_runs_all_cases(runs: Runs) -> None:
    first = runs.run("case")
    assert first.kind == "finished" and first.output.isdigit()
    refused = runs.run("refuse")
    assert (refused.kind, refused.message) == ("failed", "no such scan: give another")
    assert runs.run("wait", stop=True).kind == "stopped"
    assert runs.run("case") == first


@pytest.mark.parametrize(("name", "kind"), [("crash", "failed"), ("hang", "stopped")])
def test_a_worker_that_is_lost_costs_its_case_only(runs: Runs, name: str, kind: str) -> None:
    first = runs.run("case")
    outcome = runs.run(name, stop=name == "hang")
    assert outcome.kind == kind and ("memory" in outcome.message) == (kind == "failed")
    after = runs.run("case")
    assert after.kind == "finished" and after.output != first.output


def test_a_worker_that_ends_as_a_case_comes_is_replaced_unseen(runs: Runs) -> None:
    first = runs.run("case")
    after = runs.run("idle")
    assert after.kind == "finished" and after.output != first.output
