"""The store of corrections survives kills, full disks and many writers, and sees flipped bits."""

import contextlib
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_corrections import content, corrected_case, save_many, save_slowly

from musclefm.corrections import access
from musclefm.corrections.store import CorrectionStore
from musclefm.corrections.verification import verify_sample, verify_store
from musclefm.errors import MuscleFMError

HERE = Path(__file__).parent
KILLS = 180


@pytest.fixture
def store(tmp_path):
    return CorrectionStore(tmp_path / "store")


@pytest.fixture
def processes():
    """Return a function that starts a process, which does not outlive the test."""
    context = multiprocessing.get_context("spawn")
    started = []

    def start(target, *arguments):
        started.append(context.Process(target=target, args=arguments))
        started[-1].start()
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.join()


def half_written(store):
    return list((store.folder / "samples").glob(".*"))


def test_a_saver_killed_at_any_moment_leaves_a_whole_sample_or_none(tmp_path):
    """The savers are forked by a process without torch, so that they start at once."""
    script = [sys.executable, HERE / "killed_savers.py", tmp_path, str(KILLS), "11"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # The moments must have been before, while and after files were written.
    assert found["killed"] > KILLS / 4
    assert found["half written"] > KILLS / 20
    assert found["stored"] > 0
    assert found["faults"] == []
    assert found["lost"] == 0
    assert found["hidden at the end"] == []
    assert found["earlier are as before"]
    assert found["new stores that work"] == found["new stores"] == KILLS // 12


@contextlib.contextmanager
def files_of_at_most(size):
    """Let writing fail as on a full disk, as soon as a file grows larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_all_as_it_was_whichever_file_it_meets(store):
    stored = store.add(corrected_case(1))
    folder = store.folder / "samples" / stored.id
    sizes = sorted({path.stat().st_size for path in folder.iterdir()})
    assert len(sizes) >= 5
    before = content(store.folder)
    for size in (10, *(size - 40 for size in sizes)):
        with files_of_at_most(size), pytest.raises(MuscleFMError, match="disk is full"):
            store.add(corrected_case(1))
        assert content(store.folder) == before
    assert not list(verify_store(store))
    store.add(corrected_case(1))


@pytest.mark.parametrize("size", [10, 1000])
def test_a_disk_that_is_full_from_the_start_gets_no_store(tmp_path, size):
    with files_of_at_most(size), pytest.raises(MuscleFMError, match="disk is full"):
        CorrectionStore(tmp_path / "deep" / "store").add(corrected_case())
    assert not list(tmp_path.iterdir())


def test_an_interrupted_saver_leaves_nothing(store, monkeypatch):
    from musclefm.corrections import store as module

    store.add(corrected_case(1))
    before = content(store.folder)
    write = module.atomic_bytes

    def interrupted(path, data):
        if path.name == "sample.json":
            raise KeyboardInterrupt
        write(path, data)

    monkeypatch.setattr(module, "atomic_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.add(corrected_case(2))
    assert content(store.folder) == before


class TestSeveralWriters:
    def test_none_overwrites_another(self, store, processes):
        """They start with no store at all, and three of the four correct the same case."""
        each = 6
        seeds = ([1] * each, [1] * each, [1] * each, list(range(2, 2 + each)))
        writers = [processes(save_many, store.folder, list_of_seeds) for list_of_seeds in seeds]
        for writer in writers:
            writer.join(120)
            assert writer.exitcode == 0
        samples = store.samples()
        assert len(samples) == 4 * each
        assert not list(verify_store(store)) and not half_written(store)
        keys = [sample.record.case_key for sample in samples]
        same = [sample for sample in samples if keys.count(sample.record.case_key) > 1]
        assert len(same) == 3 * each and len(set(keys)) == 1 + each
        # Each but the first corrects the one before it, whoever stored that.
        assert [x.record.parent for x in same] == [None, *(x.id for x in same[:-1])]
        for sample in same:
            np.testing.assert_array_equal(
                store.load(sample.id).labels.array, corrected_case(1).labels.array
            )

    def test_a_group_can_share_a_store_in_a_folder_that_it_made(self, store):
        before = os.umask(0o002)
        try:
            store.folder.mkdir(parents=True)
            store.add(corrected_case())
        finally:
            os.umask(before)
        for path in (store.folder, *store.folder.rglob("*")):
            assert path.stat().st_mode & 0o060 == 0o060, path.name

    @pytest.fixture
    def slow_writer(self, store, processes):
        """Return a writer in the middle of its work, and what lets it go on."""
        context = multiprocessing.get_context("spawn")
        begun, go_on = context.Event(), context.Event()
        writer = processes(save_slowly, store.folder, begun, go_on)
        assert begun.wait(60)
        assert len(half_written(store)) == 1
        return writer, go_on

    def test_what_a_living_writer_has_half_written_stays(self, store, slow_writer, monkeypatch):
        writer, go_on = slow_writer
        monkeypatch.setattr(access, "_TIMEOUT_S", 0.3)
        with pytest.raises(MuscleFMError, match="busy"):
            store.add(corrected_case(1))
        assert len(half_written(store)) == 1
        # Readers need not wait, and see nothing of it.
        assert store.samples() == () and not list(verify_store(store))
        go_on.set()
        writer.join(60)
        assert writer.exitcode == 0 and not half_written(store)
        (stored,) = store.samples()
        assert not verify_sample(store, stored.id)
        assert len(store.load(stored.id).channels) == 2
        store.add(corrected_case(1))
        assert len(store.samples()) == 2

    def test_what_a_killed_writer_has_half_written_goes(self, store, slow_writer):
        writer, _ = slow_writer
        writer.kill()
        writer.join(60)
        assert len(half_written(store)) == 1 and store.samples() == ()
        stored = store.add(corrected_case(1))
        assert not half_written(store) and store.samples() == (stored,)


class TestVerification:
    @pytest.fixture
    def filled(self, store):
        return [store.add(corrected_case(seed)).id for seed in (1, 2)]

    def test_a_sound_store_has_no_fault(self, store, filled):
        assert list(verify_store(store)) == []

    def test_any_flipped_bit_is_found_with_its_sample_and_file(self, store, filled):
        rng = np.random.default_rng(5)
        for path in sorted((store.folder / "samples").rglob("*.*")):
            if path.is_dir():
                continue
            raw = path.read_bytes()
            bits = range(0, 8 * len(raw), 61) if path.suffix == ".json" else ()
            for bit in {*bits, 0, 8 * len(raw) - 1, *rng.integers(8 * len(raw), size=40).tolist()}:
                path.write_bytes(flipped(raw, bit))
                faults = verify_sample(store, path.parent.name)
                assert [(x.sample, path.name in x.what) for x in faults] == [
                    (path.parent.name, True)
                ], (path.name, bit)
            assert [x.sample for x in verify_store(store)] == [path.parent.name]
            path.write_bytes(raw)
        assert list(verify_store(store)) == []

    def test_any_flipped_bit_of_the_store_itself_is_found(self, store):
        store.remove(store.add(corrected_case(1)).id)
        path = store.folder / "store.json"
        raw = path.read_bytes()
        for bit in range(0, 8 * len(raw), 7):
            path.write_bytes(flipped(raw, bit))
            (fault,) = verify_store(store)
            assert fault.sample == "" and "store.json" in fault.what
        with pytest.raises(MuscleFMError, match=r"store\.json"):
            store.add(corrected_case(1))

    @pytest.mark.parametrize("name", ["labels.nrrd", "image-fat.nrrd", "sample.json"])
    @pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"")])
    def test_a_lost_or_emptied_file_is_found(self, store, filled, name, harm):
        harm(store.folder / "samples" / filled[1] / name)
        (fault,) = verify_store(store)
        assert fault.sample == filled[1] and name in fault.what

    def test_files_of_another_sample_are_found(self, store, filled):
        first, second = (store.folder / "samples" / name for name in filled)
        shutil.copy(first / "labels.nrrd", second / "labels.nrrd")
        assert [x.sample for x in verify_store(store)] == [filled[1]]
        shutil.copy(first / "sample.json", second / "sample.json")
        assert [x.sample for x in verify_store(store)] == [filled[1]]

    def test_a_renamed_folder_is_found(self, store, filled):
        name = "0" * 8 + filled[0][8:]
        (store.folder / "samples" / filled[0]).rename(store.folder / "samples" / name)
        (fault,) = verify_store(store)
        assert fault.sample == name and "renamed" in fault.what


def flipped(raw, bit):
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)
