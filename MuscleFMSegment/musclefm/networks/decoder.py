"""SAM's mask decoder with one output channel a class."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from musclefm.networks.architecture import DecoderArchitecture
from musclefm.networks.encoder import convolution_block
from musclefm.networks.segment_anything import modeling

# The parts whose size is the number of classes, which official checkpoints lack.
_CLASS_PARTS = ("mask_tokens", "output_hypernetworks_mlps", "iou_prediction_head")


class FeatureUpscaling(nn.Module):
    """Upscales the decoded image and joins it with the stem's features.

    Plain SAM upscales from its tokens alone. A model trained from scratch on
    little data finds boundaries far sooner when it sees the stem's own, as a
    U-Net's decoder does.

    Parameters
    ----------
    dim : int
        Channels of the decoded image; the output has ``dim / 8``.
    widths : tuple of int
        Channels of the stem's features, finest first.
    """

    def __init__(self, dim: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        channels = (dim, *reversed(widths))
        self.widen = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in pairwise(channels)
        )
        self.join = nn.ModuleList(
            nn.Sequential(convolution_block(2 * width, width), convolution_block(width, width))
            for width in reversed(widths)
        )
        self.narrow = nn.Conv2d(widths[0], dim // 8, 1)

    def forward(self, decoded: Tensor, features: list[Tensor]) -> Tensor:
        """Return ``(N, dim / 8, H·s, W·s)`` from ``(N, dim, H, W)`` and features."""
        x = decoded
        for widen, join, feature in zip(self.widen, self.join, reversed(features), strict=True):
            x = join(torch.cat([widen(x), feature], dim=1))
        narrowed: Tensor = self.narrow(x)
        return narrowed


class MultiClassMaskDecoder(modeling.MaskDecoder):  # type: ignore[misc]
    """SAM's mask decoder, run without prompts on a batch of images.

    Parameters
    ----------
    architecture : DecoderArchitecture
        Its dimensions.
    class_count : int
        Classes with background: SAM's ``num_multimask_outputs``.
    """

    def __init__(self, architecture: DecoderArchitecture, class_count: int) -> None:
        super().__init__(
            transformer_dim=architecture.decoder_dim,
            transformer=modeling.TwoWayTransformer(
                depth=architecture.decoder_depth,
                embedding_dim=architecture.decoder_dim,
                mlp_dim=architecture.decoder_mlp,
                num_heads=architecture.decoder_heads,
            ),
            num_multimask_outputs=class_count,
            iou_head_depth=3,
            iou_head_hidden_dim=architecture.decoder_dim,
        )
        if architecture.stem:
            self.output_upscaling = FeatureUpscaling(architecture.decoder_dim, architecture.stem)

    def forward(
        self,
        embedding: Tensor,
        positions: Tensor,
        no_prompt: Tensor,
        features: list[Tensor],
    ) -> Tensor:
        """Return class logits.

        Parameters
        ----------
        embedding : Tensor
            ``(N, D, H, W)`` from the image encoder.
        positions : Tensor
            ``(1, D, H, W)``: the prompt encoder's dense positional encoding.
        no_prompt : Tensor
            ``(1, D, H, W)``: the prompt encoder's answer to no mask.
        features : list of Tensor
            The stem's features; empty for SAM's own encoder.

        Returns
        -------
        Tensor
            ``(N, C, h, w)``: the channels after token 0, which is SAM's
            single-mask output and unused here.
        """
        count, channels, height, width = embedding.shape
        tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight]).expand(count, -1, -1)
        decoded_tokens, decoded_image = self.transformer(
            embedding + no_prompt, positions.expand(count, -1, -1, -1), tokens
        )
        image = decoded_image.transpose(1, 2).reshape(count, channels, height, width)
        upscaled = (
            self.output_upscaling(image, features) if features else self.output_upscaling(image)
        )
        class_tokens = decoded_tokens[:, 2 : 1 + self.num_mask_tokens]
        filters = torch.stack(
            [
                mlp(class_tokens[:, index])
                for index, mlp in enumerate(self.output_hypernetworks_mlps[1:])
            ],
            dim=1,
        )
        return torch.einsum("ncd,ndhw->nchw", filters, upscaled)

    def draw_class_outputs(self, architecture: DecoderArchitecture, class_count: int) -> None:
        """Draw the class tokens and their heads anew."""
        fresh = MultiClassMaskDecoder(architecture, class_count)
        for part in _CLASS_PARTS:
            getattr(self, part).load_state_dict(getattr(fresh, part).state_dict())
