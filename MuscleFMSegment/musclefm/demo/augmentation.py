"""Cheap changes of rendered slices, made anew each time one is seen."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def augment(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Turn, scale, shift and re-tone a batch.

    There are no rotations by 90 degrees and no flips: a thigh is seen from the
    same side always.

    Parameters
    ----------
    images : Tensor
        ``(N, 1, S, S) float32`` in [0, 1].
    labels : Tensor
        ``(N, S, S) uint8``.
    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    images : Tensor
        ``(N, 1, S, S) float32`` in [0, 1].
    labels : Tensor
        ``(N, S, S) uint8``.
    """
    count = len(images)

    def normal(scale: float) -> Tensor:
        return scale * torch.randn(count, generator=generator)

    angle = normal(0.09)
    zoom = torch.exp(normal(0.06))
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = torch.cos(angle) * zoom
    theta[:, 0, 1] = -torch.sin(angle) * zoom
    theta[:, 1, 0] = torch.sin(angle) * zoom
    theta[:, 0, 2] = normal(0.04)
    theta[:, 1, 2] = normal(0.04)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, mode="bilinear", align_corners=False)
    moved_labels = functional.grid_sample(
        labels[:, None].float(), grid, mode="nearest", align_corners=False
    )
    gamma = torch.exp(normal(0.25)).reshape(-1, 1, 1, 1)
    gain = 1 + normal(0.08).reshape(-1, 1, 1, 1)
    noise = (0.03 * torch.rand(count, generator=generator)).reshape(-1, 1, 1, 1)
    toned = moved.clamp(1e-4, 1) ** gamma * gain
    toned = toned + noise * torch.randn(moved.shape, generator=generator)
    return toned.clamp(0, 1), moved_labels[:, 0].to(torch.uint8)
