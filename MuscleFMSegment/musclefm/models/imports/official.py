"""Import of official SAM and MedSAM checkpoints as a pretrained checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import load_scheme
from musclefm.models.imports.state_dicts import read_state, require_fit
from musclefm.models.intensity import PublishedIntensity
from musclefm.models.manifest import BundleCard, ModelInput, WholeSlice
from musclefm.models.member_files import MemberState
from musclefm.networks.architecture import OFFICIAL_ENCODERS, SamArchitecture
from musclefm.networks.decoder import MultiClassMaskDecoder

SEED = 0
"""Of the class outputs."""

OFFICIAL_MASKS = 3
"""Masks that SAM gives for a prompt, beside the single-mask token."""

_PATCHES = "image_encoder.patch_embed.proj.weight"
_CLASS_PARTS = ("mask_tokens.", "output_hypernetworks_mlps.", "iou_prediction_head.")


def read_official(path: Path, name: str, scheme: str) -> tuple[BundleCard, list[MemberState]]:
    """Read a SAM or MedSAM checkpoint, with new outputs for a scheme's classes.

    The parts of the mask decoder whose size depends on the number of masks
    (mask tokens, hypernetworks, quality head) get segment-anything's own random
    initialisation from a fixed seed, as at the start of the published training;
    all other weights are the checkpoint's.

    Parameters
    ----------
    path : Path
        ``sam_vit_*.pth`` or ``medsam_vit_b.pth``. Both have the same tensors:
        it is MedSAM, with its intensity rule, where the file's name says so.
    name : str
        Of the bundle to be.
    scheme : str
        Label scheme whose classes are to be learned.

    Returns
    -------
    card : BundleCard
        With the role ``"start"``.
    members : list of MemberState
        A single network.

    Raises
    ------
    MuscleFMError
        It is not such a checkpoint.
    """
    label = f"'{path.name}'"
    state = read_state(path, label)
    arch, architecture = _recognise(state, label)
    require_fit(state, architecture, OFFICIAL_MASKS, label)
    kept = {key: value for key, value in state.items() if not _of_classes(key)}
    fresh = _class_outputs(architecture, load_scheme(scheme).class_count)
    medical = "medsam" in path.name.lower()
    start = "MedSAM" if medical else "SAM"
    card = BundleCard(
        name=name,
        title=f"{start} {arch}, a pretrained checkpoint",
        version="official",
        description=(
            f"{start}'s pretrained weights with untrained outputs for the classes of {scheme}"
            f" (seed {SEED}). It does not segment before it is trained."
        ),
        role="start",
        architecture=architecture,
        scheme=scheme,
        input=ModelInput(
            intensity=PublishedIntensity(normalisation="medsam" if medical else "sam"),
            framing=WholeSlice(orientation="canonical"),
        ),
        training_data=f"That of {start}, see its publication; no muscles.",
        licence="Apache-2.0",
    )
    return card, [MemberState(state=kept | fresh, seed=SEED)]


def _recognise(state: dict[str, Tensor], label: str) -> tuple[str, SamArchitecture]:
    shape = state[_PATCHES].shape if _PATCHES in state else ()
    for arch, architecture in OFFICIAL_ENCODERS.items():
        if shape[:1] == (architecture.embed_dim,):
            return arch, architecture
    raise MuscleFMError(
        f"{label} is not a SAM checkpoint of ViT-B, L or H",
        "import an official SAM or MedSAM checkpoint, or a folder of published muscle folds",
    )


def _of_classes(key: str) -> bool:
    return key.removeprefix("mask_decoder.").startswith(_CLASS_PARTS)


def _class_outputs(architecture: SamArchitecture, class_count: int) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        decoder = MultiClassMaskDecoder(architecture, class_count)
    return {
        f"mask_decoder.{key}": value
        for key, value in decoder.state_dict().items()
        if _of_classes(key)
    }
