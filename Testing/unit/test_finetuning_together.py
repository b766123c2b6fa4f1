"""Several processes train one network as one process does, and logs tell how it went."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest
import torch
from made_training import SHORT, made_store
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_ensemble import tiny_bundle

from musclefm.cli.commands.train import recipe_of
from musclefm.cli.main import build_parser
from musclefm.inference.device import choose_runtime
from musclefm.progress import silent
from musclefm.training.data.labelled_tiles import LabelledCases
from musclefm.training.plan import TrainingPlan
from musclefm.training.train import train_ensemble

CPU = choose_runtime("cpu", "fp32")


@pytest.fixture(autouse=True)
def one_thread():
    """Run tiny networks in one thread: several only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_two_processes_train_what_one_does(tmp_path):
    start, data = tiny_bundle(tmp_path / "start", 1), made_store(tmp_path / "store", 4)
    options = [
        "train", "--data", data, "--model", start.folder, "--out", tmp_path / "together",
        "--train", "decoder", "--members", 1, "--folds", 2, "--held-out", 0, "--epochs", 3,
        "--batch", 5, "--views", 2, "--learning-rate", 1e-2, "--device", "cpu",
        "--precision", "fp32", "--progress", "json",
    ]  # fmt: skip
    words = [str(option) for option in options]
    launched = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         "-m", "musclefm", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=1000,
    )  # fmt: skip
    assert launched.returncode == 0, launched.stderr
    # One process tells how far both are.
    reported = [json.loads(line) for line in launched.stdout.splitlines()]
    assert [event["done"] for event in reported if event["stage"] == "train"] == sorted(
        {event["done"] for event in reported if event["stage"] == "train"}
    )
    recipe = recipe_of(build_parser().parse_args(words))
    plan = TrainingPlan(
        start, LabelledCases(data), recipe, tmp_path / "alone", tmp_path / "work", "x", "1"
    )
    train_ensemble(plan, CPU, silent)
    one, two = (
        load_file(tmp_path / name / "member-0.safetensors") for name in ("alone", "together")
    )
    before = start.load_member(0).state_dict()
    learned = sum(float((one[n].float() - before[n].float()).abs().sum()) for n in one)
    apart = sum(float((one[n].float() - two[n].float()).abs().sum()) for n in one)
    assert learned > 10 and apart < 0.02 * learned
    records = [
        json.loads((tmp_path / work / "training.json").read_text())["members"][0]
        for work in ("work", "together.work")
    ]
    for mine, shared in zip(*records, strict=True):
        for key in ("fold_nll", "fold_dice"):
            assert shared[key] == pytest.approx(mine[key], rel=1e-3)
        if mine["epoch"]:
            assert shared["loss"] == pytest.approx(mine["loss"], rel=1e-3)


def test_tensorboard_and_the_picture_show_every_epoch_once(tmp_path):
    recipe = dataclasses.replace(SHORT, epochs=4)
    plan = TrainingPlan(
        tiny_bundle(tmp_path / "start", 1), LabelledCases(made_store(tmp_path / "store", 3)),
        recipe, tmp_path / "new", tmp_path / "work", "new", "1",
    )  # fmt: skip

    def stop(event):
        if event.stage == "train" and "epoch 2" in event.message:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_ensemble(plan, CPU, stop)
    train_ensemble(plan, CPU, silent)
    (history,) = json.loads((plan.work / "training.json").read_text())["members"]
    log = EventAccumulator(str(plan.work / "tensorboard" / "member-0")).Reload()
    for name, key, first in (("loss", "loss", 1), ("DSC on fold", "fold_dice", 0)):
        shown = [(event.step, event.value) for event in log.Scalars(name)]
        wanted = [(entry["epoch"], entry[key]) for entry in history[first:]]
        assert [step for step, _ in shown] == [epoch for epoch, _ in wanted]
        assert [value for _, value in shown] == pytest.approx([value for _, value in wanted])
    with Image.open(plan.work / "losses.png") as picture:
        assert picture.size[0] > 600 and len(picture.convert("RGB").getcolors(1 << 20)) > 10
