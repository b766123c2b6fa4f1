"""MONAI's U-Net as a network of an ensemble."""

from __future__ import annotations

from torch import Tensor, nn

from musclefm.errors import MuscleFMError
from musclefm.networks.architecture import UNetArchitecture
from musclefm.networks.network import SegmentationNetwork


class UNet(SegmentationNetwork):
    """MONAI's ``BasicUNet``, all but its last convolution in ``image_encoder``.

    Parameters
    ----------
    architecture : UNetArchitecture
        What to build.
    class_count : int
        Classes with background.

    Raises
    ------
    MuscleFMError
        MONAI is not installed.
    """

    def __init__(self, architecture: UNetArchitecture, class_count: int) -> None:
        super().__init__(architecture, class_count)
        try:
            from monai.networks.nets.basic_unet import BasicUNet
        except ImportError as error:
            raise MuscleFMError(
                "MONAI, whose U-Net this is, is not installed",
                "run: python -m pip install 'musclefm[benchmark]'",
            ) from error
        self.image_encoder = BasicUNet(
            spatial_dims=2,
            in_channels=architecture.input_channels,
            out_channels=class_count,
            features=architecture.features,
        )
        self.classes = self.image_encoder.final_conv
        self.image_encoder.final_conv = nn.Identity()

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the last features ``(N, D, S, S)``, and no others."""
        return self.image_encoder(image), []

    def decode(self, embedding: Tensor, features: list[Tensor]) -> Tensor:
        """Return logits ``(N, C, S, S)``."""
        logits: Tensor = self.classes(embedding)
        return logits

    def draw_class_outputs(self) -> None:
        """Draw the last convolution anew."""
        self.classes.reset_parameters()
