"""A review kept on the disk: it comes back as it was, and no failure costs what was saved."""

import errno
import itertools
import json
import multiprocessing
import os
import random
import subprocess
import sys
import textwrap
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from made_regions import made_region

from musclefm.errors import MuscleFMError
from musclefm.review.muscle_slices import MuscleSlices
from musclefm.review.queue import ReviewQueue
from musclefm.review.session import ReviewSession
from musclefm.review.session_file import load_session, read_session, remove_session, save_session
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

REGIONS = tuple(made_region(region_id, 100.0 / region_id) for region_id in range(1, 6))
PROVENANCE = {
    "model": {"sha256": "a" * 64, "label_scheme": "thigh-11"},
    "input": {"sha256": "b" * 64},
}
GRID = Grid((6, 40, 40), (1.0, 1.0, 5.0), (3.5, -2.0, 80.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def labels(seed):
    """Return labels that hardly compress, so that writing them takes a while."""
    values = np.random.default_rng(seed).integers(0, 23, GRID.shape, np.uint8)
    return Volume(values, GRID)


def review(**fields):
    return ReviewSession.of(ReviewQueue(REGIONS), PROVENANCE, **fields)


@pytest.fixture
def queue():
    queue = ReviewQueue(REGIONS)
    queue.next()
    queue.add_seconds(12.5)
    queue.accept()
    queue.toggle_flag()
    queue.skip()
    queue.mark_corrected({4})
    return queue


def same(one, other):
    return np.array_equal(one.array, other.array) and one.grid.matches(other.grid, 1e-9)


def test_nothing_was_saved_yet(tmp_path):
    assert load_session(tmp_path) is None
    assert load_session(tmp_path / "missing") is None
    remove_session(tmp_path)


def test_what_was_carried_and_not_seen_comes_back(tmp_path, queue):
    unseen = (MuscleSlices(3, (1, 2)), MuscleSlices(14, (30,), 0))
    save_session(tmp_path, ReviewSession.of(queue, PROVENANCE, unseen=unseen), labels(1))
    assert read_session(tmp_path).unseen == unseen
    document = json.loads((tmp_path / "session.json").read_text())
    del document["session"]["unseen"]
    (tmp_path / "session.json").write_text(json.dumps(document))
    assert read_session(tmp_path).unseen == (), "a review of an earlier version"


def test_what_was_visited_comes_back(tmp_path, queue):
    session = ReviewSession.of(queue, PROVENANCE, visited_slices={4, 3}, visited_muscles={14})
    save_session(tmp_path, session, labels(1))
    found = read_session(tmp_path)
    assert (found.visited_slices, found.visited_muscles) == ((3, 4), (14,))
    document = json.loads((tmp_path / "session.json").read_text())
    del document["session"]["visited_slices"], document["session"]["visited_muscles"]
    (tmp_path / "session.json").write_text(json.dumps(document))
    assert read_session(tmp_path).visited_slices == (), "a review of an earlier version"


def test_a_review_comes_back_as_it_was_left(tmp_path, queue):
    save_session(tmp_path, ReviewSession.of(queue, PROVENANCE, reader="R7"), labels(1))
    session, found = load_session(tmp_path)
    assert found.array.dtype == np.uint8
    assert same(found, labels(1))
    restored = session.queue(REGIONS)
    assert restored.entries == queue.entries
    assert restored.position == queue.position == 2
    assert restored.share_done == queue.share_done
    assert session.reader == "R7"
    assert session.stored_sample is None
    assert datetime.now(timezone.utc) - session.saved_at < timedelta(minutes=1)


def test_a_review_of_another_order_resumes_at_the_same_region(queue):
    session = ReviewSession.of(queue, PROVENANCE)
    other = tuple(reversed(session.entries))
    place = len(other) - 1 - session.position
    moved = session.model_copy(update={"entries": other, "position": place})
    assert moved.queue(REGIONS).current == queue.current


def test_labels_come_back_on_their_grid_in_any_orientation(
    tmp_path, oblique_volume, stored_48_ways
):
    sided = oblique_volume.with_array((oblique_volume.array // 40).clip(0, 22).astype(np.uint8))
    for stored in stored_48_ways(sided):
        save_session(tmp_path, review(), stored)
        _, found = load_session(tmp_path)
        assert same(found, stored)


def test_labels_without_any_muscle_are_kept_too(tmp_path):
    empty = Volume(np.zeros(GRID.shape, np.uint8), GRID)
    save_session(tmp_path, review(), empty)
    assert same(load_session(tmp_path)[1], empty)


def test_each_save_replaces_the_last_and_the_folder_does_not_fill(tmp_path):
    (tmp_path / "labels.nii.gz").write_bytes(b"results")
    (tmp_path / ".session.json.0a1b2c3d.partial").write_bytes(b"of a process that was killed")
    for seed in (1, 2, 2, 3):
        save_session(tmp_path, review(reader=str(seed)), labels(seed))
    session, found = load_session(tmp_path)
    assert (session.reader, same(found, labels(3))) == ("3", True)
    names = {path.name for path in tmp_path.iterdir()}
    assert len(names) == 3 and {"labels.nii.gz", "session.json"} < names

    remove_session(tmp_path)
    assert load_session(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == ["labels.nii.gz"]


def test_the_labels_are_not_written_again_where_only_a_status_changed(tmp_path):
    save_session(tmp_path, review(), labels(1))
    (written,) = tmp_path.glob("session-labels-*")
    before = written.stat()
    save_session(tmp_path, review(reader="R7"), labels(1))
    assert written.stat().st_mtime_ns == before.st_mtime_ns
    assert load_session(tmp_path)[0].reader == "R7"


def save_for_ever(folder, first):
    for seed in itertools.count(first):
        save_session(folder, review(reader=str(seed)), labels(seed))


@pytest.mark.skipif(sys.platform == "win32", reason="forking is POSIX")
def test_a_process_killed_at_any_moment_leaves_a_whole_review(tmp_path):
    save_session(tmp_path, review(reader="0"), labels(0))
    rng = random.Random(3)
    context = multiprocessing.get_context("fork")
    for attempt in range(1, 41):
        first = 1000 * attempt
        process = context.Process(target=save_for_ever, args=(tmp_path, first), daemon=True)
        process.start()
        while int(read_session(tmp_path).reader) < first:
            time.sleep(0.001)
        time.sleep(rng.uniform(0.0, 0.02))
        process.kill()
        process.join()
        session, found = load_session(tmp_path)
        assert same(found, labels(int(session.reader)))
    save_session(tmp_path, review(), labels(1))
    assert len(list(tmp_path.iterdir())) == 2, "what killed processes left is not cleared away"


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_is_reported_in_one_line_and_the_last_review_stays(tmp_path):
    """A limit on the size of files fails at the same place as a full disk does."""
    save_session(tmp_path, review(reader="R7"), labels(1))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code = f"""
        import resource, signal, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_review_session import labels, review
        from musclefm.errors import MuscleFMError
        from musclefm.review.session_file import save_session

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
        try:
            save_session(Path({str(tmp_path)!r}), review(), labels(2))
        except MuscleFMError as error:
            sys.exit(str(error))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.stderr.startswith("the review is not saved, the disk is full"), done.stderr
    assert done.stderr.count("\n") == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("fault", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("name", ["session-labels", "session.json"])
def test_a_disk_that_refuses_either_file_costs_nothing(tmp_path, monkeypatch, fault, name):
    save_session(tmp_path, review(reader="R7"), labels(1))
    replace = Path.replace

    def refuse(self, target):
        if target.name.startswith(name):
            raise OSError(fault, os.strerror(fault), str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(MuscleFMError, match="the review is not saved") as raised:
        save_session(tmp_path, review(), labels(2))
    assert "\n" not in str(raised.value) and str(tmp_path) not in str(raised.value)
    monkeypatch.undo()
    session, found = load_session(tmp_path)
    assert (session.reader, same(found, labels(1))) == ("R7", True)


@pytest.mark.parametrize("version", [0, 2])
def test_another_version_is_said_in_words(tmp_path, version):
    save_session(tmp_path, review(), labels(1))
    file = tmp_path / "session.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema_version": version}))
    with pytest.raises(MuscleFMError, match=f"has format {version}, and this version") as raised:
        load_session(tmp_path)
    assert "\n" not in str(raised.value)


def test_what_was_damaged_is_refused_in_one_line(tmp_path):
    save_session(tmp_path, review(), labels(1))
    file = tmp_path / "session.json"
    (stored,) = tmp_path.glob("session-labels-*")
    text, voxels = file.read_bytes(), stored.read_bytes()
    document = json.loads(text)
    escaping = {**document, "labels_file": "../../etc/passwd"}
    faults = (
        b"",
        b"[]",
        b"[" * 100_000,
        b"\xff",
        text[:-30],
        b'{"schema_version": 1}',
        json.dumps(escaping).encode(),
    )
    for fault in faults:
        file.write_bytes(fault)
        with pytest.raises(MuscleFMError, match="the saved review is damaged") as raised:
            load_session(tmp_path)
        assert "\n" not in str(raised.value)
    file.write_bytes(text)
    stored.write_bytes(voxels[:-1] + b"x")
    with pytest.raises(MuscleFMError, match="its labels were changed"):
        load_session(tmp_path)
    stored.unlink()
    with pytest.raises(MuscleFMError, match="its labels are missing"):
        load_session(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no FIFOs")
@pytest.mark.parametrize("pattern", ["session.json", "session-labels-*"])
def test_nobody_waits_for_a_fifo_in_place_of_a_review(tmp_path, pattern):
    save_session(tmp_path, review(), labels(1))
    (path,) = tmp_path.glob(pattern)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(MuscleFMError, match="it is a FIFO"):
        load_session(tmp_path)


def test_a_review_belongs_to_one_model_and_one_image():
    session = review()
    assert session.belongs_to(PROVENANCE)
    for part, field, value in (
        ("model", "sha256", "c" * 64),
        ("input", "sha256", "c" * 64),
        ("model", "label_scheme", "thigh-12"),
    ):
        other = {**PROVENANCE, part: {**PROVENANCE[part], field: value}}
        assert not session.belongs_to(other)


def test_a_review_of_other_regions_is_refused():
    with pytest.raises(MuscleFMError, match="other flagged regions"):
        review().queue(REGIONS[:-1])


def test_only_voxels_of_labels_are_saved(tmp_path):
    with pytest.raises(ValueError, match="uint8"):
        save_session(tmp_path, review(), labels(1).with_array(np.zeros(GRID.shape, np.float32)))
    assert not list(tmp_path.iterdir())
