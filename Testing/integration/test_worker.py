"""A worker segments case after case as the command does, and loads its ensemble once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from refusals import Run


class Worker:
    """A worker, and what its owner reads of it."""

    def __init__(self, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [*command, "worker"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def send(self, **wanted: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(wanted) + "\n")
        self.process.stdin.flush()

    def run(
        self, *arguments: object, on_event: Callable[[Any], None] = lambda event: None
    ) -> tuple[int | None, list[str]]:
        """Return a case's exit code, None where it has none, and the stages it went through."""
        self.send(arguments=list(map(str, arguments)))
        assert self.process.stdout
        stages = []
        for line in self.process.stdout:
            event = json.loads(line)
            if "ended" in event:
                return event["ended"], stages
            stages.append("loading" if "loading" in event["message"] else event["stage"])
            on_event(event)
        return None, stages


@pytest.fixture(scope="module")
def worker(command: tuple[str, ...], environment: Mapping[str, str]) -> Iterator[Worker]:
    made = Worker(command, environment)
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture
def case(scan: Path, model: Path) -> list[str]:
    channels = [f"--channel={path.name.split('.')[0]}={path}" for path in sorted(scan.iterdir())]
    options = ["--model", str(model), "--device", "cpu", "--precision", "fp32"]
    return ["segment", *channels, *options, "--progress", "json"]


def contents(folder: Path) -> dict[str, bytes]:
    """Return what a results folder holds, but for what says when it was made."""
    dated = ("provenance.json", "report.html")
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in dated}


def test_cases_one_after_another_have_the_results_of_the_command(
    worker: Worker, case: list[str], in_process: Run, tmp_path: Path
) -> None:
    outs = [tmp_path / name for name in ("first", "second", "alone")]
    code, stages = worker.run(*case, "--out", outs[0])
    assert code == 0 and stages.count("loading") == 2
    code, again = worker.run(*case, "--out", outs[1])
    assert code == 0 and [stage for stage in stages if stage != "loading"] == again
    assert in_process([*case, "--out", str(outs[2])])[0] == 0
    first, second, alone = map(contents, outs)
    assert "labels.seg.nrrd" in first and first == second == alone


def test_a_cancelled_case_leaves_nothing_and_its_ensemble_to_the_next(
    worker: Worker, case: list[str], tmp_path: Path
) -> None:
    worker.run(*case, "--out", tmp_path / "before")

    def cancel(event: Any) -> None:
        if event["stage"] == "segment":
            worker.send(cancel=True)

    code, _ = worker.run(*case, "--out", tmp_path / "cancelled", on_event=cancel)
    assert code == 128 + signal.SIGINT
    assert [path.name for path in tmp_path.iterdir()] == ["before"]
    code, stages = worker.run(*case, "--out", tmp_path / "next")
    assert code == 0 and "loading" not in stages


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["segment", "--out", "x", "--progress", "json"], "one input is needed"),
        (["segment"], "--out"),
        (["worklist", "."], "segments only"),
    ],
)
def test_a_refused_case_is_one_line_and_stops_no_other(
    worker: Worker, arguments: list[str], message: str
) -> None:
    assert worker.run(*arguments) == (2, [])
    assert worker.process.stderr and worker.process.poll() is None
    assert any(message in line for line in iter(worker.process.stderr.readline, ""))


def ends(pid: int) -> bool:
    """Tell whether a process ends; the limit is against one that hangs."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


OWNER = """
import subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-m", "musclefm", "worker"], stdin=subprocess.PIPE)
print(worker.pid, flush=True)
time.sleep(600)
"""


def test_a_worker_ends_with_an_owner_who_is_killed(environment: Mapping[str, str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], env=environment, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        assert psutil.Process(pid).is_running()
        owner.send_signal(signal.SIGKILL)
        assert ends(pid)


def test_a_worker_in_the_midst_of_a_case_ends_with_its_input(
    worker: Worker, case: list[str], tmp_path: Path
) -> None:
    def leave(event: Any) -> None:
        if event["stage"] == "segment" and worker.process.stdin:
            worker.process.stdin.close()

    worker.run(*case, "--out", tmp_path / "unwanted", on_event=leave)
    assert ends(worker.process.pid) and not list(tmp_path.iterdir())


def test_a_worker_without_a_case_ends(musclefm: Any, command: tuple[str, ...]) -> None:
    process = subprocess.Popen([*command, "worker", "--idle", "0.1"], stdin=subprocess.PIPE)
    assert process.wait(60) == 0
