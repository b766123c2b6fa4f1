"""What a stopped command says of its results is true, whenever it is stopped."""

import signal
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

HEAVY = """
    import os, signal, sys, time
    from pathlib import Path
    from musclefm.cli.terminal.interruption import (
        InterruptedWork, end_process, raise_on_signals, run_interruptibly
    )
    from musclefm.storage import staging
    from musclefm.results import folder as results

    moment, out = sys.argv[1], Path(sys.argv[2])
    sync = results.sync_folder

    def stop(wanted):
        if moment == wanted:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1.5)

    def slow_sync(folder):
        stop("publication")
        sync(folder)

    results.sync_folder = slow_sync

    def work(progress):
        stop("before")
        with results.staged_results(out) as folder:
            (folder / "labels.nii.gz").write_text("new")
            results.write_provenance(folder, PROVENANCE)
            stop("writing")
        stop("after")

    PROVENANCE = {
        "model": {"sha256": "a" * 64, "label_scheme": "thigh-11"}, "input": {"sha256": "b" * 64}
    }
    raise_on_signals()
    try:
        run_interruptibly(work, lambda event: None)
    except InterruptedWork as interrupted:
        end_process(interrupted)
"""
MAIN_THREAD = """
    import os, signal, sys
    from pathlib import Path
    from musclefm.cli.terminal.interruption import InterruptedWork, end_process, raise_on_signals
    from musclefm.storage import atomic as writing

    out, move = Path(sys.argv[1]), writing._move
    out.mkdir()

    def interrupted_move(path, final):
        os.kill(os.getpid(), signal.SIGINT)
        move(path, final)

    writing._move = interrupted_move
    raise_on_signals()
    try:
        with writing.staged_folder(out) as folder:
            for name in "abc":
                (folder / name).write_text(name)
    except InterruptedWork as interrupted:
        end_process(interrupted)
"""


def run(script, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("moment", ["before", "writing", "publication", "after"])
def test_what_is_said_is_true_whenever_it_is_stopped(tmp_path, moment, exists):
    out = tmp_path / "out"
    if exists:
        out.mkdir()
    done = run(HEAVY, moment, out)
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    written = moment in ("publication", "after")
    assert done.stderr == (
        "musclefm: stopped, what was written before is kept\n"
        if written
        else "musclefm: stopped, no result was written\n"
    )
    left = {path.name for path in out.iterdir()} if out.exists() else set()
    assert left == ({"labels.nii.gz", "provenance.json"} if written else set())
    assert {path.name for path in tmp_path.iterdir()} <= {"out"}


def test_a_signal_during_publication_waits_until_all_is_there(tmp_path):
    done = run(MAIN_THREAD, tmp_path / "out")
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a", "b", "c"}
    assert done.stderr == "musclefm: stopped, what was written before is kept\n"
