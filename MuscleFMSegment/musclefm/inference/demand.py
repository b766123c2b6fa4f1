"""What a case will need of time and GPU memory, before it is run: rough arithmetic, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from musclefm.models.manifest import BundleManifest
    from musclefm.networks.architecture import Architecture

# Starting PyTorch, reading, reviewing and writing, whatever the number of slices.
_START_S = 6.0
# Multiplications and additions a second that networks reach, of a core and of a GPU: ViT-B 1.3e11
# in bfloat16 and 7e10 in float32; small networks less, which the rest of a slice makes up for.
_CORE_RATE, _GPU_RATE = 1e11, 5e12
# Of a slice beside the networks: cutting tiles, entropies, votes.
_CORE_S, _GPU_S = 0.15, 0.05
_THIGHS = 2
# Of a family that does not say how many pixels a token has.
_PATCH = 16
_FLOAT_BYTES = 4
# Arrays of a token that a block holds at once: query, key, value, the wider layer and sums.
_ARRAYS = 12
# Of a stage of a U-Net: kept for the way up, joined there, and passing through a convolution.
_FEATURE_MAPS = 4
# What CUDA itself takes, and what its allocator keeps beside what is in use.
_CUDA_BYTES, _SLACK = 6e8, 1.5

# Pixels of tiles in one batch: attention takes most of the memory, and a CPU gains
# nothing from more. Fewer tiles than fit keep progress and cancelling lively.
_PIXELS_AT_ONCE = {"cpu": 448**2, "cuda": 32 * 448**2}
_TILES_AT_MOST = {"cpu": 8, "cuda": 64}


@dataclass(frozen=True)
class TimedRun:
    """An earlier run of the same model on the same device.

    Attributes
    ----------
    seconds : float
        From its start to its results.
    slices : int
        Of its volume.
    """

    seconds: float
    slices: int


def tiles_at_once(input_size: int, device: str) -> int:
    """Return how many tiles of so many pixels along an edge are run in one batch.

    Parameters
    ----------
    input_size : int
        Edge of a tile in pixels.
    device : str
        ``"cpu"`` or ``"cuda"``.
    """
    return min(max(_PIXELS_AT_ONCE[device] // input_size**2, 1), _TILES_AT_MOST[device])


def operations_per_slice(manifest: BundleManifest) -> float:
    """Return the multiplications and additions for a slice of two thighs, of all members."""
    from musclefm.networks.nnunet import NnUNetArchitecture

    architecture = manifest.architecture
    if isinstance(architecture, NnUNetArchitecture):
        # Patches overlap by half along each axis.
        axes = len(architecture.patch_size)
        seen = architecture.patch_size[0] if axes == 3 else 1
        return architecture.operations * 2**axes / seen * len(manifest.members)
    # An encoder that members share is run once.
    weights = sum(entry.bytes for entry in manifest.files) / _FLOAT_BYTES
    encoders = len({member.encoder or member.weights for member in manifest.members})
    tokens = _tokens(architecture)
    operations = 2 * weights * tokens
    # What a family does not have costs nothing.
    everywhere = not getattr(architecture, "window", 1)
    blocks = len(getattr(architecture, "global_blocks", ()))
    blocks = getattr(architecture, "depth", 0) if everywhere else blocks
    operations += encoders * 4 * blocks * tokens**2 * getattr(architecture, "embed_dim", 0)
    before = architecture.input_channels
    for stage, channels in enumerate(getattr(architecture, "stem", ()), start=1):
        operations += encoders * 18 * before * channels * (architecture.input_size >> stage) ** 2
        before = channels
    tiles = _THIGHS if manifest.input.framing.kind == "thigh" else 1
    return operations * tiles


def gpu_bytes(manifest: BundleManifest) -> float:
    """Return the GPU memory in bytes that a case of many slices takes, if there is as much."""
    from musclefm.networks.nnunet import NnUNetArchitecture

    architecture = manifest.architecture
    weights = sum(entry.bytes for entry in manifest.files)
    if isinstance(architecture, NnUNetArchitecture):
        stages = zip(architecture.voxels, architecture.features, strict=True)
        floats = _FEATURE_MAPS * sum(voxels * channels for voxels, channels in stages)
        return _CUDA_BYTES + weights + _SLACK * _FLOAT_BYTES * floats
    size = architecture.input_size
    floats = _tokens(architecture) * _ARRAYS * getattr(architecture, "embed_dim", 768)
    # Logits and the decoder's finest features, at a quarter of the tile's edge.
    floats += (size // 4) ** 2 * getattr(architecture, "decoder_dim", 256)
    for stage, channels in enumerate(getattr(architecture, "stem", ()), start=1):
        floats += 2 * channels * (size >> stage) ** 2
    batch = _FLOAT_BYTES * floats * tiles_at_once(size, "cuda")
    return _CUDA_BYTES + weights + _SLACK * batch


def expected_seconds(
    operations: float, slices: int, cores: int | None, earlier: TimedRun | None = None
) -> float:
    """Return how long a case will take; what an earlier run took goes before any arithmetic.

    Parameters
    ----------
    operations : float
        Of the model, see :func:`operations_per_slice`.
    slices : int
        Of the volume, across the leg.
    cores : int or None
        Of the CPU; None for a GPU.
    earlier : TimedRun, optional
        Of this model on this device.
    """
    if earlier is not None:
        start = min(_START_S, earlier.seconds / 2)
        return start + (earlier.seconds - start) * slices / earlier.slices
    rate, rest = (cores * _CORE_RATE, _CORE_S) if cores else (_GPU_RATE, _GPU_S)
    return _START_S + slices * (operations / rate + rest)


def _tokens(architecture: Architecture) -> float:
    return float((architecture.input_size // getattr(architecture, "patch_size", _PATCH)) ** 2)
