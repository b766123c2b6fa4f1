"""SAM's image encoder at any input size, with an optional convolutional stem."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from musclefm.networks.architecture import SamArchitecture
from musclefm.networks.attention import FusedAttention
from musclefm.networks.network import EncoderStage
from musclefm.networks.segment_anything import modeling


def convolution_block(incoming: int, outgoing: int, stride: int = 1) -> nn.Sequential:
    """Return a 3 x 3 convolution with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(incoming, outgoing, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outgoing),
        nn.ReLU(inplace=True),
    )


class ConvolutionalStem(nn.Module):
    """Patch embedding by convolutions, which learns from far less data than a linear one.

    Parameters
    ----------
    incoming : int
        Channels of the image.
    widths : tuple of int
        Channels at strides 2, 4, and so on.
    embed_dim : int
        Channels of the tokens, at twice the last stride.
    """

    def __init__(self, incoming: int, widths: tuple[int, ...], embed_dim: int) -> None:
        super().__init__()
        channels = (incoming, *widths)
        self.stages = nn.ModuleList(
            nn.Sequential(convolution_block(a, b, stride=2), convolution_block(b, b))
            for a, b in pairwise(channels)
        )
        self.embed = nn.Conv2d(widths[-1], embed_dim, 3, stride=2, padding=1)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return tokens ``(N, H, W, E)`` and features ``(N, width, H·s, W·s)``, finest first."""
        features = []
        x = image
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return self.embed(x).permute(0, 2, 3, 1), features


class ImageEncoder(modeling.ImageEncoderViT):  # type: ignore[misc]
    """SAM's ViT whose position embeddings follow the size of the image.

    Parameter names are those of segment-anything, so that its checkpoints load.

    Parameters
    ----------
    architecture : SamArchitecture
        Its dimensions.
    fused : bool
        False for segment-anything's own attention, which is slower.
    """

    def __init__(self, architecture: SamArchitecture, fused: bool = True) -> None:
        every_block = tuple(range(architecture.depth))
        super().__init__(
            img_size=architecture.trained_size,
            patch_size=architecture.patch_size,
            in_chans=architecture.input_channels,
            embed_dim=architecture.embed_dim,
            depth=architecture.depth,
            num_heads=architecture.heads,
            out_chans=architecture.decoder_dim,
            qkv_bias=True,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=architecture.relative_positions,
            window_size=architecture.window,
            global_attn_indexes=architecture.global_blocks if architecture.window else every_block,
        )
        if fused:
            for block in self.blocks:
                block.attn = FusedAttention(block.attn, block.window_size)
                block.window_size = 0
        if architecture.stem:
            self.patch_embed = ConvolutionalStem(
                architecture.input_channels, architecture.stem, architecture.embed_dim
            )
        if self.pos_embed is not None:
            nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Encode images.

        Parameters
        ----------
        image : Tensor
            ``(N, channels, S, S)``, normalised; S is a multiple of the patch size.

        Returns
        -------
        embedding : Tensor
            ``(N, decoder_dim, S / patch, S / patch)``.
        features : list of Tensor
            The stem's features, finest first; empty without a stem.
        """
        state: Any = image
        for stage in self.stages():
            state = stage.run(state)
        encoded: tuple[Tensor, list[Tensor]] = state
        return encoded

    def stages(self) -> tuple[EncoderStage, ...]:
        """Return what :meth:`forward` does: tokens, each block, and the neck."""
        blocks = (
            EncoderStage((f"blocks.{n}.",), partial(_through, block))
            for n, block in enumerate(self.blocks)
        )
        return (
            EncoderStage(("pos_embed", "patch_embed."), self._tokens),
            *blocks,
            EncoderStage(("neck.",), self._embedding),
        )

    def _tokens(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return tokens ``(N, H, W, E)`` with their positions, and the stem's features."""
        embedded = self.patch_embed(image)
        tokens, features = embedded if isinstance(embedded, tuple) else (embedded, [])
        return tokens + self._positions(tokens.shape[1], tokens.shape[2]), features

    def _embedding(self, state: tuple[Tensor, list[Tensor]]) -> tuple[Tensor, list[Tensor]]:
        tokens, features = state
        return self.neck(tokens.permute(0, 3, 1, 2)), features

    def _positions(self, height: int, width: int) -> Tensor:
        """Return position embeddings ``(1, height, width, E)``."""
        positions: Tensor = self.pos_embed
        if positions.shape[1:3] == (height, width):
            return positions
        resized = functional.interpolate(
            positions.permute(0, 3, 1, 2).float(),
            size=(height, width),
            mode="bicubic",
            align_corners=False,
            antialias=False,
        )
        return resized.permute(0, 2, 3, 1).to(positions.dtype)


def _through(block: nn.Module, state: tuple[Tensor, list[Tensor]]) -> tuple[Tensor, list[Tensor]]:
    tokens, features = state
    return block(tokens), features
