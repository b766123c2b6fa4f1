"""Ending the whole tree of processes, and reading without waiting."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

import pytest

from MuscleFMSegmentLib.process.child_process import ChildProcess

GRANDCHILD = """
import subprocess, sys, time
inner = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)'
child = subprocess.Popen([sys.executable, '-c', inner])
print(child.pid, flush=True)
time.sleep(60)
"""


def started(script: str) -> ChildProcess:
    return ChildProcess([sys.executable, "-c", script], os.environ)


def lines(child: ChildProcess, seconds: float = 60.0) -> list[str]:
    deadline = time.monotonic() + seconds
    while not (found := child.readOut()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def lives(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]
    return False


@pytest.mark.timing
def test_a_grandchild_that_ignores_the_request_ends_soon() -> None:
    child = started(GRANDCHILD)
    grandchild = int(lines(child)[0])
    begun = time.monotonic()
    child.end()
    # Two seconds, of which a busy machine makes more.
    assert time.monotonic() - begun < 30.0
    assert child.returnCode is not None
    deadline = time.monotonic() + 30.0
    while lives(grandchild) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not lives(grandchild)


def test_a_child_that_unwinds_is_given_the_time_for_it(tmp_path: Path) -> None:
    script = f"""
import pathlib, signal, sys, time
def unwind(*_):
    time.sleep(0.3)
    pathlib.Path({str(tmp_path / "cleared")!r}).touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, unwind)
print('ready', flush=True)
time.sleep(60)
"""
    child = started(script)
    lines(child)
    child.end()
    assert (tmp_path / "cleared").exists()


@pytest.mark.timing
def test_asking_does_not_wait() -> None:
    child = started("import time; time.sleep(60)")
    begun = time.monotonic()
    child.askToEnd()
    # Waiting for the child would take a minute.
    assert child.readOut() == [] and time.monotonic() - begun < 20.0
    child.end()


def test_lines_come_whole_and_the_last_one_without_an_end() -> None:
    child = started(
        "import sys; sys.stdout.write('one\\nDreißig\\nlast'); sys.stderr.write('oops')"
    )
    deadline = time.monotonic() + 60
    while child.returnCode is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert child.readOut() == ["one", "Dreißig", "last"] and child.readErrors() == ["oops"]
    child.close()


def test_a_program_that_is_not_there_is_reported() -> None:
    with pytest.raises(OSError):
        ChildProcess(["/no/such/program"], os.environ)
