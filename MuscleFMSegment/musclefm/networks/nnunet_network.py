"""nnU-Net's own U-Net as a network of an ensemble."""

from __future__ import annotations

from torch import Tensor, nn

from musclefm.errors import MuscleFMError
from musclefm.networks.network import SegmentationNetwork
from musclefm.networks.nnunet import NnUNetArchitecture, nnunet_is_missing


class NnUNet(SegmentationNetwork):
    """A U-Net of the package dynamic-network-architectures, from a patch to logits.

    The logits are of the architecture's outputs, see :class:`NnUNetArchitecture`.

    Raises
    ------
    MuscleFMError
        nnU-Net is not installed, or an output is of a class beyond ``class_count``.
    """

    architecture: NnUNetArchitecture

    def __init__(self, architecture: NnUNetArchitecture, class_count: int) -> None:
        super().__init__(architecture, class_count)
        if max(architecture.classes) >= class_count:
            raise MuscleFMError(
                f"the network has outputs beyond the {class_count} classes of its label scheme",
                "import it again with the scheme that its labels are of",
            )
        try:
            from dynamic_network_architectures.architectures import unet
            from dynamic_network_architectures.building_blocks.simple_conv_blocks import (
                ConvDropoutNormReLU,
            )
        except ImportError as error:
            raise nnunet_is_missing(error) from error
        three = len(architecture.patch_size) == 3
        plain = architecture.unet == "PlainConvUNet"
        built = (unet.PlainConvUNet if plain else unet.ResidualEncoderUNet)(
            input_channels=architecture.input_channels,
            n_stages=len(architecture.features),
            features_per_stage=architecture.features,
            conv_op=nn.Conv3d if three else nn.Conv2d,
            kernel_sizes=architecture.kernel_sizes,
            strides=architecture.strides,
            num_classes=len(architecture.classes),
            n_conv_per_stage_decoder=architecture.decoder_blocks,
            conv_bias=architecture.conv_bias,
            norm_op=nn.InstanceNorm3d if three else nn.InstanceNorm2d,
            norm_op_kwargs={"eps": architecture.norm_eps, "affine": True},
            nonlin=nn.LeakyReLU,
            nonlin_kwargs={"inplace": True},
            **{"n_conv_per_stage" if plain else "n_blocks_per_stage": architecture.blocks},
        )
        # Every module once: what else names it would only be stored a second time.
        del built.decoder.encoder
        for module in built.modules():
            if isinstance(module, ConvDropoutNormReLU):
                del module.conv, module.norm
        self.image_encoder: nn.Module = built.encoder
        self.decoder: nn.Module = built.decoder

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the lowest stage's features and the others', from ``(N, channels, *patch)``."""
        *features, embedding = self.image_encoder(image)
        return embedding, features

    def decode(self, embedding: Tensor, features: list[Tensor]) -> Tensor:
        """Return logits ``(N, outputs, *patch)``."""
        logits: Tensor = self.decoder([*features, embedding])
        return logits

    def draw_class_outputs(self) -> None:
        """Draw the last convolutions anew."""
        for layer in self.decoder.get_submodule("seg_layers").modules():
            if isinstance(layer, nn.Conv2d | nn.Conv3d):
                layer.reset_parameters()
