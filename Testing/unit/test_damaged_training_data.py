"""Damage to one stored sample, or to what a training keeps, ends no training."""

import gzip
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from made_training import CPU, labelled_case, made_store, plan_of, same
from test_learn import RECIPE
from tiny_ensemble import SCHEME, tiny_bundle

from musclefm.cli.main import main
from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError, MuscleFMWarning
from musclefm.models.registry import find_bundle
from musclefm.progress import silent
from musclefm.training.data.dataset import read_cases, read_held_out
from musclefm.training.learning.folder import LearningFolder
from musclefm.training.learning.learn import learn
from musclefm.training.learning.status import learning_status
from musclefm.training.train import train_ensemble
from musclefm.volumes.stored import read_stored
from musclefm.volumes.writing import write_volume

SUBJECTS = 5
pytestmark = pytest.mark.filterwarnings("always::musclefm.errors.MuscleFMWarning")


@pytest.fixture
def store(tmp_path: Path) -> CorrectionStore:
    return CorrectionStore(made_store(tmp_path / "store", SUBJECTS))


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])


def other_voxels(file: Path) -> None:
    volume = read_stored(file, "a file")
    write_volume(volume.with_array(volume.array + 1), file)


def fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def link(file: Path) -> None:
    file.rename(file.with_suffix(".moved"))
    file.symlink_to(file.with_suffix(".moved"))


def forged(store: CorrectionStore, name: str, content: bytes) -> str:
    """Replace the labels of a sample, with hashes that fit, and return its new id."""
    folder = store.folder / "samples" / name
    (folder / "labels.nrrd").write_bytes(content)
    record = json.loads((folder / "sample.json").read_bytes())
    record["labels"] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    text = (json.dumps(record) + "\n").encode()
    (folder / "sample.json").write_bytes(text)
    new = f"{name.split('-')[0]}-{hashlib.sha256(text).hexdigest()[:16]}"
    folder.rename(folder.with_name(new))
    return new


@pytest.mark.parametrize("file", ["labels.nrrd", "image-image.nrrd"])
@pytest.mark.parametrize("damage", [Path.unlink, cut_short, other_voxels, fifo, link])
def test_a_sample_with_damaged_voxels_is_left_out_with_a_line(store, damage, file):
    name = store.ids()[1]
    damage(store.folder / "samples" / name / file)
    with pytest.warns(MuscleFMWarning) as said:
        cases = list(read_cases(store.folder, SCHEME))
    (line,) = (str(warning.message) for warning in said)
    assert name in line and "musclefm corrections verify" in line and file in line
    subject = store.sample(name).record.subject_key
    assert len(cases) == SUBJECTS - 1 and subject not in {case.subject for case in cases}


@pytest.mark.parametrize("kind", ["shape", "bad gzip", "no NRRD"])
def test_voxels_that_fit_their_hash_and_nothing_else_are_left_out_too(store, tmp_path, kind):
    name = store.ids()[0]
    file = store.folder / "samples" / name / "labels.nrrd"
    content = file.read_bytes()
    if kind == "shape":
        volume = read_stored(file, "labels")
        grid = volume.grid.__class__(**{**vars(volume.grid), "shape": (2, *volume.array.shape[1:])})
        write_volume(volume.__class__(volume.array[:2], grid), tmp_path / "other.nrrd")
        content = (tmp_path / "other.nrrd").read_bytes()
    elif kind == "bad gzip":
        head, _, _ = content.partition(b"\n\n")
        content = head + b"\n\n" + gzip.compress(b"few")[:-3]
    else:
        content = b"no voxels at all"
    new = forged(store, name, content)
    with pytest.warns(MuscleFMWarning, match=new):
        assert len(list(read_cases(store.folder, SCHEME))) == SUBJECTS - 1


def test_where_nothing_is_left_the_first_fault_is_the_error(store):
    for name in store.ids():
        cut_short(store.folder / "samples" / name / "labels.nrrd")
    with (
        pytest.warns(MuscleFMWarning),
        pytest.raises(MuscleFMError, match=r"labels\.nrrd has changed"),
    ):
        list(read_cases(store.folder, SCHEME))


def test_cases_that_are_held_out_are_read_twice_and_said_once(store):
    name = store.ids()[0]
    cut_short(store.folder / "samples" / name / "labels.nrrd")
    with pytest.warns(MuscleFMWarning) as said:
        assert list(read_held_out(store.folder, SCHEME, 0.4))
    assert len(said) == 1


def test_a_learning_goes_on_without_it_and_takes_it_once_it_is_restored(
    store, tmp_path, monkeypatch
):
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
    tiny_bundle(tmp_path / "home" / "models" / "tiny", members=1)
    store.add(labelled_case(SUBJECTS), subject="one more")
    folder = LearningFolder(tmp_path / "learning")
    model = find_bundle("tiny")
    name = store.ids()[0]
    file = store.folder / "samples" / name / "labels.nrrd"
    sound = file.read_bytes()
    cut_short(file)
    assert learning_status(store, model, folder).samples == SUBJECTS + 1, "all files were read"
    with pytest.warns(MuscleFMWarning) as said:
        first = learn(store, model, RECIPE, folder, CPU, silent)
    assert [name in str(warning.message) for warning in said] == [True]
    status = learning_status(store, model, folder)
    assert (status.state, status.up_to_date, status.samples) == ("finished", True, SUBJECTS)
    assert any(name in line for line in status.left_out)
    assert learn(store, model, RECIPE, folder, CPU, pytest.fail) == first

    file.write_bytes(sound)
    status = learning_status(store, model, folder)
    assert (status.up_to_date, status.samples, status.left_out) == (False, SUBJECTS + 1, ())
    second = learn(store, model, RECIPE, folder, CPU, silent)
    assert second.new.sha256 != first.new.sha256


def test_an_export_of_all_leaves_it_out_and_one_by_name_does_not(store, tmp_path, capsys):
    name = store.ids()[0]
    cut_short(store.folder / "samples" / name / "labels.nrrd")
    export = ["corrections", "export", "--store", str(store.folder), "--format"]
    for form in ("nifti", "monai"):
        assert main([*export, form, "--out", str(tmp_path / form)]) == 0
        assert name in capsys.readouterr().err
    assert len(list((tmp_path / "nifti").iterdir())) == SUBJECTS - 1
    assert main([*export, "nifti", name, "--out", str(tmp_path / "named")]) == 2
    assert "is damaged" in capsys.readouterr().err and not (tmp_path / "named").exists()


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def another_shape(file: Path) -> None:
    np.save(file, np.zeros((3, 2), np.float16))


def one_bit_flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 4
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("version-0-0.npy", cut_short),
        ("version-0-0.npy", one_bit_flipped),
        ("version-0-0.npy", another_shape),
        ("version-0-1.npy", Path.unlink),
        ("version-0-labels.npy", fifo),
        ("version-0.done", emptied),
    ],
)
def test_damaged_embeddings_are_made_anew(tmp_path, store, file, damage):
    tiny = tiny_bundle(tmp_path / "tiny", members=1)

    def stop(event):
        if event.stage == "train" and event.done >= 1:
            raise KeyboardInterrupt

    def run(name, progress=silent):
        plan = plan_of(tmp_path / name, tiny, store.folder, trained="decoder", views=1, epochs=2)
        return train_ensemble(plan, CPU, progress)

    with pytest.raises(KeyboardInterrupt):
        run("stopped", stop)
    shutil.copytree(tmp_path / "stopped", tmp_path / "sound")
    (kept,) = (tmp_path / "stopped" / "work" / "embeddings").iterdir()
    damage(kept / file)
    with pytest.warns(MuscleFMWarning, match="embeddings are damaged") as said:
        bundle = run("stopped")
    assert len(said) == 1
    assert same(bundle.load_member(0).state_dict(), run("sound").load_member(0).state_dict()), (
        "other embeddings were made"
    )
