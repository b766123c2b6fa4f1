"""The store of corrections: what is put in comes out, and later work never replaces earlier."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from made_corrections import GRID, content, corrected_case

from musclefm.corrections.case import CorrectedCase, Reviewed
from musclefm.corrections.record import schema_text
from musclefm.corrections.review_log import ReviewLog
from musclefm.corrections.store import CorrectionStore, default_store_folder
from musclefm.errors import MuscleFMError
from musclefm.review.findings import FlaggedRegion
from musclefm.review.muscle_slices import MuscleSlices
from musclefm.review.queue import ReviewQueue
from musclefm.storage.resources import resource_folder
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume


@pytest.fixture
def store(tmp_path):
    return CorrectionStore(tmp_path / "deep" / "store")


def assert_same_case(one, other):
    assert list(one.channels) == list(other.channels)
    pairs = [(one.channels[name], other.channels[name]) for name in one.channels]
    pairs += [(one.labels, other.labels), (one.model_labels, other.model_labels)]
    pairs += [(one.uncertainty, other.uncertainty)]
    for mine, theirs in pairs:
        assert mine.grid == theirs.grid
        assert mine.array.dtype == theirs.array.dtype
        np.testing.assert_array_equal(mine.array, theirs.array)
    for name in ("reviewed", "scheme", "review", "provenance"):
        assert getattr(one, name) == getattr(other, name)


def test_a_case_comes_back_as_it_was_stored(store):
    case = corrected_case(reviewed=Reviewed("slices", slices=(0, 3), slice_axis=2))
    stored = store.add(case)
    assert_same_case(store.load(stored.id), case)
    assert store.samples() == (stored,) == store.newest()
    assert store.sample(stored.id) == stored
    assert stored.record.saved_at.utcoffset().total_seconds() == 0


@pytest.mark.parametrize("without", ["model_labels", "uncertainty", "review", "provenance"])
def test_what_is_not_known_may_be_left_out(store, without):
    nothing = {} if without == "provenance" else None
    case = corrected_case(**{without: nothing})
    assert getattr(store.load(store.add(case).id), without) == nothing


def test_every_order_and_direction_of_axes_keeps_its_grid(store, oblique_volume, stored_48_ways):
    for volume in list(stored_48_ways(oblique_volume))[::6]:
        labels = volume.with_array((volume.array > 300).astype(np.uint8))
        case = CorrectedCase({"image": volume}, labels, Reviewed("all"), "thigh-11")
        loaded = store.load(store.add(case).id)
        assert loaded.grid == volume.grid == loaded.labels.grid
        np.testing.assert_array_equal(loaded.channels["image"].array, volume.array)
        np.testing.assert_array_equal(loaded.labels.array, labels.array)


class TestRefused:
    def test_labels_on_another_grid(self):
        moved = dataclasses.replace(GRID, origin=(0.0, 0.0, 0.0))
        case = corrected_case()
        for name in ("labels", "model_labels", "uncertainty"):
            volume = Volume(getattr(case, name).array, moved)
            with pytest.raises(MuscleFMError, match="different grids"):
                dataclasses.replace(case, **{name: volume})

    def test_an_unknown_scheme_and_labels_of_another(self):
        with pytest.raises(MuscleFMError, match="unknown label scheme"):
            corrected_case(scheme="calf-7")
        case = corrected_case()
        for name in ("labels", "model_labels"):
            volume = case.labels.with_array(np.full(GRID.shape, 23, np.uint8))
            with pytest.raises(MuscleFMError, match="does not name"):
                dataclasses.replace(case, **{name: volume})
            dataclasses.replace(case, **{name: volume}, scheme="thigh-12")

    @pytest.mark.parametrize(
        "reviewed",
        [
            Reviewed("slices", slices=(0, 4)),
            Reviewed("slices", slices=(-1,)),
            Reviewed("slices", slices=(16,), slice_axis=0),
            Reviewed("muscles", muscles=(23,)),
            Reviewed("muscles", muscles=(0,)),
            Reviewed("all", unseen=(MuscleSlices(3, (4,)),)),
            Reviewed("all", unseen=(MuscleSlices(3, (16,), 0),)),
            Reviewed("all", unseen=(MuscleSlices(23, (0,)),)),
        ],
    )
    def test_review_of_what_is_not_there(self, reviewed):
        with pytest.raises(MuscleFMError, match="are not"):
            corrected_case(reviewed=reviewed)

    def test_a_folder_without_a_store(self, store):
        for ask in (store.samples, store.newest, store.ids, lambda: store.load("x")):
            with pytest.raises(MuscleFMError, match="no store of corrections"):
                ask()
        assert not store.folder.parent.exists()

    def test_a_folder_of_other_things(self, tmp_path):
        (tmp_path / "thesis.txt").write_text("mine")
        with pytest.raises(MuscleFMError, match="holds other things"):
            CorrectionStore(tmp_path).add(corrected_case())
        assert content(tmp_path) == {"thesis.txt": b"mine"}

    def test_a_file_in_place_of_the_folder(self, tmp_path):
        (tmp_path / "store").write_text("mine")
        for place in (tmp_path / "store", tmp_path / "store" / "inner"):
            with pytest.raises(MuscleFMError, match="cannot be written"):
                CorrectionStore(place).add(corrected_case())
            with pytest.raises(MuscleFMError, match=r"cannot be read|no store"):
                CorrectionStore(place).samples()
        assert content(tmp_path) == {"store": b"mine"}

    @pytest.mark.parametrize("name", ["", ".", "..", "../samples", "no such id"])
    def test_an_id_that_is_none(self, store, name):
        store.add(corrected_case())
        before = content(store.folder)
        for ask in (store.load, store.sample, store.remove, store.training_labels):
            with pytest.raises(MuscleFMError, match="no sample of this id"):
                ask(name)
        assert content(store.folder) == before

    def test_a_store_whose_salt_is_lost(self, store):
        """A new salt would part new samples from the old ones of the same case."""
        stored = store.add(corrected_case())
        (store.folder / "store.json").unlink()
        before = content(store.folder)
        with pytest.raises(MuscleFMError, match=r"no store\.json"):
            store.add(corrected_case())
        assert content(store.folder) == before
        assert store.samples() == (stored,)


def test_a_damaged_sample_does_not_hide_the_others(store):
    first, second = store.add(corrected_case(1)), store.add(corrected_case(2))
    path = store.folder / "samples" / first.id / "sample.json"
    path.write_bytes(path.read_bytes()[:-9])
    assert store.samples() == (second,) == store.newest()
    (error,) = store.damaged()
    assert first.id in str(error) and "sample.json" in str(error)
    for ask in (store.sample, store.load, store.training_labels):
        with pytest.raises(MuscleFMError, match=f"sample {first.id} is damaged"):
            ask(first.id)
    store.remove(first.id)
    assert not store.damaged() and store.ids() == (second.id,)


def test_damaged_voxels_are_never_handed_out(store):
    stored = store.add(corrected_case())
    path = store.folder / "samples" / stored.id / "labels.nrrd"
    raw = bytearray(path.read_bytes())
    raw[-20] ^= 4
    path.write_bytes(raw)
    with pytest.raises(MuscleFMError, match=rf"{stored.id} is damaged \(labels.nrrd"):
        store.load(stored.id)


def test_a_review_is_taken_down_from_the_queue():
    regions = [
        FlaggedRegion(
            number, "left", ("gracilis",), (7,), 10, 10.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0),
            (0, 1, 0, 1, 0, 1), (0, 1), 2, 0.5, 0.75, 100.0 - number,
        )
        for number in (1, 2, 3)
    ]  # fmt: skip
    queue = ReviewQueue(regions)
    queue.next()
    queue.add_seconds(2.5)
    queue.toggle_flag()
    queue.accept()
    queue.add_seconds(4.0)
    queue.mark_corrected({2})
    log = ReviewLog.of(queue, "reader-7")
    assert log.reader == "reader-7" and log.seconds == 6.5
    assert [(x.region_id, x.status, x.flagged, x.seconds) for x in log.entries] == [
        (1, "accepted", True, 2.5), (2, "corrected", False, 4.0), (3, "to do", False, 0.0),
    ]  # fmt: skip
    assert {(x.side, x.label_ids) for x in log.entries} == {("left", (7,))}


def test_the_usual_place_is_the_users_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path))
    assert default_store_folder() == tmp_path / "corrections" == CorrectionStore().folder


def test_no_part_of_it_waits_for_torch():
    """The Slicer module stores corrections from a Python that has no torch."""
    code = (
        "import sys, pkgutil, importlib, musclefm.corrections as package\n"
        "for module in pkgutil.iter_modules(package.__path__, 'musclefm.corrections.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(sum(name.startswith('musclefm.corrections.') for name in sys.modules))\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 7


def test_committed_schema_is_the_records_own():
    committed = (resource_folder() / "Schemas" / "sample.schema.json").read_text("utf-8")
    assert committed == schema_text(), (
        "write musclefm.corrections.record.schema_text() to Resources/Schemas/sample.schema.json"
    )


def test_grid_of_a_record_keeps_every_digit(store):
    third = 1 / 3
    grid = Grid((4, 18, 16), (third, third * 2, 7.1), (third, -third, 1e-17), GRID.direction)
    stored = store.add(corrected_case(grid=grid))
    assert store.sample(stored.id).record.grid == grid == store.load(stored.id).grid
