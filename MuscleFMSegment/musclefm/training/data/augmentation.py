"""Random augmentations of tiles, the same for the same tile, number and seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from musclefm.labels.sided import IGNORE
from musclefm.training.recipe import Augmentation

_BIAS_KNOTS = 4


def augment(
    images: Tensor, labels: Tensor, augmentation: Augmentation, rngs: Sequence[np.random.Generator]
) -> tuple[Tensor, Tensor]:
    """Turn, scale, shear, shift tiles and change their intensities.

    Parameters
    ----------
    images : Tensor
        ``(N, C, S, S) float32``, under any normalisation: intensities are
        changed within each channel's own range.
    labels : Tensor
        ``(N, S, S) uint8``.
    augmentation : Augmentation
        The largest changes.
    rngs : sequence of numpy.random.Generator
        One for each tile.

    Returns
    -------
    images : Tensor
        ``(N, C, S, S) float32``.
    labels : Tensor
        ``(N, S, S) uint8``; IGNORE where nothing was.
    """
    device, size = images.device, images.shape[-1]
    lowest = images.amin(dim=(2, 3), keepdim=True)
    width = (images.amax(dim=(2, 3), keepdim=True) - lowest).clamp(min=1e-6)
    theta = torch.from_numpy(np.stack([_alignment(augmentation, rng) for rng in rngs])).to(device)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    unit = functional.grid_sample((images - lowest) / width, grid, align_corners=False)
    # What is sampled from beyond the tile is 0.
    shifted = (labels.float() - IGNORE)[:, None]
    moved = functional.grid_sample(shifted, grid, mode="nearest", align_corners=False) + IGNORE
    gamma, knots, noise = (
        torch.from_numpy(np.stack(drawn)).to(device)
        for drawn in zip(
            *(_intensity(augmentation, rng, images.shape[1:]) for rng in rngs), strict=True
        )
    )
    gain = functional.interpolate(knots, size=(size, size), mode="bicubic").exp()
    toned = (unit.clamp(0, 1) ** gamma * gain + noise).clamp(0, 1)
    return toned * width + lowest, moved[:, 0].round().to(torch.uint8)


def _alignment(augmentation: Augmentation, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return the affine from the augmented tile to the tile, ``(2, 3)``, in half edges."""
    angle = np.deg2rad(rng.uniform(-1, 1) * augmentation.rotation_deg)
    shear = np.tan(np.deg2rad(rng.uniform(-1, 1) * augmentation.shear_deg))
    zoom = augmentation.zoom ** rng.uniform(-1, 1)
    shift = rng.uniform(-1, 1, 2) * 2 * augmentation.shift
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1.0, shear], [0.0, 1.0]]) / zoom
    return np.column_stack([matrix, shift]).astype(np.float32)


def _intensity(
    augmentation: Augmentation, rng: np.random.Generator, shape: Sequence[int]
) -> tuple[npt.NDArray[np.float32], ...]:
    """Return exponent ``(1, 1, 1)``, knots of the logarithm of the gain, and noise."""
    gamma = np.float32(augmentation.gamma ** rng.uniform(-1, 1)).reshape(1, 1, 1)
    knots = augmentation.bias * rng.uniform(-1, 1, (1, _BIAS_KNOTS, _BIAS_KNOTS))
    deviation = np.float32(augmentation.noise * rng.random())
    noise = deviation * rng.standard_normal(tuple(shape) if deviation else (1, 1, 1), np.float32)
    return gamma, knots.astype(np.float32), noise
