"""Samples that no reader saved: links, other files, records that do not fit."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_training import labelled_case
from tiny_ensemble import SCHEME, tiny_bundle

from musclefm.cli.main import main
from musclefm.corrections.access import STORE_FILE
from musclefm.corrections.case import Reviewed
from musclefm.corrections.store import CorrectionStore
from musclefm.corrections.verification import verify_store
from musclefm.errors import MuscleFMError
from musclefm.training.data.dataset import data_notes, read_cases
from musclefm.volumes.stored import read_stored
from musclefm.volumes.writing import write_volume


@pytest.fixture
def store(tmp_path: Path) -> CorrectionStore:
    store = CorrectionStore(tmp_path / "store")
    store.add(labelled_case(0), subject="one")
    return store


def folder_of(store: CorrectionStore) -> Path:
    (name,) = store.ids()
    return store.folder / "samples" / name


def forged(store: CorrectionStore, change: Callable[[dict[str, Any]], None]) -> str:
    """Change the record of the sample so that its id fits again."""
    folder = folder_of(store)
    record = json.loads((folder / "sample.json").read_bytes())
    change(record)
    content = (json.dumps(record) + "\n").encode()
    (folder / "sample.json").write_bytes(content)
    name = folder.name.split("-")[0] + "-" + hashlib.sha256(content).hexdigest()[:16]
    folder.rename(folder.with_name(name))
    return name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r["channels"].update({"secret": next(iter(r["channels"].values()))}), "damaged"),
        (lambda r: r["grid"].update(spacing=[0, 1, 1]), "damaged"),
        (lambda r: r["grid"].update(spacing=[-1, 1, 1]), "damaged"),
        (lambda r: r["grid"].update(direction=[1, 1, 1, 0, 1, 0, 0, 0, 1]), "damaged"),
        (lambda r: r["grid"].update(shape=[4, 26, 52]), "other voxels"),
        (lambda r: r["grid"].update(shape=[10**9, 10**9, 10**9]), "other voxels"),
        (lambda r: r.update(labels=3), "damaged"),
        (lambda r: r.update(format_version=2), "newer version.*update musclefm"),
        (lambda r: r["labels"].update(file="../../other.nrrd"), "damaged"),
        (lambda r: r["reviewed"].update(kind="slices", slices=[0], slice_axis=7), "damaged"),
    ],
)
def test_a_record_that_no_sample_has_is_refused_in_a_line(
    store: CorrectionStore, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    name = forged(store, change)
    with pytest.raises(MuscleFMError, match=words) as error:
        store.load(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["sample.json", "labels.nrrd"])
@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "device"])
def test_what_is_no_plain_file_is_neither_opened_nor_waited_for(
    store: CorrectionStore, file: str, kind: str
) -> None:
    path = folder_of(store) / file
    kept = path.with_name("kept")
    path.rename(kept)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(kept if kind == "link" else "/dev/zero")
    assert [fault.sample for fault in verify_store(store)] == [folder_of(store).name]
    with pytest.raises(MuscleFMError, match=folder_of(store).name):
        store.load(folder_of(store).name)


def test_voxels_outside_the_sample_are_found(store: CorrectionStore, tmp_path: Path) -> None:
    path = folder_of(store) / "labels.nrrd"
    head, voxels = path.read_bytes().split(b"\n\n", 1)
    outside = path.with_name("voxels.gz")
    outside.write_bytes(voxels)
    detached = head + b"\ndata file: voxels.gz\n\n"
    path.write_bytes(detached)

    def change(record: dict[str, Any]) -> None:
        record["labels"] |= {
            "bytes": len(detached),
            "sha256": hashlib.sha256(detached).hexdigest(),
        }

    name = forged(store, change)
    (fault,) = verify_store(store)
    assert fault.sample == name and "voxels elsewhere" in fault.what
    with pytest.raises(MuscleFMError, match="elsewhere"):
        store.load(name)


def test_a_sample_that_is_a_link_is_unlinked_and_not_followed(
    store: CorrectionStore, tmp_path: Path
) -> None:
    folder = folder_of(store)
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    with pytest.raises(MuscleFMError, match="link"):
        store.load(folder.name)
    before = sorted(path.name for path in elsewhere.iterdir())
    store.remove(folder.name)
    assert not folder.is_symlink() and store.ids() == ()
    assert sorted(path.name for path in elsewhere.iterdir()) == before


def test_one_damaged_sample_stops_no_other(store: CorrectionStore) -> None:
    damaged = folder_of(store)
    store.add(labelled_case(1), subject="two")
    (damaged / "sample.json").write_bytes(b"{}")
    (sound,) = store.samples()
    assert sound.id != damaged.name
    assert store.load(sound.id).labels.array.any()
    assert [fault.sample for fault in verify_store(store)] == [damaged.name]


class TestADamagedNewestSample:
    """An older one holds what a reader found wrong, and is not learned from in its place."""

    @pytest.fixture
    def versions(self, store: CorrectionStore) -> tuple[str, str, str]:
        """Return the ids of two versions of a case and of another case."""
        first = store.ids()[0]
        second = store.add(replace(labelled_case(0), reviewed=Reviewed("slices", (1,))))
        return first, second.id, store.add(labelled_case(1), subject="two").id

    def damage(self, store: CorrectionStore, name: str) -> None:
        (store.folder / "samples" / name / "sample.json").write_bytes(b"{}")

    def test_its_case_is_left_out_with_a_line(
        self, store: CorrectionStore, versions: tuple[str, str, str]
    ) -> None:
        first, second, other = versions
        assert {sample.id for sample in store.newest()} == {second, other}
        assert store.left_out() == data_notes(store.folder) == ()
        self.damage(store, second)
        assert [sample.id for sample in store.newest()] == [other]
        assert [case.subject for case in read_cases(store.folder, SCHEME)] == [
            store.sample(other).record.subject_key
        ]
        (line,) = data_notes(store.folder)
        assert second in line and "older samples too" in line and "remove" in line
        store.remove(second)
        assert {sample.id for sample in store.newest()} == {first, other}
        assert not store.left_out()

    def test_an_older_one_changes_nothing(
        self, store: CorrectionStore, versions: tuple[str, str, str]
    ) -> None:
        first, *newest = versions
        self.damage(store, first)
        assert {sample.id for sample in store.newest()} == set(newest)
        assert not store.left_out() and len(store.damaged()) == 1

    def test_the_commands_say_so(
        self,
        store: CorrectionStore,
        versions: tuple[str, str, str],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
        model = tiny_bundle(tmp_path / "home" / "models" / "tiny", members=1).folder
        self.damage(store, versions[1])
        folder, out = str(store.folder), str(tmp_path / "exported")
        assert main(["learn", "--status", "--store", folder, "--model", "tiny"]) == 0
        status = json.loads(capsys.readouterr().out)
        assert status["samples"] == 1 and versions[1] in status["left_out"][0]
        commands = (
            ["corrections", "export", "--store", folder, "--format", "nifti", "--out", out],
            ["learn", "--store", folder, "--model", "tiny", "--out", str(tmp_path / "learning")],
            ["train", "--data", folder, "--model", "tiny", "--out", str(tmp_path / "trained")],
            ["compare", str(model), str(model), "--data", folder, "--device", "cpu"],
        )
        for command in commands:
            main(command)
            assert versions[1] in capsys.readouterr().err, command[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"format_version": 7, "salt": ""}', "newer version.*update musclefm"),
        (b"{" * 50_000, "damaged"),
        (b" " * (1 << 20), "damaged"),
    ],
)
def test_a_store_that_is_newer_or_damaged_is_refused_with_its_remedy(
    store: CorrectionStore, content: bytes, words: str
) -> None:
    (store.folder / STORE_FILE).write_bytes(content)
    with pytest.raises(MuscleFMError, match=words):
        store.add(labelled_case(2))


@pytest.mark.parametrize("value", [float("nan"), -1.0, 1.5, 300.0])
def test_values_that_are_no_labels_are_never_made_some(
    store: CorrectionStore, value: float
) -> None:
    folder = folder_of(store)
    labels = read_stored(folder / "labels.nrrd", "the labels")
    array = labels.array.astype(np.float32)
    array[0, 0, 0] = value
    write_volume(labels.with_array(array), folder / "labels.nrrd")
    content = (folder / "labels.nrrd").read_bytes()
    written = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    name = forged(store, lambda record: record["labels"].update(written))
    with pytest.raises(MuscleFMError, match="holds values that are no labels"):
        store.load(name)


@pytest.mark.parametrize("model", ["name version", ["name"], 3, None])
def test_a_model_that_is_none_is_shown_as_unknown(
    store: CorrectionStore, capsys: pytest.CaptureFixture[str], model: object
) -> None:
    name = forged(store, lambda record: record.update(provenance={"model": model}))
    assert main(["corrections", "show", name, "--store", str(store.folder)]) == 0
    assert "Model                  unknown" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["samples", STORE_FILE])
def test_a_store_takes_nothing_from_elsewhere(
    store: CorrectionStore, tmp_path: Path, part: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (store.folder / part).rename(elsewhere)
    (store.folder / part).symlink_to(elsewhere)
    theirs = (elsewhere if elsewhere.is_dir() else tmp_path) / ".their.partial"
    theirs.write_bytes(b"")
    with pytest.raises(MuscleFMError, match=r"link|damaged"):
        store.add(labelled_case(1), subject="two")
    if part == "samples":
        with pytest.raises(MuscleFMError, match="link"):
            store.samples()
    else:
        assert [fault.sample for fault in verify_store(store)] == [""]
    assert theirs.exists()
