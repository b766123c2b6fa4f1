"""LiteMedSAM's image encoder: a TinyViT (Wu et al. 2022, arXiv:2207.10666) at a stride of 4.

Two stages more than a usual TinyViT keep their resolution: the patch embedding and the last
reduction. Every convolution carries its batch normalisation within its weights and bias.
Nothing in it depends on the size of the image, whose edge is a multiple of 4.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from musclefm.networks.architecture import LiteMedSamArchitecture
from musclefm.networks.segment_anything import modeling

_REDUCTIONS = (2, 2, 1)
_EXPANSION = 4


def _pointwise(incoming: int, outgoing: int) -> nn.Conv2d:
    return nn.Conv2d(incoming, outgoing, 1)


def _depthwise(channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels)


class _InvertedBottleneck(nn.Module):
    """Widen, convolve each channel, narrow; with or without a way around (MobileNetV2)."""

    def __init__(self, incoming: int, hidden: int, outgoing: int, stride: int, around: bool):
        super().__init__()
        self.conv1 = _pointwise(incoming, hidden)
        self.conv2 = _depthwise(hidden, stride)
        self.conv3 = _pointwise(hidden, outgoing)
        self.around = around

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv3(functional.gelu(self.conv2(functional.gelu(self.conv1(x)))))
        return functional.gelu(x + y) if self.around else y


class _WindowAttention(nn.Module):
    """Attention within squares of tokens, with a learned bias for each distance.

    Parameters
    ----------
    dim, heads : int
        Channels, and heads that share them out.
    window : int
        Edge of a square in tokens.
    """

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        # By head, and by the distance of two tokens: rows apart times the window, plus columns.
        self.attention_biases = nn.Parameter(torch.zeros(heads, window**2))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, H, W, E)`` from ``(B, H, W, E)``; what fills a square up takes part."""
        height, width = x.shape[1:3]
        window = self.window
        x = functional.pad(x, (0, 0, 0, -width % window, 0, -height % window))
        batch, rows, columns, dim = x.shape
        # (B, rows of squares, columns of squares, rows, columns, E)
        squares = x.unflatten(2, (-1, window)).unflatten(1, (-1, window)).transpose(2, 3)
        tokens = squares.reshape(-1, window**2, dim)
        heads = self.qkv(self.norm(tokens)).unflatten(2, (self.heads, -1)).transpose(1, 2)
        q, k, v = heads.chunk(3, dim=-1)
        bias = self.attention_biases[:, self._distances(x.device)].to(q.dtype)
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias[None])
        joined = self.proj(attended.transpose(1, 2).flatten(2))
        squares = joined.view(batch, rows // window, columns // window, window, window, dim)
        y: Tensor = squares.transpose(2, 3).reshape(batch, rows, columns, dim)
        return y[:, :height, :width]

    def _distances(self, device: torch.device) -> Tensor:
        """Return for each two tokens of a square which bias is theirs, ``(T, T)``."""
        places = torch.arange(self.window**2, device=device)
        rows, columns = places // self.window, places % self.window
        return (rows[:, None] - rows).abs() * self.window + (columns[:, None] - columns).abs()


class _Mlp(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, _EXPANSION * dim)
        self.fc2 = nn.Linear(_EXPANSION * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(functional.gelu(self.fc1(self.norm(x))))
        return y


class _AttentionBlock(nn.Module):
    """Attention, a convolution of each channel, and an MLP; channels lie second outside."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.attn = _WindowAttention(dim, heads, window)
        self.local_conv = _depthwise(dim)
        self.mlp = _Mlp(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = self.local_conv(x)
        return x + self.mlp(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Stage(nn.Module):
    def __init__(self, blocks: list[nn.Module], reduction: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = reduction

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        y: Tensor = self.downsample(x)
        return y


class TinyViT(nn.Module):
    """LiteMedSAM's image encoder, under the names of its published weights.

    Parameters
    ----------
    architecture : LiteMedSamArchitecture
        Its dimensions.
    """

    def __init__(self, architecture: LiteMedSamArchitecture) -> None:
        super().__init__()
        widths, depths = architecture.widths, architecture.depths
        half = widths[0] // 2
        embedded = nn.Sequential(_pointwise(3, half), nn.GELU(), _pointwise(half, widths[0]))
        self.patch_embed = nn.ModuleDict({"seq": embedded})
        first = widths[0]
        blocks: list[list[nn.Module]] = [
            [
                _InvertedBottleneck(first, _EXPANSION * first, first, stride=1, around=True)
                for _ in range(depths[0])
            ]
        ]
        attended = zip(
            widths[1:], depths[1:], architecture.heads, architecture.windows, strict=True
        )
        for width, depth, heads, window in attended:
            blocks.append([_AttentionBlock(width, heads, window) for _ in range(depth)])
        reductions: list[nn.Module] = [
            _InvertedBottleneck(a, b, b, stride, around=False)
            for (a, b), stride in zip(pairwise(widths), _REDUCTIONS, strict=True)
        ]
        self.layers = nn.ModuleList(
            _Stage(stage, reduction)
            for stage, reduction in zip(blocks, [*reductions, nn.Identity()], strict=True)
        )
        norm = modeling.image_encoder.LayerNorm2d
        dim = architecture.decoder_dim
        self.neck = nn.Sequential(
            nn.Conv2d(widths[-1], dim, 1, bias=False),
            norm(dim),
            nn.Conv2d(dim, dim, 3, padding=1, bias=False),
            norm(dim),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return ``(N, decoder_dim, S / 4, S / 4)`` from ``(N, 3, S, S)`` in [0, 1]."""
        x = self.patch_embed["seq"](image)
        for stage in self.layers:
            x = stage(x)
        embedding: Tensor = self.neck(x)
        return embedding
