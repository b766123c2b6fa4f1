"""Low-rank adapters (LoRA) on the queries and values of SAM's attention.

A layer y = W x becomes y = W x + B A x with A of shape ``(rank, in)`` and B of
shape ``(out, rank)``, without a scale (Hu et al. 2021, arXiv:2106.09685, with
alpha = rank). The names of the parameters are those of the published muscle
checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from musclefm.networks.architecture import LoraRanks


def _down(incoming: int, rank: int) -> nn.Linear:
    layer = nn.Linear(incoming, rank, bias=False)
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5))
    return layer


def _up(rank: int, outgoing: int) -> nn.Linear:
    layer = nn.Linear(rank, outgoing, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


def _folded(base: nn.Linear, weight: Tensor) -> nn.Linear:
    """Return a layer like the base with another weight."""
    plain = nn.Linear(base.in_features, base.out_features, bias=True, device="meta")
    plain.weight = nn.Parameter(weight.detach())
    plain.bias = nn.Parameter(base.bias.detach())
    return plain


class LoraQkv(nn.Module):
    """The encoder's joint projection to q, k and v, with adapters on q and v.

    Parameters
    ----------
    qkv : nn.Linear
        The plain projection, ``dim`` to ``3 dim``.
    rank : int
        Of both adapters.
    """

    def __init__(self, qkv: nn.Linear, rank: int) -> None:
        super().__init__()
        dim = qkv.in_features
        self.qkv = qkv
        self.linear_a_q = _down(dim, rank)
        self.linear_b_q = _up(rank, dim)
        self.linear_a_v = _down(dim, rank)
        self.linear_b_v = _up(rank, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(…, 3 dim)`` from ``(…, dim)``."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q = q + self.linear_b_q(self.linear_a_q(x))
        v = v + self.linear_b_v(self.linear_a_v(x))
        return torch.cat([q, k, v], dim=-1)

    def folded(self) -> nn.Linear:
        """Return one plain layer with the same answers."""
        q = self.linear_b_q.weight @ self.linear_a_q.weight
        v = self.linear_b_v.weight @ self.linear_a_v.weight
        return _folded(self.qkv, self.qkv.weight + torch.cat([q, torch.zeros_like(q), v]))


class LoraProjection(nn.Module):
    """A projection of the mask decoder's attention, with an adapter.

    Parameters
    ----------
    proj : nn.Linear
        The plain projection.
    rank : int
        Of the adapter.
    """

    def __init__(self, proj: nn.Linear, rank: int) -> None:
        super().__init__()
        self.proj = proj
        self.w_a = _down(proj.in_features, rank)
        self.w_b = _up(rank, proj.out_features)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(…, out)`` from ``(…, in)``."""
        y: Tensor = self.proj(x) + self.w_b(self.w_a(x))
        return y

    def folded(self) -> nn.Linear:
        """Return one plain layer with the same answers."""
        return _folded(self.proj, self.proj.weight + self.w_b.weight @ self.w_a.weight)


def attach_lora(encoder: nn.Module, decoder: nn.Module, ranks: LoraRanks) -> None:
    """Put adapters into a plain encoder and decoder; a rank of 0 leaves it plain.

    Parameters
    ----------
    encoder : nn.Module
        segment-anything's image encoder; gets adapters in every block.
    decoder : nn.Module
        segment-anything's mask decoder; gets adapters in every attention of
        its transformer.
    ranks : LoraRanks
        Of the adapters.
    """
    if ranks.encoder:
        for attention in _encoder_attentions(encoder):
            attention.qkv = LoraQkv(attention.qkv, ranks.encoder)
    if ranks.decoder:
        for attention in _decoder_attentions(decoder):
            attention.q_proj = LoraProjection(attention.q_proj, ranks.decoder)
            attention.v_proj = LoraProjection(attention.v_proj, ranks.decoder)


def detach_lora(encoder: nn.Module, decoder: nn.Module) -> None:
    """Fold all adapters into plain layers with the same answers."""
    for attention in _encoder_attentions(encoder):
        if isinstance(attention.qkv, LoraQkv):
            attention.qkv = attention.qkv.folded()
    for attention in _decoder_attentions(decoder):
        for name in ("q_proj", "v_proj"):
            layer = getattr(attention, name)
            if isinstance(layer, LoraProjection):
                setattr(attention, name, layer.folded())


def adapter_parameters(module: nn.Module) -> Iterator[Tensor]:
    """Yield the parameters of all adapters inside a module."""
    for layer in module.modules():
        if isinstance(layer, LoraQkv):
            yield from (layer.linear_a_q.weight, layer.linear_b_q.weight)
            yield from (layer.linear_a_v.weight, layer.linear_b_v.weight)
        elif isinstance(layer, LoraProjection):
            yield from (layer.w_a.weight, layer.w_b.weight)


def _encoder_attentions(encoder: Any) -> Iterator[Any]:
    for block in encoder.blocks:
        yield block.attn


def _decoder_attentions(decoder: Any) -> Iterator[Any]:
    for layer in decoder.transformer.layers:
        yield layer.self_attn
        yield layer.cross_attn_token_to_image
        yield layer.cross_attn_image_to_token
    yield decoder.transformer.final_attn_token_to_image
