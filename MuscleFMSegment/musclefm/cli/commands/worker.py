"""``musclefm worker``: for programs, segment case after case with one ensemble, kept loaded.

Standard input takes a JSON object a line: ``{"arguments": ["segment", ...]}`` begins a case,
``{"cancel": true}`` ends it. What the command prints comes as it does without a worker, and
after it ``{"ended": N}``, its exit code. The worker ends when its input is closed, when it had
nothing to do for a while, and after a fault of the program.
"""

from __future__ import annotations

import argparse
import io
import json
import queue
import sys
import threading
from dataclasses import dataclass, field

from musclefm.cli.main import run_command
from musclefm.cli.terminal.interruption import InterruptedWork, raise_on_signals
from musclefm.cli.terminal.output import note, say_json
from musclefm.defaults import WORKER_IDLE_S

_REFUSED, _FAULT = 2, 1


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "worker", help="segment case after case for another program", description=__doc__
    )
    parser.add_argument(
        "--idle",
        type=float,
        default=WORKER_IDLE_S,
        metavar="SECONDS",
        help="end after so long without a case (default: %(default)g)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run what is asked for, one case after another."""
    cases: queue.Queue[_Case | None] = queue.Queue()
    threading.Thread(target=_listen, args=(cases,), daemon=True).start()
    while case := _next(cases, arguments.idle):
        code = _ended(case)
        # Whoever had results or was cancelled ignores them from there on.
        raise_on_signals()
        sys.stderr.flush()
        say_json({"ended": code})
        sys.stdout.flush()
        # A GPU that failed, for one, serves this process no more.
        if code == _FAULT:
            break


@dataclass
class _Case:
    """A command, and whether its owner has no more use for it."""

    arguments: list[str]
    cancelled: threading.Event = field(default_factory=threading.Event)


def _next(cases: queue.Queue[_Case | None], idle_s: float) -> _Case | None:
    """Return the next case; None once there are no more, or for too long there was none."""
    try:
        return cases.get(timeout=idle_s)
    except queue.Empty:
        return None


def _listen(cases: queue.Queue[_Case | None]) -> None:
    """Take lines until there are no more; then whoever asked for the case is gone."""
    case = None
    # Without a buffer: its lock would be held while Python ends.
    for line in io.FileIO(0, closefd=False):
        wanted = _object_of(line)
        if "cancel" not in wanted:
            # One without arguments is answered with what is wrong.
            given = wanted.get("arguments")
            case = _Case([str(each) for each in given] if isinstance(given, list) else [])
            cases.put(case)
        elif case:
            case.cancelled.set()
    if case:
        case.cancelled.set()
    cases.put(None)


def _object_of(line: bytes) -> dict[str, object]:
    try:
        wanted = json.loads(line)
    except ValueError:
        return {}
    return wanted if isinstance(wanted, dict) else {}


def _ended(case: _Case) -> int:
    """Run a case, and return its exit code."""
    if case.arguments[:1] != ["segment"]:
        note('musclefm: a worker segments only: send {"arguments": ["segment", ...]}')
        return _REFUSED
    try:
        return run_command(case.arguments, keep_loaded=True, cancelled=case.cancelled)
    except SystemExit as ended:
        # Of the parser.
        return ended.code if isinstance(ended.code, int) else _FAULT
    except InterruptedWork as interrupted:
        if not (case.cancelled.is_set() and interrupted.unwound):
            raise
        return 128 + interrupted.signal_number
