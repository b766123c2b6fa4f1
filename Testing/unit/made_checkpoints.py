"""State dicts of any shapes, in small files."""

import zlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from musclefm.networks.architecture import VIT_B
from musclefm.networks.sam import MultiClassSam

Shapes = Mapping[str, Sequence[int]]


def shapes_of_model(architecture: object = VIT_B, class_count: int = 13) -> Shapes:
    with torch.device("meta"):
        state = MultiClassSam(architecture, class_count).state_dict()  # type: ignore[arg-type]
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def random_state(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Return random tensors that are views of one storage, so that the file stays small."""
    buffer = torch.randn(4_000_000, generator=torch.Generator().manual_seed(0)) * 0.02
    state = {}
    for name, shape in shapes.items():
        frozen = name.startswith("image_encoder.") and "linear_" not in name
        start = zlib.crc32(f"{name} {0 if frozen else seed}".encode()) % 100_000
        count = torch.Size(shape).numel()
        state[name] = buffer[start : start + count].reshape(tuple(shape))
    return state
