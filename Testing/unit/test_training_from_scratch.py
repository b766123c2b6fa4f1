"""Without pretrained weights the same training teaches, is repeatable, and survives a stop."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from made_training import CPU, GENTLE, one_thread, same
from tiny_ensemble import SCHEME, network, tiny_bundle

from musclefm.demo.rendering import SliceRecipe
from musclefm.demo.train import DemoRecipe, train_demo
from musclefm.models.bundle import open_bundle
from musclefm.progress import silent
from musclefm.training.data.tiles import CaseTiles
from musclefm.training.plan import TrainingPlan
from musclefm.training.recipe import RECIPES
from musclefm.training.train import train_ensemble

SHORT = dataclasses.replace(
    RECIPES["scratch"], members=2, folds=2, validation=0.2, held_out=0.0, epochs=6, steps=10,
    batch=8, learning_rate=5e-3, warm_up=5, averaging=0.9, augmentation=GENTLE, seed=3,
)  # fmt: skip


class BrightMuscles:
    """Data in which the brightness tells the muscle: learnt within a few steps."""

    fingerprint = "bright"

    def tiles(self, card, progress):
        rng = np.random.default_rng(0)
        for subject in range(5):
            labels = np.zeros((8, 32, 32), np.uint8)
            for index, shown in enumerate(labels):
                row, column = rng.integers(3, 12, 2)
                shown[row : row + 14, column : column + 8] = 1 + index % 2
                shown[row : row + 14, column + 8 : column + 15] = 3
            images = np.array([-1.8, -0.3, -0.3, 1.6], np.float32)[labels]
            images = images + 0.3 * rng.random(labels.shape, np.float32)
            yield CaseTiles(f"S{subject}", images[:, None], labels, (5.0, 5.0))


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("start") / "tiny", 1)


def plan_of(folder, start, describe=None, **changes):
    recipe = dataclasses.replace(SHORT, **changes)
    return TrainingPlan(
        start, BrightMuscles(), recipe, folder / "new", folder / "work", "new", "1",
        describe=describe,
    )  # fmt: skip


def weights(bundle):
    return [bundle.load_member(number).state_dict() for number in range(2)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, start):
    """Return an ensemble that was trained in one go, and the record of its training."""
    folder = tmp_path_factory.mktemp("trained")
    bundle = train_ensemble(plan_of(folder, start), CPU, silent)
    return bundle, json.loads((folder / "work" / "training.json").read_text())


def test_training_from_scratch_teaches(trained, start):
    bundle, record = trained
    assert record["kept"] == [0, 1]
    for history in record["members"]:
        assert [entry["epoch"] for entry in history] == list(range(7))
        assert history[0]["fold_nll"] > 1.0 and history[-1]["fold_nll"] < 0.5
        assert history[-1]["fold_dice"] > history[0]["fold_dice"] + 0.3
        assert history[-1]["loss"] < 0.6 * history[1]["loss"]
    manifest = bundle.manifest
    assert manifest.title == "Tiny, trained from scratch"
    # What the start was trained on is not what this was trained on.
    assert manifest.training_data.startswith("Trained from scratch on 5 labelled cases")
    untouched = network(1).state_dict()
    for state in weights(bundle):
        for name, tensor in state.items():
            if name.endswith(("running_mean", "running_var")):
                assert not torch.allclose(tensor, untouched[name]), name


def test_the_seed_alone_decides_what_becomes_of_it(trained, tmp_path):
    first, second = weights(trained[0])
    assert not same(first, second)
    # Another start: its weights are not used.
    other = tiny_bundle(tmp_path / "start", 2)
    again = weights(train_ensemble(plan_of(tmp_path / "again", other), CPU, silent))
    assert same(again[0], first) and same(again[1], second)
    brief = plan_of(tmp_path / "seed", other, seed=4, epochs=1)
    assert not same(weights(train_ensemble(brief, CPU, silent))[0], first)


def test_a_stopped_training_goes_on_to_the_same_weights(trained, start, tmp_path):
    plan = plan_of(tmp_path, start)

    def stop(event):
        if "member 2 of 2, epoch 3" in event.message:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_ensemble(plan, CPU, stop)
    finished = (plan.work / "member-0.pt").stat().st_mtime_ns
    events = []

    def noted(event):
        if event.stage == "train":
            events.append(event)
            assert (plan.work / "member-0.pt").stat().st_mtime_ns == finished

    resumed = train_ensemble(plan, CPU, noted)
    # The first member is not trained again, and of the second what was not yet on disk.
    assert len(events) == 30 and not any("member 1" in event.message for event in events)
    for one, other in zip(weights(resumed), weights(trained[0]), strict=True):
        assert same(one, other)


def test_what_the_bundle_says_of_itself_may_follow_from_what_it_can_do(start, tmp_path):
    seen = []

    def described(bundle):
        seen.append((bundle.manifest, bundle.load_member(0).state_dict()))
        return bundle.manifest.model_copy(update={"metrics": {"on renderings": 0.5}})

    plan = plan_of(tmp_path, start, described, epochs=1)
    bundle = train_ensemble(plan, CPU, silent)
    ((draft, state),) = seen
    assert draft.metrics["validation_nll"] > 0 and draft.temperature == bundle.manifest.temperature
    assert same(state, bundle.load_member(0).state_dict())
    assert bundle.manifest.metrics == {"on renderings": 0.5}
    assert not (plan.work / "draft").exists()


def test_the_demo_ensemble_is_trained_without_any_data(tmp_path):
    recipe = DemoRecipe(seed=5, members=1, steps=2, slices=SliceRecipe(count=8))
    bundle = train_demo(recipe, None, tmp_path / "new", tmp_path / "work", 1, CPU, silent)
    manifest = open_bundle(tmp_path / "new").manifest
    assert manifest.name == "thigh-demo" and manifest.ready and bundle is not None
    assert manifest.scheme == SCHEME.name and "8 slices" in manifest.training_data
    assert manifest.input.framing.spacing_mm == recipe.slices.pixel_mm
    assert manifest.metrics["validation_nll"] > 0
    assert [member.seed for member in manifest.members] == [5]
    left = {path.name for path in (tmp_path / "work").iterdir()}
    assert left <= {"training.json", "losses.png", ".musclefm-work", "tensorboard"}
