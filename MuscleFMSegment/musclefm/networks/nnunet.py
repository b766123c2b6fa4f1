"""The U-Nets of nnU-Net: what is kept of one, and how it is built."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from musclefm.errors import MuscleFMError
from musclefm.networks.architecture import Architecture

_MOST_VOXELS = 1 << 27
"""Of a patch; the largest GPU has no room for more."""

_Sizes = tuple[Annotated[int, Field(ge=1, le=15)], ...]
_Counts = tuple[Annotated[int, Field(ge=1, le=32)], ...]


class NnUNetArchitecture(Architecture):
    """A U-Net that nnU-Net planned, in two or three dimensions.

    Attributes
    ----------
    input_size : int
        Largest edge of ``patch_size``.
    unet : str
        Class of the package dynamic-network-architectures.
    patch_size : tuple of int
        What it sees at once, in the order of nnU-Net's transposed axes.
    features : tuple of int
        Channels of each stage.
    kernel_sizes, strides : tuple of tuple of int
        Of each stage, by axis.
    blocks, decoder_blocks : tuple of int
        Convolutions (residual blocks, in the encoder of ``ResidualEncoderUNet``) of each stage;
        the decoder has one stage less.
    conv_bias : bool
        Whether convolutions have a bias.
    norm_eps : float
        Of the instance normalisation.
    classes : tuple of int
        Class of the label scheme for each output, background first. The probabilities of
        outputs of one class are added: left and right, or what is no muscle of the scheme.
    """

    kind: Literal["nnunet"] = "nnunet"
    input_size: int = Field(ge=4, le=4096)
    unet: Literal["PlainConvUNet", "ResidualEncoderUNet"]
    patch_size: tuple[Annotated[int, Field(ge=4, le=4096)], ...] = Field(min_length=2, max_length=3)
    features: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(min_length=2, max_length=12)
    kernel_sizes: tuple[_Sizes, ...]
    strides: tuple[_Sizes, ...]
    blocks: _Counts
    decoder_blocks: _Counts
    conv_bias: bool = True
    norm_eps: float = Field(default=1e-5, gt=0.0, le=1.0)
    classes: tuple[Annotated[int, Field(ge=0, le=127)], ...] = Field(min_length=2, max_length=255)

    @model_validator(mode="after")
    def _sizes_fit(self) -> NnUNetArchitecture:
        stages, axes = len(self.features), len(self.patch_size)
        if {len(self.kernel_sizes), len(self.strides), len(self.blocks)} != {stages}:
            raise ValueError(f"every stage of {stages} needs a kernel, a stride and blocks")
        if len(self.decoder_blocks) != stages - 1:
            raise ValueError("the decoder has one stage less than the encoder")
        if any(len(sizes) != axes for sizes in (*self.kernel_sizes, *self.strides)):
            raise ValueError("kernels and strides need a number for each axis of the patch")
        if self.input_size != max(self.patch_size):
            raise ValueError("input_size must be the patch's largest edge")
        if math.prod(self.patch_size) > _MOST_VOXELS:
            raise ValueError(f"a patch of more than {_MOST_VOXELS} voxels")
        for axis, edge in enumerate(self.patch_size):
            if edge % math.prod(stride[axis] for stride in self.strides):
                raise ValueError("the strides must divide the patch")
        if self.classes[0] != 0:
            raise ValueError("the first output must be background")
        return self

    @property
    def operations(self) -> float:
        """Multiplications and additions for a patch, roughly."""
        # Of the residual U-Net's encoder each block has two convolutions.
        convolutions = 1 if self.unet == "PlainConvUNet" else 2
        total, before = 0.0, self.input_channels
        voxels = self.voxels
        kernels = [math.prod(sizes) for sizes in self.kernel_sizes]
        for stage, channels in enumerate(self.features):
            again = (self.blocks[stage] * convolutions - 1) * channels
            total += voxels[stage] * kernels[stage] * channels * (before + again)
            before = channels
        for stage, blocks in enumerate(reversed(self.decoder_blocks)):
            channels = self.features[stage]
            total += voxels[stage] * kernels[stage] * channels * channels * (blocks + 1)
        return total

    @property
    def voxels(self) -> tuple[float, ...]:
        """Voxels of a patch at each stage."""
        left = float(math.prod(self.patch_size))
        found = []
        for stride in self.strides:
            left /= math.prod(stride)
            found.append(left)
        return tuple(found)


def nnunet_is_missing(error: ImportError) -> MuscleFMError:
    """Return what to say where a package of nnU-Net cannot be imported."""
    return MuscleFMError(
        f"nnU-Net cannot be used: package '{error.name}' is not installed",
        "install it: pip install 'musclefm[nnunet]'",
    )
