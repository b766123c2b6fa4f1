"""LiteMedSAM's encoder with SAM's mask decoder, a class a token, and a branch for detail."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from musclefm.networks.architecture import LiteMedSamArchitecture
from musclefm.networks.decoder import MultiClassMaskDecoder
from musclefm.networks.encoder import ConvolutionalStem
from musclefm.networks.lite_medsam.encoder import TinyViT
from musclefm.networks.network import SegmentationNetwork
from musclefm.networks.segment_anything import modeling

_NOT_PRETRAINED = ("detail", "mask_decoder.output_upscaling")


class LiteMedSam(SegmentationNetwork):
    """A network whose encoder may stay as it was pretrained, for thighs of any MR contrast.

    The branch for detail sees the image itself: at half its resolution it joins SAM's
    upscaling, at a quarter it adds to the embedding what the encoder was not trained to see.

    Parameters
    ----------
    architecture : LiteMedSamArchitecture
        What to build.
    class_count : int
        Classes with background.
    """

    architecture: LiteMedSamArchitecture

    def __init__(self, architecture: LiteMedSamArchitecture, class_count: int) -> None:
        super().__init__(architecture, class_count)
        dim = architecture.decoder_dim
        self.image_encoder = TinyViT(architecture)
        self.detail = ConvolutionalStem(architecture.input_channels, architecture.stem, dim)
        self.mask_decoder = MultiClassMaskDecoder(architecture, class_count)
        # On the device "meta" it would import torch's compiler.
        with torch.device("cpu"):
            self.positions = modeling.prompt_encoder.PositionEmbeddingRandom(dim // 2)
        self.no_prompt = nn.Embedding(1, dim)

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the embedding ``(N, D, S / 4, S / 4)``, and the image for the other branch."""
        shown = image if image.shape[1] == 3 else image.expand(-1, 3, -1, -1)
        return self.image_encoder(shown), [image]

    def decode(self, embedding: Tensor, features: list[Tensor]) -> Tensor:
        """Return logits ``(N, C, S / 2, S / 2)``."""
        tokens, details = self.detail(features[0])
        embedding = embedding + tokens.permute(0, 3, 1, 2)
        positions = self.positions(embedding.shape[-2:]).to(embedding.dtype)[None]
        no_prompt = self.no_prompt.weight[..., None, None]
        logits: Tensor = self.mask_decoder(embedding, positions, no_prompt, details)
        return logits

    def draw_class_outputs(self) -> None:
        """Draw the class tokens and their heads anew."""
        self.mask_decoder.draw_class_outputs(self.architecture, self.class_count)

    def draw_untrained(self) -> None:
        """Draw the class tokens and their heads anew, and all else that was not pretrained."""
        self.draw_class_outputs()
        fresh = LiteMedSam(self.architecture, self.class_count)
        for name in _NOT_PRETRAINED:
            self.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())
