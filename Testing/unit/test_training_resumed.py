"""A training that was stopped is resumed to the same weights; what cannot be trained is refused."""

import dataclasses
import json
import os
import signal
import subprocess
import sys

import pytest
from made_training import CPU, labelled_case, made_store, one_thread, plan_of, same, train
from safetensors.torch import load_file
from tiny_ensemble import tiny_bundle

from asked_to_end import ended
from musclefm.cli.commands.train import recipe_of
from musclefm.cli.main import build_parser
from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError
from musclefm.progress import silent
from musclefm.training.fitting.checkpoint import read_progress
from musclefm.training.train import train_ensemble


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("data") / "store")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("start") / "tiny", 2)


def arguments(tiny, store, folder, **options):
    given = {
        "data": store, "model": tiny.folder, "out": folder / "new", "work": folder / "work",
        "train": "full", "members": 2, "folds": 2, "held-out": 0, "epochs": 6, "patience": 20,
        "batch": 4, "learning-rate": 5e-3, "device": "cpu", "precision": "fp32",
        "progress": "json", **options,
    }  # fmt: skip
    return [x for name, value in given.items() for x in (f"--{name}", str(value))]


def run(*command, **options):
    return subprocess.Popen(
        [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, **options,
    )  # fmt: skip


def until(process, done):
    """Read the progress of a training until an event of it fits."""
    for line in process.stdout:
        event = json.loads(line)
        if event["stage"] == "train" and done(event):
            return event
    raise AssertionError(process.stderr.read())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, tiny, store):
    folder = tmp_path_factory.mktemp("undisturbed")
    parsed = build_parser().parse_args(["train", *arguments(tiny, store, folder)])
    plan = dataclasses.replace(plan_of(folder, tiny, store), recipe=recipe_of(parsed))
    train_ensemble(plan, CPU, silent)
    return load_file(folder / "new" / "member-0.safetensors")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(
    tmp_path, tiny, store, undisturbed, number
):
    process = run("musclefm", "train", *arguments(tiny, store, tmp_path))
    stopped = until(process, lambda event: "member 2 of 2, epoch 3" in event["message"])
    ended(process, number)
    assert process.returncode != 0
    assert not (tmp_path / "new").exists()
    again = run("musclefm", "train", *arguments(tiny, store, tmp_path))
    first = until(again, lambda event: True)
    # The first member is not trained again, and of the second one epoch at most.
    second = until(again, lambda event: "member 2" in event["message"])
    assert first["done"] >= stopped["total"] // 2 and second["done"] > stopped["total"] // 2
    _, said = again.communicate(timeout=600)
    assert again.returncode == 0, said
    assert same(load_file(tmp_path / "new" / "member-0.safetensors"), undisturbed)


def test_another_training_is_not_mixed_into_one_that_has_not_ended(tmp_path, tiny, store):
    plan = plan_of(tmp_path, tiny, store)

    def stop(event):
        if event.stage == "train" and "epoch 1" in event.message:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_ensemble(plan, CPU, stop)
    assert read_progress(plan.work / "member-0.pt") is not None
    with pytest.raises(MuscleFMError, match="another training"):
        train_ensemble(plan_of(tmp_path, tiny, store, seed=9), CPU, silent)
    (plan.work / "member-0.pt").write_bytes(b"damaged")
    with pytest.raises(MuscleFMError, match="damaged"):
        train_ensemble(plan, CPU, silent)


def test_what_cannot_be_trained_is_refused_in_words(tmp_path, tiny, store):
    (tmp_path / "new").mkdir()
    with pytest.raises(MuscleFMError, match="exists already"):
        train(tmp_path, tiny, store)
    few = CorrectionStore(tmp_path / "few")
    few.add(labelled_case(0))
    with pytest.raises(MuscleFMError, match="1 subject to learn from"):
        train(tmp_path / "b", tiny, few.folder)
    # Once there are more, the same command works.
    for seed in (1, 2):
        few.add(labelled_case(seed))
    assert train(tmp_path / "b", tiny, few.folder, epochs=1)[0] is not None
    for options in ({"rank": 0}, {"epochs": 0}, {"held-out": 1}, {"views": -1}):
        parsed = build_parser().parse_args(["train", *arguments(tiny, store, tmp_path, **options)])
        with pytest.raises(MuscleFMError):
            recipe_of(parsed)
