"""Fine-tuning teaches, trains what it says, and gives the same again from a seed."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_training import (
    GRID,
    LATERAL,
    LEFT,
    SHORT,
    labelled_case,
    made_store,
    one_thread,
    same,
    thighs,
    train,
)  # fmt: skip
from tiny_ensemble import SCHEME, THIGH_TILES, WHOLE_SLICES, tiny_bundle

from musclefm.corrections.case import CorrectedCase, Reviewed
from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.labels.scheme import load_scheme
from musclefm.labels.sided import IGNORE, without_sides
from musclefm.models.bundle import open_bundle
from musclefm.networks.architecture import LoraRanks
from musclefm.networks.lora import adapter_parameters
from musclefm.training.data.labelled_tiles import cut_tiles
from musclefm.training.fitting.initial_weights import start_for_scheme, starting_member
from musclefm.training.fitting.validation import upsampled_probabilities
from musclefm.volumes.channels import Channels
from musclefm.volumes.volume import Volume


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    with one_thread():
        yield


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
    own, kept = np.array(histories)
    # They are kept in half precision and nothing else differs: in single precision both
    # histories are equal to the last bit. Half precision rounds by at most 2 ** -11.
    assert kept[0] == pytest.approx(own[0], rel=2**-10)
    # Each step of AdamW is as long as the learning rate even where the gradient is rounding
    # alone, so that no bound follows from there; against what was learned it is little.
    np.testing.assert_allclose(kept, own, rtol=0, atol=0.01 * (own[0] - own[-1]))


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


def test_for_another_scheme_all_is_kept_but_the_class_outputs(tmp_path):
    start, scheme = tiny_bundle(tmp_path / "tiny", 2), load_scheme("thigh-12")
    recipe = dataclasses.replace(SHORT, members=4)
    made = start_for_scheme(start, scheme, recipe, tmp_path / "start")
    assert (made.manifest.scheme, made.manifest.role) == ("thigh-12", "ensemble")
    states = [starting_member(made, recipe, member).state_dict() for member in range(4)]
    old = [start.load_member(member).state_dict() for member in range(2)]
    class_parts = ("mask_tokens", "output_hypernetworks_mlps", "iou_prediction_head")
    for member, state in enumerate(states):
        for name, tensor in state.items():
            is_class_part = any(part in name for part in class_parts)
            assert is_class_part or torch.equal(tensor, old[member % 2][name]), name
    tokens = "mask_decoder.mask_tokens.weight"
    assert states[0][tokens].shape[0] == old[0][tokens].shape[0] + 1
    head = "mask_decoder.output_hypernetworks_mlps.1.layers.0.weight"
    assert not torch.equal(states[0][head], old[0][head])
    assert not torch.equal(states[0][head], states[2][head])
    again = start_for_scheme(start, scheme, recipe, tmp_path / "start")
    assert again.sha256 == made.sha256


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


def test_a_muscle_that_was_verified_is_learned_where_it_is_and_where_it_is_not(
    tmp_path, tiny, monkeypatch
):
    store = CorrectionStore(tmp_path / "store")
    for seed in range(4):
        verified = Reviewed("muscles", muscles=(LATERAL, LATERAL + LEFT))
        store.add(labelled_case(seed, verified), subject=f"person {seed}")
    held_out = cut_tiles(LabelledCase("S", Channels({"image": Volume(thighs(9)[0], GRID)}, (), ""),
        Volume(without_sides(thighs(9)[1], SCHEME), GRID), SCHEME), tiny.manifest)  # fmt: skip
    images, labels = torch.from_numpy(held_out.images), torch.from_numpy(held_out.labels)

    def mass_elsewhere(folder):
        bundle, _ = train(folder, tiny, store.folder, epochs=8, patience=8)
        member = starting_member(bundle, SHORT, 0).eval()
        with torch.inference_mode():
            found = upsampled_probabilities(member(images), labels.shape[-1])[:, LATERAL]
        assert found[labels == LATERAL].mean() > 0.5
        return float(found[(labels != LATERAL) & (labels != IGNORE)].mean())

    with_absence = mass_elsewhere(tmp_path / "with")
    monkeypatch.setattr(CorrectedCase, "absent_muscles", lambda self: {})
    assert with_absence < 0.5 * mass_elsewhere(tmp_path / "without")
