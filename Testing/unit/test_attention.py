"""Fused attention gives what segment-anything's own gives, and the same gradients."""

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import Module

from musclefm.networks import attention
from musclefm.networks.architecture import SamArchitecture
from musclefm.networks.attention import FusedAttention
from musclefm.networks.encoder import ImageEncoder
from musclefm.networks.segment_anything import modeling

# The largest difference that issue and card allow in fp32, on answers of about 1.
SAME = 1e-5


def plain_and_fused(learned_for: int, relative: bool = True) -> tuple[Module, FusedAttention]:
    """Return both with the same weights, all of them drawn."""
    torch.manual_seed(3)
    shape = {"use_rel_pos": relative, "input_size": (learned_for,) * 2}
    plain = modeling.image_encoder.Attention(48, num_heads=3, **shape)
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return plain, FusedAttention(copy.deepcopy(plain))


def tokens(*shape: int) -> Tensor:
    return torch.randn(*shape, 48, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(("height", "width"), [(7, 7), (5, 5), (9, 9), (4, 7)])
@pytest.mark.parametrize("bias_bytes", [2**27, 5000, 1])
@pytest.mark.parametrize("short", [64, 1])
def test_answers_are_segment_anythings_own(height, width, bias_bytes, short, monkeypatch) -> None:
    monkeypatch.setattr(attention, "_BIAS_BYTES", bias_bytes)
    monkeypatch.setattr(attention, "_SHORT", short)
    plain, fused = plain_and_fused(7)
    x = tokens(2, height, width)
    with torch.inference_mode():
        torch.testing.assert_close(fused(x), plain(x), rtol=SAME, atol=SAME)


def test_gradients_are_segment_anythings_own() -> None:
    plain, fused = plain_and_fused(6)
    gradients = []
    for module in (plain, fused):
        x = tokens(2, 6, 6).requires_grad_(True)
        module(x).square().sum().backward()
        own = {name: parameter.grad for name, parameter in module.named_parameters()}
        gradients.append(own | {"x": x.grad})
    assert set(gradients[0]) == set(gradients[1])
    for name, expected in gradients[0].items():
        assert expected.abs().max() > 0, name
        torch.testing.assert_close(gradients[1][name], expected, rtol=1e-4, atol=1e-3, msg=name)


def test_attention_without_relative_positions_is_the_same() -> None:
    plain, fused = plain_and_fused(7, relative=False)
    x = tokens(2, 7, 7)
    with torch.inference_mode():
        torch.testing.assert_close(fused(x), plain(x), rtol=SAME, atol=SAME)


def test_gradients_through_windows_are_segment_anythings_own() -> None:
    architecture = SamArchitecture(embed_dim=48, depth=1, heads=3, global_blocks=(), window=5)
    torch.manual_seed(4)
    fused = ImageEncoder(architecture)
    own = ImageEncoder(architecture, fused=False)
    own.load_state_dict(fused.state_dict())
    image = torch.randn(1, 3, 112, 112)
    for encoder in (fused, own):
        encoder(image)[0].square().mean().backward()
    expected = dict(own.named_parameters())
    for name, parameter in fused.named_parameters():
        if "attn" in name:
            assert parameter.grad.abs().max() > 0, name
            torch.testing.assert_close(parameter.grad, expected[name].grad, msg=name)


@pytest.mark.parametrize("size", [448, 512])
def test_a_whole_encoder_gives_the_same_by_either_attention(size) -> None:
    architecture = SamArchitecture(embed_dim=48, depth=3, heads=3, global_blocks=(1,))
    torch.manual_seed(4)
    fused = ImageEncoder(architecture).eval()
    for name, parameter in fused.named_parameters():
        if "rel_pos" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    own = ImageEncoder(architecture, fused=False).eval()
    own.load_state_dict(fused.state_dict())
    image = torch.randn(1, 3, size, size)
    with torch.inference_mode():
        torch.testing.assert_close(fused(image)[0], own(image)[0], rtol=SAME, atol=SAME)
