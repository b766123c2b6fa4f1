"""Intensity rules: how raw MR values become a network's input."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def percentile_scale(
    tile: npt.NDArray[np.float32], low: float = 0.5, high: float = 99.5
) -> npt.NDArray[np.float32]:
    """Scale a tile to [0, 1] between two of its percentiles, clipped.

    Parameters
    ----------
    tile : ndarray
        ``(…) float32``, finite.
    low, high : float
        Percentiles.

    Returns
    -------
    ndarray
        As ``tile``; zeros where the percentiles coincide.
    """
    bottom, top = np.percentile(tile, (low, high))
    if top <= bottom:
        return np.zeros_like(tile)
    scaled: npt.NDArray[np.float32] = np.clip((tile - bottom) / (top - bottom), 0, 1)
    return scaled.astype(np.float32)


def centre(scaled: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Shift [0, 1] to about zero mean and unit variance: (x - 0.5) / 0.25."""
    return (scaled - np.float32(0.5)) / np.float32(0.25)
