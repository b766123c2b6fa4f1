"""A multi-class Segment Anything model, from segment-anything's own classes."""

from __future__ import annotations

import torch
from torch import Tensor

from musclefm.networks.architecture import SamArchitecture
from musclefm.networks.decoder import MultiClassMaskDecoder
from musclefm.networks.encoder import ImageEncoder
from musclefm.networks.lora import attach_lora
from musclefm.networks.network import EncoderStage, SegmentationNetwork
from musclefm.networks.segment_anything import modeling


class MultiClassSam(SegmentationNetwork):
    """SAM without prompts whose mask decoder gives one channel a class.

    The names of its parameters are those of segment-anything's ``Sam``, so
    that published state dicts load as they are.

    Parameters
    ----------
    architecture : SamArchitecture
        What to build.
    class_count : int
        Classes with background.
    """

    architecture: SamArchitecture
    image_encoder: ImageEncoder

    def __init__(self, architecture: SamArchitecture, class_count: int) -> None:
        super().__init__(architecture, class_count)
        grid = architecture.trained_size // architecture.patch_size
        self.image_encoder = ImageEncoder(architecture)
        # It computes when it is made, for which the device "meta" imports torch's compiler:
        # seconds, where the CPU takes a millisecond.
        with torch.device("cpu"):
            self.prompt_encoder = modeling.PromptEncoder(
                embed_dim=architecture.decoder_dim,
                image_embedding_size=(grid, grid),
                input_image_size=(architecture.trained_size, architecture.trained_size),
                mask_in_chans=16,
            )
        self.mask_decoder = MultiClassMaskDecoder(architecture, class_count)
        attach_lora(self.image_encoder, self.mask_decoder, architecture.lora)

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the image embedding and the stem's features, see :class:`ImageEncoder`."""
        encoded: tuple[Tensor, list[Tensor]] = self.image_encoder(image)
        return encoded

    def encoder_stages(self) -> tuple[EncoderStage, ...]:
        """Return tokens, each block, and the neck, see :meth:`ImageEncoder.stages`."""
        return self.image_encoder.stages()

    def decode(self, embedding: Tensor, features: list[Tensor]) -> Tensor:
        """Return logits ``(N, C, h, w)``; for SAM's own decoder h = w = S / 4."""
        height, width = embedding.shape[-2:]
        positions = self.prompt_encoder.pe_layer((height, width)).unsqueeze(0)
        no_prompt = self.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
        logits: Tensor = self.mask_decoder(
            embedding, positions.to(embedding.dtype), no_prompt, features
        )
        return logits

    def draw_class_outputs(self) -> None:
        """Draw the class tokens and their heads anew."""
        self.mask_decoder.draw_class_outputs(self.architecture, self.class_count)
