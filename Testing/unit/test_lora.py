"""Adapters start as nothing, learn alone where asked, and fold away."""

import json
from pathlib import Path

import pytest
import torch

from musclefm.networks.architecture import VIT_B, LoraRanks, SamArchitecture
from musclefm.networks.sam import MultiClassSam
from musclefm.networks.trainable import Preset, freeze_for, merge_lora

TINY = SamArchitecture(
    input_size=64,
    trained_size=64,
    embed_dim=16,
    depth=2,
    heads=2,
    global_blocks=(1,),
    window=2,
    decoder_dim=32,
    decoder_depth=1,
    decoder_heads=2,
    decoder_mlp=32,
)
ADAPTED = TINY.model_copy(update={"lora": LoraRanks(encoder=3, decoder=2)})
PUBLISHED_KEYS = (
    Path(__file__).resolve().parents[3] / "shared" / "paper" / "published_checkpoint_keys.json"
)


def adapted(seed: int = 0) -> MultiClassSam:
    torch.manual_seed(seed)
    return MultiClassSam(ADAPTED, 13).eval()


def with_trained_adapters() -> MultiClassSam:
    model = adapted()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "linear_b" in name or "w_b" in name:
                parameter.normal_()
    return model


def test_fresh_adapters_change_nothing() -> None:
    model, image = adapted(), torch.randn(2, 3, 64, 64)
    plain_names = {"qkv.qkv.": "qkv.", "_proj.proj.": "_proj."}
    state = {}
    for name, tensor in model.state_dict().items():
        if any(part in name for part in ("linear_a", "linear_b", ".w_a.", ".w_b.")):
            continue
        for long, short in plain_names.items():
            name = name.replace(long, short)
        state[name] = tensor
    plain = MultiClassSam(TINY, 13).eval()
    plain.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(model(image), plain(image))


def test_merging_keeps_the_answers() -> None:
    model, image = with_trained_adapters(), torch.randn(2, 3, 64, 64)
    merged = merge_lora(model)
    with torch.no_grad():
        answer = model(image)
        torch.testing.assert_close(merged(image), answer, rtol=1e-4, atol=1e-4)
        assert (adapted()(image) - answer).abs().max() > 1e-2
    assert merged.architecture == TINY
    MultiClassSam(merged.architecture, 13).load_state_dict(merged.state_dict())
    assert model.architecture == ADAPTED


@pytest.mark.parametrize("preset", ["decoder", "lora", "full"])
def test_presets_train_what_they_say(preset: Preset) -> None:
    model = with_trained_adapters()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    freeze_for(model, preset)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(trained, lr=0.1)
    model(torch.randn(1, 3, 64, 64)).square().mean().backward()
    optimiser.step()
    changed = {
        name for name, tensor in model.state_dict().items() if (tensor != before[name]).any()
    }
    encoder = {name for name in changed if name.startswith("image_encoder.")}
    adapters = {name for name in encoder if "linear_" in name}
    attention = {name for name in changed if ".transformer." in name}
    assert any("mask_tokens" in name for name in changed)
    assert any("output_upscaling" in name for name in changed)
    assert any("no_mask_embed" in name for name in changed)
    if preset == "decoder":
        assert not encoder
        assert any("norm" in name for name in attention)
    elif preset == "lora":
        assert adapters and encoder == adapters
        assert attention and all(".w_a." in name or ".w_b." in name for name in attention)
    else:
        assert any("patch_embed" in name for name in encoder)


def test_the_lora_preset_needs_adapters() -> None:
    with pytest.raises(ValueError, match="no adapters"):
        freeze_for(MultiClassSam(TINY, 13), "lora")


def test_adapters_sit_on_q_and_v_of_every_attention() -> None:
    names = set(adapted().state_dict()) - set(MultiClassSam(TINY, 13).state_dict())
    encoder = (
        "qkv.weight",
        "qkv.bias",
        *(f"linear_{x}.weight" for x in ("a_q", "b_q", "a_v", "b_v")),
    )
    decoder = ("proj.weight", "proj.bias", "w_a.weight", "w_b.weight")
    layer = "mask_decoder.transformer.layers.0"
    attentions = [f"{layer}.self_attn", "mask_decoder.transformer.final_attn_token_to_image"]
    attentions += [f"{layer}.cross_attn_{way}" for way in ("token_to_image", "image_to_token")]
    assert names == {f"image_encoder.blocks.{b}.attn.qkv.{x}" for b in (0, 1) for x in encoder} | {
        f"{attention}.{p}_proj.{x}" for attention in attentions for p in "qv" for x in decoder
    }


@pytest.mark.parametrize(("kind", "rank"), [("Lora", 4), ("Decoder", 0)])
def test_names_and_shapes_are_the_published_ones(kind: str, rank: int) -> None:
    if not PUBLISHED_KEYS.is_file():
        pytest.skip("../shared/paper/published_checkpoint_keys.json is absent")
    published = json.loads(PUBLISHED_KEYS.read_text())[kind]
    architecture = VIT_B.model_copy(update={"lora": LoraRanks(encoder=rank, decoder=rank)})
    with torch.device("meta"):
        model = MultiClassSam(architecture, 13)
    assert {name: list(tensor.shape) for name, tensor in model.state_dict().items()} == published
