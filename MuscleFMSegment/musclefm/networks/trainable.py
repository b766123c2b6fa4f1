"""What of a model is trained, and its adapters folded away afterwards."""

from __future__ import annotations

import copy
from typing import Literal

from musclefm.networks.architecture import LoraRanks
from musclefm.networks.lora import adapter_parameters, detach_lora
from musclefm.networks.network import SegmentationNetwork
from musclefm.networks.sam import MultiClassSam

Preset = Literal["decoder", "lora", "full", "scratch"]
"""Which parameters are trained, see :func:`freeze_for`."""


def freeze_for(model: SegmentationNetwork, preset: Preset) -> None:
    """Set which parameters receive gradients.

    Parameters
    ----------
    model : SegmentationNetwork
        Changed in place.
    preset : str
        ``"decoder"``: all but the image encoder. ``"lora"``: of the image
        encoder only the adapters; of the mask decoder's transformer only the
        adapters where it has some; and all the rest (class tokens, upscaling,
        hypernetworks, prompt encoder), as in the published training.
        ``"full"`` and ``"scratch"``: all.

    Raises
    ------
    ValueError
        ``"lora"`` of a model whose encoder has no adapters.
    """
    ranks = model.architecture.lora if isinstance(model, MultiClassSam) else LoraRanks()
    if preset == "lora" and not ranks.encoder:
        raise ValueError("the model has no adapters: set architecture.lora.encoder")
    model.requires_grad_(True)
    if preset in ("full", "scratch"):
        return
    model.image_encoder.requires_grad_(False)
    if preset == "lora" and isinstance(model, MultiClassSam):
        if ranks.decoder:
            model.mask_decoder.transformer.requires_grad_(False)
        for parameter in adapter_parameters(model):
            parameter.requires_grad_(True)


def merge_lora(model: MultiClassSam) -> MultiClassSam:
    """Return a plain model with the same answers, its adapters folded in.

    Parameters
    ----------
    model : MultiClassSam
        Left as it is.
    """
    plain = copy.deepcopy(model)
    detach_lora(plain.image_encoder, plain.mask_decoder)
    plain.architecture = model.architecture.model_copy(update={"lora": LoraRanks()})
    return plain
