"""Fine-tuning teaches, ignores what is unknown, trains what it says, and survives a kill."""

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_training import SHORT, labelled_case, made_store, same
from safetensors.torch import load_file
from tiny_ensemble import SCHEME, THIGH_TILES, WHOLE_SLICES, tiny_bundle

from asked_to_end import ended
from musclefm.cli.commands.train import recipe_of
from musclefm.cli.main import build_parser
from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError
from musclefm.evaluation.dice import dice
from musclefm.inference.device import choose_runtime
from musclefm.labels.sided import IGNORE
from musclefm.models.bundle import open_bundle
from musclefm.networks.architecture import LoraRanks
from musclefm.networks.lora import adapter_parameters
from musclefm.progress import silent
from musclefm.training.fitting.checkpoint import read_progress
from musclefm.training.fitting.initial_weights import starting_member
from musclefm.training.fitting.loss import loss_of, loss_sums, soft_targets
from musclefm.training.fitting.validation import score_tiles, upsampled_probabilities
from musclefm.training.plan import TrainingPlan
from musclefm.training.train import train_ensemble

CPU = choose_runtime("cpu", "fp32")
CLASSES = SCHEME.class_count


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Run tiny networks in one thread: several only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("data") / "store")


@pytest.fixture(scope="module", params=["thigh", "slice"])
def start(request, tmp_path_factory):
    model_input = THIGH_TILES if request.param == "thigh" else WHOLE_SLICES
    return tiny_bundle(tmp_path_factory.mktemp("start") / "tiny", 2, model_input)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("start") / "tiny", 2)


def plan_of(folder, start, store, **changes):
    return TrainingPlan(
        start, store, dataclasses.replace(SHORT, **changes), folder / "new", folder / "work",
        "learned", "2",
    )  # fmt: skip


def train(folder, start, store, **changes):
    bundle = train_ensemble(plan_of(folder, start, store, **changes), CPU, silent)
    record = json.loads((folder / "work" / "training.json").read_text())
    return bundle, record


def test_training_teaches_and_the_bundle_says_how(tmp_path, start, store):
    bundle, record = train(tmp_path, start, store, epochs=12)
    (history,) = record["members"]
    assert [entry["epoch"] for entry in history] == list(range(13))
    assert history[-1]["loss"] < 0.6 * history[1]["loss"]
    assert max(entry["fold_dice"] for entry in history) > history[0]["fold_dice"] + 0.3
    manifest = open_bundle(tmp_path / "new").manifest
    assert (manifest.name, manifest.version, manifest.role) == ("learned", "2", "ensemble")
    assert manifest.architecture.input_size == 32 and manifest.input == start.manifest.input
    assert "3 subjects" not in manifest.training_data and "4 subjects" in manifest.training_data
    assert manifest.members[0].metrics["validation_nll"] > 0
    assert manifest.temperature == record["temperature"]
    assert bundle is not None and bundle.sha256 == open_bundle(tmp_path / "new").sha256
    # The picture and the record stay, all else is cleared away.
    left = {path.name for path in (tmp_path / "work").iterdir()}
    stays = {"training.json", "losses.png", ".musclefm-work"}
    assert stays <= left <= stays | {"tensorboard"}


@pytest.mark.parametrize("views", [0, 2])
def test_decoder_training_leaves_the_image_encoder_as_it_is(tmp_path, tiny, store, views):
    bundle, record = train(tmp_path, tiny, store, trained="decoder", views=views, members=2)
    for member, fold in enumerate(record["kept"]):
        before = tiny.load_member(fold).state_dict()
        after = bundle.load_member(member).state_dict()
        for name, tensor in before.items():
            if name.startswith("image_encoder."):
                # Weights are stored in half precision.
                torch.testing.assert_close(after[name], tensor, atol=1e-3, rtol=1e-3)


def test_kept_embeddings_give_the_answers_of_the_network_itself(tmp_path, tiny, store):
    # Without augmentation both see the same images in every epoch.
    still = dataclasses.replace(
        SHORT.augmentation, rotation_deg=0, zoom=1, shift=0, gamma=1, bias=0, noise=0
    )
    histories = []
    for views in (0, 2):
        _, record = train(
            tmp_path / str(views), tiny, store, trained="decoder", views=views, augmentation=still
        )
        histories.append([x["fold_nll"] for x in record["members"][0]])
    # They are kept in half precision: each is off by up to 0.05 %, and three epochs of training
    # start from that. 2.1 % was seen.
    np.testing.assert_allclose(*histories, rtol=0.03)


def test_embeddings_that_the_disk_cannot_hold_are_refused(tmp_path, tiny, store, monkeypatch):
    full = SimpleNamespace(free=1000)
    monkeypatch.setattr("musclefm.training.data.embeddings.shutil.disk_usage", lambda _: full)
    with pytest.raises(MuscleFMError, match=r"GB.*--views 0"):
        train(tmp_path, tiny, store, trained="decoder")


def test_lora_adapters_are_trained_and_what_they_adapt_is_not(tmp_path, tiny, store):
    ranks = LoraRanks(encoder=2, decoder=3)
    bundle, record = train(tmp_path, tiny, store, trained="lora", lora=ranks, epochs=4, members=2)
    assert bundle.manifest.architecture.lora == ranks
    for member, fold in enumerate(record["kept"]):
        before, after = tiny.load_member(fold), bundle.load_member(member)
        plain = before.state_dict()
        base = [n for n in after.state_dict() if ".qkv.qkv." in n or "_proj.proj." in n]
        assert base
        for name in base:
            old = plain[name.replace(".qkv.qkv.", ".qkv.").replace(".proj.", ".")]
            torch.testing.assert_close(after.state_dict()[name], old, atol=2e-3, rtol=2e-3)
        assert all(bool(p.detach().abs().max() > 0) for p in adapter_parameters(after))


def test_new_adapters_change_nothing_before_training(tiny):
    recipe = dataclasses.replace(SHORT, trained="lora", lora=LoraRanks(encoder=2, decoder=2))
    image = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        before = tiny.load_member(1)(image)
        after = starting_member(tiny, recipe, 1)(image)
    torch.testing.assert_close(after, before)


def test_members_of_a_start_for_training_differ_in_their_class_outputs_only(tmp_path):
    base = tiny_bundle(tmp_path / "base", 1)
    text = json.loads((base.folder / "model.json").read_text())
    (base.folder / "model.json").write_text(json.dumps(text | {"role": "start"}))
    start = open_bundle(base.folder)
    one, other, again = (starting_member(start, SHORT, m).state_dict() for m in (0, 1, 0))
    assert same(one, again)
    differ = {name for name in one if not torch.equal(one[name], other[name])}
    assert differ
    assert all(name.startswith("mask_decoder.") for name in differ)
    assert any("mask_tokens" in name for name in differ)


def test_the_loss_does_not_see_pixels_to_be_ignored():
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 8, 8)
    labels = torch.randint(0, 4, (2, 32, 32), dtype=torch.uint8)
    labels[:, :16] = IGNORE
    changed = logits.clone()
    changed[:, :, :4] = 50 * torch.randn(2, 4, 4, 8)
    torch.testing.assert_close(
        loss_of(loss_sums(logits, labels)), loss_of(loss_sums(changed, labels))
    )
    changed[:, :, 4:] += torch.randn(2, 4, 4, 8)
    assert loss_of(loss_sums(logits, labels)) != loss_of(loss_sums(changed, labels))
    assert math.isfinite(loss_of(loss_sums(logits, torch.full_like(labels, IGNORE))))


def test_the_loss_is_cross_entropy_and_dice_of_the_muscles_shown():
    torch.manual_seed(1)
    logits = torch.randn(3, 5, 8, 8, dtype=torch.float64)
    labels = torch.randint(0, 4, (3, 8, 8), dtype=torch.uint8)
    p = logits.softmax(dim=1)
    entropy = torch.nn.functional.cross_entropy(logits, labels.long())
    dices = []
    for label in (1, 2, 3):
        here = (labels == label).double()
        dices.append(2 * (p[:, label] * here).sum() / (p[:, label].sum() + here.sum()))
    wanted = entropy + 1 - torch.stack(dices).mean()
    found = loss_of(loss_sums(logits.float(), labels))
    assert float(found) == pytest.approx(float(wanted), rel=1e-4)
    targets, weights = soft_targets(labels, 5, 4)
    assert targets.shape == (3, 5, 4, 4) and bool((weights == 1).all())


def test_scores_do_not_see_pixels_to_be_ignored():
    torch.manual_seed(2)
    labels = torch.randint(0, 4, (4, 16, 16), dtype=torch.uint8)
    labels[1, :8] = IGNORE
    logits = torch.randn(4, CLASSES, 16, 16)
    cases = np.array([0, 0, 1, 1])

    def scored(said):
        def answer(tiles):
            return upsampled_probabilities(said[tiles], 16), labels[tiles]

        return score_tiles(answer, np.arange(4), cases, CLASSES, 3, torch.device("cpu"))

    changed = logits.clone()
    changed[1, :, :8] = torch.randn(CLASSES, 8, 16)
    assert scored(logits) == scored(changed)
    votes, p = logits.argmax(dim=1), logits.softmax(dim=1)
    known = labels != IGNORE
    certain = p.gather(1, torch.where(known, labels, 0).long()[:, None])[:, 0]
    assert scored(logits).nll == pytest.approx(-float(certain[known].log().mean()), rel=1e-4)
    by_case = []
    for pair in (slice(0, 2), slice(2, 4)):
        said, true = votes[pair][known[pair]].numpy(), labels[pair][known[pair]].numpy()
        by_case.append(np.mean(dice(said, true, CLASSES)[1:4]))
    assert scored(logits).dice == pytest.approx(np.mean(by_case))


def test_training_stops_early_and_the_best_epoch_stays(tmp_path, tiny, store):
    _, record = train(tmp_path, tiny, store, epochs=40, patience=2, learning_rate=1e-7)
    (history,) = record["members"]
    dices = [entry["fold_dice"] for entry in history]
    assert len(history) < 41 and len(history) == dices.index(max(dices)) + 3


def test_the_same_seed_gives_the_same_ensemble(tmp_path, tiny, store):
    weights = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        bundle, _ = train(tmp_path / name, tiny, store, seed=seed, epochs=8)
        weights.append(bundle.load_member(0).state_dict())
    assert same(weights[0], weights[1]) and not same(weights[0], weights[2])


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
