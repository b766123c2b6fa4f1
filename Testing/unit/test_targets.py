"""No command writes over what lies in the folder or file that it is given for its results."""

import json
import os

import pytest
from tiny_ensemble import tiny_bundle

from musclefm.cli.main import main
from musclefm.volumes.writing import write_volume

COMMANDS = {
    "segment": "segment {scan} --out {out} --model {model}",
    "demo": "demo --out {out}",
    "evaluate": "evaluate {scans} {scans} --out {out}",
    "export": "export --case {out} --format nifti --out {out}",
    "corrections export": "corrections export --store {store} --format nifti --out {out}",
    "models export": "models export {model} --out {out}",
    "worklist": "worklist {scans} --out {out} --model {model}",
    "train": "train --model {model} --data {store} --out {out}",
    "train --work": "train --model {model} --data {store} --out {new} --work {out}",
    "learn": "learn --model {model} --store {store} --out {out}",
    "phantom": "phantom --out {out}",
    "train-demo": "train-demo --out {out}",
    "train-demo --work": "train-demo --out {new} --work {out} --steps 1",
}
FILES = {
    "compare": "compare {model} {model} --out {file}",
    "evaluate": "evaluate {scans} {scans} --out {file}",
    "models export": "models export {model} --out {file}.zip",
    "segment": "segment {scan} --out {file} --model {model}",
    "phantom": "phantom --out {file}",
    "worklist": "worklist {scans} --out {file} --model {model}",
}
MINE = (
    "labels.nii.gz", "report.html", "fat_fraction.nii.gz", "water.nii.gz", "training.json",
    "comparison.json", "model.json", "plan.json", "learning.json", "provenance.json",
)  # fmt: skip


def content(folder):
    return {x.relative_to(folder): x.is_file() and x.read_bytes() for x in folder.rglob("*")}


@pytest.fixture
def places(tmp_path, monkeypatch, oblique_volume):
    """Return a user's folder with files of names that commands write, and much else."""
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
    user = tmp_path / "user"
    (user / "out").mkdir(parents=True)
    (user / "scans").mkdir()
    for name in MINE:
        (user / "out" / name).write_text(json.dumps({"mine": name}))
    for name in ("file", "file.zip"):
        (user / name).write_text("mine")
    write_volume(oblique_volume, user / "scans" / "scan.nii.gz")
    tiny_bundle(tmp_path / "model", members=1)
    (tmp_path / "link").symlink_to(user / "out")
    return {
        "scan": user / "scans" / "scan.nii.gz", "scans": user / "scans", "out": user / "out",
        "file": user / "file", "new": tmp_path / "new", "model": tmp_path / "model",
        "store": tmp_path / "store", "user": user, "link": tmp_path / "link",
    }  # fmt: skip


def refused(command, places, capfd):
    before = content(places["user"])
    assert main([word.format(**places) for word in command.split()]) == 2
    said = capfd.readouterr().err
    assert said.startswith("musclefm: ") and said.count("\n") == 1, said
    assert said.endswith((": give a new or empty folder\n", "there yet\n", "another folder\n")), (
        said
    )
    assert content(places["user"]) == before
    assert not places["new"].exists()
    return said


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_of_the_users_is_refused(places, capfd, name):
    for out in ("{out}", "{link}", "{out}/../out"):
        refused(COMMANDS[name].replace("{out}", out), places, capfd)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_users_is_refused(places, capfd, name):
    refused(FILES[name], places, capfd)


def test_the_folder_of_the_scan_is_refused(places, capfd):
    command = "segment {scan} --out {scans} --model {model}"
    assert "give a new or empty folder" in refused(command, places, capfd)


def test_it_is_refused_before_the_image_is_read(places, capfd):
    os.truncate(places["scan"], 40)
    said = refused(COMMANDS["segment"], places, capfd)
    assert "not of MuscleFM" in said
