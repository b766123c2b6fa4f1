"""The networks of a bundle, from its files of weights and into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from musclefm import __version__
from musclefm.errors import MuscleFMError
from musclefm.models.manifest import BundleCard, BundleManifest, Member
from musclefm.models.usable_weights import require_usable
from musclefm.models.weight_files import GET_AGAIN
from musclefm.models.weights import read_weights, write_weights
from musclefm.networks.network import SegmentationNetwork
from musclefm.networks.without_weights import build_without_weights

SHARED_ENCODER_FILE = "encoder.safetensors"


@dataclass(frozen=True)
class MemberState:
    """One network to be saved.

    Attributes
    ----------
    state : mapping of str to Tensor
        Its state dict.
    seed, fold : int or None
        What it was trained with.
    metrics : mapping of str to float
        Its validation metrics.
    """

    state: Mapping[str, Tensor]
    seed: int | None = None
    fold: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


def load_network(
    folder: Path,
    manifest: BundleManifest,
    class_count: int,
    index: int,
    device: torch.device | str,
    dtype: torch.dtype,
) -> SegmentationNetwork:
    """Load one network, in evaluation mode.

    Parameters
    ----------
    folder : Path
        Of the bundle.
    manifest : BundleManifest
        Names its files.
    class_count : int
        Classes of its label scheme, with background.
    index : int
        Which member, from 0.
    device : torch.device or str
        Where to put it.
    dtype : torch.dtype
        Of its floating-point weights.

    Raises
    ------
    MuscleFMError
        Its weights do not fit the architecture, or are not finite numbers.
    """
    member = manifest.members[index]
    files = [entry for entry in (member.encoder, member.weights) if entry]
    state: dict[str, Tensor] = {}
    for entry in files:
        state |= read_weights(folder / entry.file, manifest.name)
    model = build_without_weights(manifest.architecture, class_count)
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    given = {name: tensor.shape for name, tensor in state.items()}
    odd = sorted(name for name in expected | given if expected.get(name) != given.get(name))
    if odd:
        raise MuscleFMError(
            f"member {index} of model '{manifest.name}' does not fit its architecture"
            f" ({len(odd)} tensors differ, e.g. {odd[0]})",
            GET_AGAIN,
        )
    require_usable(state, f"member {index} of model '{manifest.name}'", GET_AGAIN)
    converted = {
        name: tensor.to(device, _dtype_in_use(name, tensor, dtype))
        for name, tensor in state.items()
    }
    model.load_state_dict(converted, assign=True)
    return model.eval()


def write_members(
    staged: Path, card: BundleCard, members: Sequence[MemberState], half: bool
) -> BundleManifest:
    """Write networks into a folder, and return the manifest that goes with them.

    Parameters
    ----------
    staged : Path
        An empty folder.
    card : BundleCard
        What its maker says of the model.
    members : sequence of MemberState
        At least one.
    half : bool
        Whether to store float16.

    Raises
    ------
    OSError, safetensors.SafetensorError
        They cannot be written.
    """
    shared = _shared_by_all(members)
    encoder = None
    if shared:
        common = {name: members[0].state[name] for name in shared}
        encoder = write_weights(staged / SHARED_ENCODER_FILE, common, half)
    written = []
    for index, member in enumerate(members):
        own = {name: tensor for name, tensor in member.state.items() if name not in shared}
        written.append(
            Member(
                weights=write_weights(staged / f"member-{index}.safetensors", own, half),
                encoder=encoder,
                seed=member.seed,
                fold=member.fold,
                metrics=dict(member.metrics),
            )
        )
    described = {name: getattr(card, name) for name in BundleCard.model_fields}
    return BundleManifest(
        **described,
        members=tuple(written),
        created_with={"musclefm": __version__, "torch": str(torch.__version__)},
    )


def _shared_by_all(members: Sequence[MemberState]) -> frozenset[str]:
    """Return the names of the image encoder's weights that are equal in all members."""
    if len(members) < 2:
        return frozenset()
    first, *others = (member.state for member in members)
    return frozenset(
        name
        for name, tensor in first.items()
        if name.startswith("image_encoder.")
        and tensor.is_floating_point()
        and all(name in other and torch.equal(tensor, other[name]) for other in others)
    )


def _dtype_in_use(name: str, tensor: Tensor, dtype: torch.dtype) -> torch.dtype:
    # The positional encoding takes sines of large angles, which half precision garbles.
    if name.endswith("positional_encoding_gaussian_matrix"):
        return torch.float32
    return dtype if tensor.is_floating_point() else tensor.dtype
