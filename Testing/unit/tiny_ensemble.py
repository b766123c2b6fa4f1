"""Ensembles with random weights, small enough to run in a test."""

from collections.abc import Sequence
from pathlib import Path

import torch

from musclefm.labels.scheme import load_scheme
from musclefm.models.bundle import Bundle, save_bundle
from musclefm.models.manifest import BundleCard, ModelInput, ThighTiles, WholeSlice
from musclefm.models.member_files import MemberState
from musclefm.networks.architecture import SamArchitecture
from musclefm.networks.sam import MultiClassSam

SCHEME = load_scheme("thigh-11")

# How far results of one network may lie apart in fp32, on any processor, with any number of
# threads and any size of batches: each sums in another order. Its logits reach 490, where the
# last digit is 3e-5, and a few of those add up.
ROUNDING = 2e-4

TINY = SamArchitecture(
    input_size=32,
    trained_size=32,
    input_channels=1,
    patch_size=8,
    embed_dim=32,
    depth=1,
    heads=2,
    global_blocks=(),
    window=0,
    relative_positions=False,
    stem=(8, 16),
    decoder_dim=32,
    decoder_depth=1,
    decoder_heads=2,
    decoder_mlp=32,
)

THIGH_TILES = ModelInput(framing=ThighTiles(spacing_mm=6.0))
WHOLE_SLICES = ModelInput(framing=WholeSlice(orientation="canonical"))


def network(seed: int, channels: int = 1) -> MultiClassSam:
    """Return a network whose answers differ from place to place and from seed to seed."""
    torch.manual_seed(seed)
    architecture = TINY.model_copy(update={"input_channels": channels})
    model = MultiClassSam(architecture, SCHEME.class_count).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.mul_(2.0)
    return model


def tiny_bundle(
    folder: Path,
    members: int = 3,
    model_input: ModelInput = THIGH_TILES,
    shared_encoder: bool = False,
    temperature: float = 1.0,
) -> Bundle:
    """Save an ensemble of random networks.

    Parameters
    ----------
    folder : Path
        To be made.
    members : int
        How many.
    model_input : ModelInput
        What they are shown.
    shared_encoder : bool
        Whether all but the second have the first one's image encoder.
    temperature : float
        Of the ensemble.
    """
    channels = 3 if isinstance(model_input.framing, WholeSlice) else 1
    networks = [network(seed, channels) for seed in range(1, members + 1)]
    if shared_encoder:
        for other in networks[2:]:
            other.image_encoder.load_state_dict(networks[0].image_encoder.state_dict())
    return bundle_of(folder, networks, model_input, temperature)


def bundle_of(
    folder: Path,
    networks: Sequence[MultiClassSam],
    model_input: ModelInput,
    temperature: float = 1.0,
) -> Bundle:
    """Save networks as an ensemble."""
    card = BundleCard(
        name="tiny",
        title="Tiny",
        version="1",
        description="Random weights, for tests.",
        architecture=networks[0].architecture,
        scheme=SCHEME.name,
        input=model_input,
        temperature=temperature,
        training_data="none",
        licence="Apache-2.0",
    )
    states = [MemberState(member.state_dict()) for member in networks]
    return save_bundle(folder, card, states, precision="fp32")
