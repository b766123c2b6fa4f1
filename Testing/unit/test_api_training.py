"""Training and learning give the same by the commands and by the functions of the API."""

from dataclasses import replace

import pytest
from made_training import SHORT, made_store, same
from tiny_ensemble import tiny_bundle

import musclefm
from musclefm.cli.main import main
from musclefm.models.bundle import Bundle, open_bundle
from musclefm.training.recipe import RECIPES

CPU = {"device": "cpu", "precision": "fp32"}
OPTIONS = ["--device", "cpu", "--precision", "fp32", "--progress", "none"]


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
    return tiny_bundle(tmp_path / "tiny", members=1)


def assert_alike(one: Bundle, other: Bundle) -> None:
    left_out = {"name", "members"}
    assert one.manifest.model_dump(exclude=left_out) == other.manifest.model_dump(exclude=left_out)
    assert len(one.manifest.members) == len(other.manifest.members)
    for member in range(len(one.manifest.members)):
        assert same(one.load_member(member).state_dict(), other.load_member(member).state_dict())


def test_training_by_command_and_by_function(tmp_path, model):
    store = made_store(tmp_path / "store")
    recipe = replace(
        RECIPES["fast"], trained="full", slice_size=32, members=1, folds=2, epochs=1, batch=4,
        learning_rate=5e-3, held_out=0.0, seed=3,
    )  # fmt: skip
    made = musclefm.train(
        model, tmp_path / "by-function", data=store, recipe=recipe, version="7", **CPU
    )
    numbers = [
        f"--{name.replace('_', '-')}={getattr(recipe, name)}"
        for name in (
            "slice_size", "members", "folds", "epochs", "batch", "learning_rate", "held_out", "seed"
        )
    ]  # fmt: skip
    out = tmp_path / "by-command"
    command = ["train", "--model", str(model.folder), "--data", str(store), "--out", str(out)]
    assert main([*command, "--train", "full", "--version", "7", *numbers, *OPTIONS]) == 0
    assert_alike(made, open_bundle(out))


def test_learning_by_command_and_by_function(tmp_path, model, monkeypatch):
    store = made_store(tmp_path / "store", 5)
    monkeypatch.setitem(RECIPES, "fast", replace(SHORT, held_out=0.2, epochs=1))
    found = musclefm.learn(store=store, model=model, out=tmp_path / "by-function", **CPU)
    out = tmp_path / "by-command"
    command = ["learn", "--store", str(store), "--model", str(model.folder), "--out", str(out)]
    assert main([*command, *OPTIONS]) == 0
    assert_alike(
        *(open_bundle(tmp_path / by / "candidate") for by in ("by-function", "by-command"))
    )

    # It is done, so that the comparison of the command is read.
    def refuse(event):
        assert event.stage not in ("read", "train", "compare")

    assert musclefm.learn(store=store, model=model, out=out, progress=refuse, **CPU) == found
