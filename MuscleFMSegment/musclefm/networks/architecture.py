"""What a network is, as data: the ``architecture`` field of a bundle."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Of all heads in a block: 4 GB of float32. SAM's largest has a quarter of it.
_MOST_PAIRS = 1 << 30

_Stage = Annotated[int, Field(ge=1, le=1024)]
_Three = tuple[_Stage, _Stage, _Stage]
_Four = tuple[_Stage, _Stage, _Stage, _Stage]

LARGEST_RANK = 256
"""Of a low-rank adapter."""


class LoraRanks(BaseModel):
    """Ranks of the low-rank adapters on q and v; 0 is none.

    Attributes
    ----------
    encoder : int
        Rank in every block of the image encoder.
    decoder : int
        Rank in every attention of the mask decoder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: int = Field(default=0, ge=0, le=LARGEST_RANK)
    decoder: int = Field(default=0, ge=0, le=LARGEST_RANK)


class Architecture(BaseModel):
    """What every family of networks has; a family adds its own fields.

    Attributes
    ----------
    kind : str
        Name of the family in :data:`musclefm.networks.families.FAMILIES`.
    input_size : int
        Edge in pixels of the square image that the network is run on.
    input_channels : int
        Channels of the image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    input_size: int = Field(default=448, ge=32, le=4096)
    input_channels: int = Field(default=3, ge=1, le=16)


class DecoderArchitecture(Architecture):
    """What SAM's mask decoder is built from.

    Attributes
    ----------
    stem : tuple of int
        Channels of finer features that reach the mask decoder, finest first.
    decoder_dim, decoder_depth, decoder_heads, decoder_mlp : int
        The two-way transformer of the mask decoder.
    """

    stem: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(default=(), max_length=5)
    decoder_dim: int = Field(default=256, ge=32, le=1024)
    decoder_depth: int = Field(default=2, ge=1, le=8)
    decoder_heads: int = Field(default=8, ge=1, le=32)
    decoder_mlp: int = Field(default=2048, ge=32, le=8192)

    @model_validator(mode="after")
    def _heads_fit(self) -> DecoderArchitecture:
        if (self.decoder_dim // 2) % self.decoder_heads:
            raise ValueError("attention heads must divide the embedding dimensions")
        return self


class SamArchitecture(DecoderArchitecture):
    """A multi-class Segment Anything model.

    Attributes
    ----------
    trained_size : int
        Edge that its position embeddings were learned for; they are
        interpolated where it differs from ``input_size``.
    patch_size : int
        Pixels of the image for each token, along an edge.
    embed_dim, depth, heads, global_blocks, window : int or tuple of int
        The image encoder, as in segment-anything; ``window`` 0 makes every
        block attend globally.
    relative_positions : bool
        Whether attention adds relative position embeddings.
    stem : tuple of int
        Empty for SAM's patch embedding; else channels of a convolutional stem
        at strides 2, 4, … up to ``patch_size / 2``, whose features also reach
        the mask decoder.
    lora : LoraRanks
        Adapters on q and v.
    """

    kind: Literal["sam"] = "sam"
    trained_size: int = Field(default=1024, ge=32, le=4096)
    patch_size: int = Field(default=16, ge=2, le=64)
    embed_dim: int = Field(default=768, ge=16, le=4096)
    depth: int = Field(default=12, ge=1, le=64)
    heads: int = Field(default=12, ge=1, le=64)
    global_blocks: tuple[Annotated[int, Field(ge=0, le=63)], ...] = Field(
        default=(2, 5, 8, 11), max_length=64
    )
    window: int = Field(default=14, ge=0, le=64)
    relative_positions: bool = True
    lora: LoraRanks = LoraRanks()

    @model_validator(mode="after")
    def _sizes_fit(self) -> SamArchitecture:
        for name in ("input_size", "trained_size"):
            if getattr(self, name) % self.patch_size:
                raise ValueError(f"{name} must be a multiple of patch_size {self.patch_size}")
        grid = self.input_size // self.patch_size
        if self.window > grid + 16:
            raise ValueError("windows far larger than the image")
        pairs = self.heads * grid**4
        if self.window:
            # Each window is filled up to its full size.
            windows = -((-grid // self.window) ** 2)
            windowed = self.heads * windows * self.window**4
            pairs = max(windowed, pairs if min(self.global_blocks, default=64) < self.depth else 0)
        if pairs > _MOST_PAIRS:
            raise ValueError(f"attention between more than {_MOST_PAIRS} pairs of tokens")
        if self.embed_dim % self.heads:
            raise ValueError("attention heads must divide the embedding dimensions")
        if self.stem and 2 ** (len(self.stem) + 1) != self.patch_size:
            raise ValueError("a stem needs log2(patch_size) - 1 stages")
        return self


class UNetArchitecture(Architecture):
    """MONAI's ``BasicUNet``: five levels, two convolutions each, instance normalisation.

    Attributes
    ----------
    features : tuple of int
        Channels of the five levels, and of the last features.
    """

    kind: Literal["monai-unet"] = "monai-unet"
    features: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(
        default=(16, 32, 64, 128, 256, 32), min_length=6, max_length=6
    )

    @model_validator(mode="after")
    def _size_fits(self) -> UNetArchitecture:
        if self.input_size % 16:
            raise ValueError("input_size must be a multiple of 16")
        return self


class LiteMedSamArchitecture(DecoderArchitecture):
    """LiteMedSAM: a TinyViT with a stride of 4, SAM's mask decoder, and a branch for detail.

    Attributes
    ----------
    patch_size : int
        Pixels of the image for each token, along an edge.
    input_channels : int
        1, shown to the encoder three times, or 3.
    widths, depths : tuple of int
        Channels and blocks of the encoder's four stages; the first convolves, the others attend.
    heads, windows : tuple of int
        Of the stages that attend: attention heads, and the edge of a window in tokens.
    stem : tuple of int
        Channels of the branch for detail, at half the image's resolution.
    """

    patch_size: ClassVar[int] = 4

    kind: Literal["lite-medsam"] = "lite-medsam"
    input_size: int = Field(default=256, ge=32, le=1024, multiple_of=4)
    input_channels: Literal[1, 3] = 1
    widths: _Four = (64, 128, 160, 320)
    depths: _Four = (2, 2, 6, 2)
    heads: _Three = (4, 5, 10)
    windows: _Three = (7, 14, 7)
    stem: tuple[Annotated[int, Field(ge=1, le=1024)]] = (48,)

    @model_validator(mode="after")
    def _stages_fit(self) -> LiteMedSamArchitecture:
        if any(width % heads for width, heads in zip(self.widths[1:], self.heads, strict=True)):
            raise ValueError("attention heads must divide the widths of their stages")
        windows = zip(self.heads, self.windows, strict=True)
        if max(heads * window**4 for heads, window in windows) > _MOST_PAIRS:
            raise ValueError(f"attention between more than {_MOST_PAIRS} pairs of tokens")
        return self


VIT_B = SamArchitecture()
VIT_L = SamArchitecture(embed_dim=1024, depth=24, heads=16, global_blocks=(5, 11, 17, 23))
VIT_H = SamArchitecture(embed_dim=1280, depth=32, heads=16, global_blocks=(7, 15, 23, 31))

OFFICIAL_ENCODERS: dict[str, SamArchitecture] = {"vit_b": VIT_B, "vit_l": VIT_L, "vit_h": VIT_H}
"""The published SAM encoders, under the names that their checkpoints use."""

THIGH_DEMO = SamArchitecture(
    input_size=128,
    trained_size=128,
    input_channels=1,
    patch_size=16,
    embed_dim=128,
    depth=2,
    heads=4,
    global_blocks=(),
    window=0,
    relative_positions=False,
    stem=(24, 48, 96),
    decoder_dim=96,
    decoder_depth=1,
    decoder_heads=4,
    decoder_mlp=256,
)
"""Small enough to train on a CPU within an hour and to ship."""
