"""The rows of the comparison that this library trains itself, as presets of its recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from musclefm.defaults import DEFAULT_MODEL
from musclefm.networks.architecture import (
    THIGH_DEMO,
    Architecture,
    SamArchitecture,
    UNetArchitecture,
)

SMALL_SAM = SamArchitecture(
    input_size=128,
    trained_size=128,
    input_channels=1,
    patch_size=8,
    embed_dim=128,
    depth=4,
    heads=4,
    global_blocks=(),
    window=0,
    decoder_dim=64,
    decoder_heads=4,
    decoder_mlp=256,
)
"""SAM's own design without its weights, small enough to learn from nothing on a CPU."""

SMALL_UNET = UNetArchitecture(input_size=128, input_channels=1, features=(8, 16, 32, 64, 128, 8))
"""Half as wide as nnU-Net begins, and as deep."""


@dataclass(frozen=True)
class Row:
    """A system as a preset of the training's recipe.

    Attributes
    ----------
    title : str
        For the table, with the weights that it is named after.
    small : Architecture
        What is trained from scratch.
    pretrained : str or None
        The model that holds those weights; None where all are drawn at random.
    trained : str
        Which of its weights are trained, see :func:`musclefm.networks.trainable.freeze_for`.
    neighbours_mm, smoothing_mm : float
        Of what is trained from scratch, see :class:`musclefm.models.manifest.ThighTiles`.
    """

    title: str
    small: Architecture
    pretrained: str | None = None
    trained: Literal["decoder", "lora", "full"] = "full"
    neighbours_mm: float = 0.0
    smoothing_mm: float = 0.0


ROWS = {
    "sam-lora": Row("SAM encoder/decoder (LoRA)", SMALL_SAM, "sam-vit-b", "lora"),
    "sam-decoder": Row("SAM decoder", SMALL_SAM, "sam-vit-b", "decoder"),
    "medsam-lora": Row("MedSAM encoder/decoder (LoRA)", SMALL_SAM, "medsam-vit-b", "lora"),
    "medsam-decoder": Row("MedSAM decoder", SMALL_SAM, "medsam-vit-b", "decoder"),
    "monai-unet": Row("MONAI U-Net", SMALL_UNET),
    DEFAULT_MODEL: Row(
        f"Architecture of {DEFAULT_MODEL}", THIGH_DEMO, neighbours_mm=6.0, smoothing_mm=9.0
    ),
}
"""Rows by the names of their systems."""
