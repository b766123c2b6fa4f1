"""The network that a member starts from."""

from __future__ import annotations

from pathlib import Path

import torch

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import LabelScheme
from musclefm.models.bundle import Bundle, save_bundle
from musclefm.models.manifest import BundleCard, WholeSlice
from musclefm.models.member_files import MemberState
from musclefm.networks.architecture import Architecture, LoraRanks, SamArchitecture
from musclefm.networks.families import build
from musclefm.networks.lora import attach_lora
from musclefm.networks.network import SegmentationNetwork
from musclefm.networks.nnunet import NnUNetArchitecture
from musclefm.networks.sam import MultiClassSam
from musclefm.networks.trainable import merge_lora
from musclefm.training.recipe import FineTuning


def trained_architecture(start: Bundle, recipe: FineTuning) -> Architecture:
    """Return the architecture of the members to be.

    Raises
    ------
    MuscleFMError
        Adapters are to be trained of networks that take none.
    """
    architecture = start.manifest.architecture
    changes: dict[str, object] = {}
    if isinstance(architecture, NnUNetArchitecture):
        raise MuscleFMError(
            f"model '{start.manifest.name}' is an nnU-Net, which this does not train",
            "train it by nnUNetv2_train on 'musclefm export' of the cases, and import it again",
        )
    if isinstance(start.manifest.input.framing, WholeSlice):
        changes["input_size"] = recipe.slice_size
    if recipe.trained == "lora":
        if not isinstance(architecture, SamArchitecture):
            raise MuscleFMError(
                f"model '{start.manifest.name}' is of the family '{architecture.kind}', which"
                " takes no low-rank adapters",
                "train the decoder or all weights: --train decoder or --train full",
            )
        changes["lora"] = recipe.lora
    if recipe.trained == "scratch" and isinstance(architecture, SamArchitecture):
        changes["lora"] = LoraRanks()
    # Not a copy: sizes that do not fit each other are refused.
    return type(architecture).model_validate(architecture.model_dump() | changes)


def start_for_scheme(
    start: Bundle, scheme: LabelScheme, recipe: FineTuning, folder: Path
) -> Bundle:
    """Write what a model holds that is not of its own muscles, to start from with others.

    Its image encoder and all else that fits stay; what tells classes apart is drawn
    anew, for each member to be by its seed.

    Parameters
    ----------
    start : Bundle
        An ensemble, or a pretrained checkpoint.
    scheme : LabelScheme
        What is to be learned.
    recipe : FineTuning
        How.
    folder : Path
        Of the bundle that is written; one that is there is replaced.

    Raises
    ------
    MuscleFMError
        The model is damaged or an nnU-Net, or the folder cannot be written.
    """
    card, known = start.manifest, len(start.manifest.members)
    trained_architecture(start, recipe)
    states = []
    # Of a pretrained checkpoint each member draws its own, see starting_member.
    for member in range(1 if card.role == "start" else recipe.member_count(known)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed + member)
            model = build(card.architecture, scheme.class_count)
            expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
            learned = start.load_member(member % known).state_dict()
            fits = {name: x for name, x in learned.items() if expected.get(name) == x.shape}
            model.load_state_dict(fits, strict=False)
            model.draw_class_outputs()
        states.append(MemberState(model.state_dict()))
    fields = {name: getattr(card, name) for name in BundleCard.model_fields}
    changes = {
        "scheme": scheme.name,
        "temperature": 1.0,
        "metrics": {},
        "training_data": f"{card.training_data} Its class outputs were then drawn anew for"
        f" '{scheme.name}', instead of '{card.scheme}'.",
    }
    written = BundleCard.model_validate(fields | changes)
    return save_bundle(folder, written, states, precision="fp32", replace=True)


def starting_member(start: Bundle, recipe: FineTuning, member: int) -> SegmentationNetwork:
    """Return the network that a member is trained from, on the CPU.

    Members of an ensemble are trained further as they are. Of a pretrained checkpoint every
    member gets class outputs of its own, drawn by its seed; from scratch, all weights are
    drawn so.

    Parameters
    ----------
    start : Bundle
        An ensemble, or a pretrained checkpoint.
    recipe : FineTuning
        How it will be trained.
    member : int
        Number of the member, from 0.

    Raises
    ------
    MuscleFMError
        The start is damaged.
    """
    architecture = trained_architecture(start, recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed + member)
        if recipe.trained == "scratch":
            return build(architecture, start.scheme.class_count)
        model = start.load_member(member % len(start.manifest.members))
        if start.manifest.role == "start":
            model.draw_untrained()
        if (
            isinstance(model, MultiClassSam)
            and isinstance(architecture, SamArchitecture)
            and architecture.lora not in (LoraRanks(), model.architecture.lora)
        ):
            model = merge_lora(model)
            attach_lora(model.image_encoder, model.mask_decoder, architecture.lora)
    model.architecture = architecture
    return model
