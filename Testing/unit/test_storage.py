"""Locks and what killed writers leave."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from filelock import FileLock

from musclefm.cli.main import main
from musclefm.corrections.access import sole_writer
from musclefm.errors import MuscleFMError
from musclefm.models.versions import sole_writer as sole_changer
from musclefm.storage.atomic import atomic_bytes, staged_file, staged_folder
from musclefm.storage.lock import NoLocksError, acquired_lock
from musclefm.storage.staging import clear_leftovers
from musclefm.storage.work_folder import check_work_folder, claim_work_folder

BUSY = MuscleFMError("busy", "wait")

WRITER = """
    import sys, time
    from pathlib import Path
    from musclefm.storage.atomic import staged_file, staged_folder

    out = Path(sys.argv[1])
    with staged_folder(out / "export") as folder, staged_file(out / "model.zip") as file:
        (folder / "image.nii.gz").write_bytes(b"voxels")
        file.write_bytes(b"weights")
        print("writing", flush=True)
        time.sleep(600)
"""


@pytest.fixture
def writer(tmp_path):
    """Return a process that is about to write a folder and a file to ``tmp_path``."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == b"writing\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def hidden(folder):
    return sorted(path for path in folder.iterdir() if path.name.startswith("."))


@pytest.mark.parametrize("next_one", ["folder", "file"])
def test_whoever_writes_next_removes_what_a_killed_one_left(tmp_path, writer, next_one):
    assert len(hidden(tmp_path)) == 2
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(hidden(tmp_path)) == 2
    if next_one == "folder":
        with staged_folder(tmp_path / "other"):
            pass
    else:
        atomic_bytes(tmp_path / "other", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_what_a_living_process_writes_stays(tmp_path, writer):
    before = sorted(tmp_path.rglob("*"))
    clear_leftovers(tmp_path, half_published=True)
    with staged_folder(tmp_path / "other"):
        clear_leftovers(tmp_path)
    assert sorted(tmp_path.rglob("*")) == [*before, tmp_path / "other"]
    with staged_folder(tmp_path / "mine"), staged_file(tmp_path / "my file") as file:
        clear_leftovers(tmp_path)
        file.write_bytes(b"")
    assert (tmp_path / "mine").is_dir() and (tmp_path / "my file").is_file()


def test_the_command_removes_what_is_left_in_the_users_data(tmp_path, writer, monkeypatch):
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path.parent))
    assert main(["models", "list"]) == 0
    assert len(hidden(tmp_path)) == 2, "of a living process"
    writer.kill()
    writer.wait()
    assert main(["models", "list"]) == 0
    assert not list(tmp_path.iterdir())


def test_files_that_only_look_like_leftovers_stay(tmp_path):
    (tmp_path / ".notes.0a1b2c3d.partial").write_text("mine")
    (tmp_path / ".mine.0a1b2c3d.partial").mkdir()
    (tmp_path / ".mine.0a1b2c3d.partial" / "file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    clear_leftovers(tmp_path, half_published=True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM])
def test_a_disk_without_locks_is_said_at_once(tmp_path, monkeypatch, code):
    def flock(descriptor, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waits"))
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
    with pytest.raises(NoLocksError, match="knows no locks"):
        acquired_lock(tmp_path / "lock", BUSY, 60.0)
    with pytest.raises(NoLocksError), sole_writer(tmp_path / "store"):
        pytest.fail("written without a lock")
    with pytest.raises(NoLocksError), sole_changer():
        pytest.fail("changed without a lock")
    atomic_bytes(tmp_path / "results", b"written all the same")
    assert (tmp_path / "results").read_bytes() == b"written all the same"


def test_a_lock_that_another_holds_is_waited_for(tmp_path):
    with FileLock(tmp_path / "lock"), pytest.raises(MuscleFMError, match="busy"):
        acquired_lock(tmp_path / "lock", BUSY, 0.05)
    acquired_lock(tmp_path / "lock", BUSY).release()


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe"])
def test_a_lock_file_is_a_plain_file(tmp_path, kind):
    lock = tmp_path / "lock"
    (tmp_path / "precious").write_text("precious")
    if kind == "folder":
        lock.mkdir()
    elif kind == "pipe":
        os.mkfifo(lock)
    else:
        lock.symlink_to(tmp_path / ("precious" if kind == "link" else "elsewhere"))
    with pytest.raises(MuscleFMError, match="a link, a folder or a device"):
        acquired_lock(lock, BUSY)
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "elsewhere").exists()


def test_work_is_done_in_no_folder_of_the_users(tmp_path):
    (tmp_path / "mine").mkdir()
    for name in ("training.json", "plan.json"):
        (tmp_path / "mine" / name).write_text("[1]")
        with pytest.raises(MuscleFMError, match="holds other files"):
            claim_work_folder(tmp_path / "mine")
    claim_work_folder(tmp_path / "work")
    (tmp_path / "work" / "training.json").write_text("{}")
    check_work_folder(tmp_path / "work")
