"""Framing of a whole slice a tile, as in the published pipeline.

The published pipeline (Casali et al. 2025, doi 10.1016/j.cmpb.2025.109035, and
its code) sees each slice of a two-point Dixon volume so: every channel scaled
from its minimum and maximum over the slice to 0..255 and cut to whole numbers;
the mean of both as third channel, cut too; resized to a square by Pillow's
bilinear filter; divided by 255; then SAM's or MedSAM's normalisation. Its
softmax is resized to the slice by Pillow's bicubic filter.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from musclefm.inference.intensity import centre, percentile_scale
from musclefm.models.manifest import PercentileIntensity, PublishedIntensity

SEEN_CHANNELS = 3
"""Channels of the images that SAM was trained on."""

_IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(-1, 1, 1)
_IMAGENET_DEVIATION = torch.tensor([0.229, 0.224, 0.225]).reshape(-1, 1, 1)

FloatImages = npt.NDArray[np.float32]


class SliceFraming:
    """Shows a network each slice as a whole, squeezed to a square.

    Parameters
    ----------
    channels : ndarray
        ``(N, K, J, I) float32``, finite, N from 1 to 3. One channel is shown
        three times; the third of two is their mean.
    input_size : int
        Edge of the square in pixels.
    intensity : PublishedIntensity or PercentileIntensity
        How values become what the network sees.
    orientation : str
        ``"stored"``: the channels lie as in the file and the network's rows
        follow I, its columns J. ``"canonical"``: rows follow J, columns I.
    """

    def __init__(
        self,
        channels: FloatImages,
        input_size: int,
        intensity: PublishedIntensity | PercentileIntensity,
        orientation: Literal["stored", "canonical"],
    ) -> None:
        if not 1 <= len(channels) <= SEEN_CHANNELS:
            raise ValueError(f"a slice has 1 to {SEEN_CHANNELS} channels, not {len(channels)}")
        # (N, K, rows, columns) as the network sees them.
        self._channels: FloatImages = (
            channels.swapaxes(2, 3) if orientation == "stored" else channels
        )
        self._size = input_size
        self._intensity = intensity
        self._transposed = orientation == "stored"

    @property
    def slice_count(self) -> int:
        """K."""
        return int(self._channels.shape[1])

    def tiles(self, k: int) -> Tensor:
        """Return the slice as one tile, ``(1, 3, S, S) float32``."""
        images = self._channels[:, k]
        if isinstance(self._intensity, PublishedIntensity):
            return published_tile(images, self._size, self._intensity.normalisation)[None]
        low, high = self._intensity.low, self._intensity.high
        scaled = np.stack([percentile_scale(image, low, high) for image in images])
        tile = functional.interpolate(
            torch.from_numpy(_three_channels(scaled))[None],
            size=(self._size, self._size),
            mode="bilinear",
            antialias=True,
        )
        return torch.from_numpy(centre(tile.numpy()))

    def label_tiles(self, k: int, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return reference labels of the slice, ``(1, S, S) uint8``, see :class:`Framing`."""
        seen = labels[k].T if self._transposed else labels[k]
        resized = functional.interpolate(
            torch.from_numpy(np.ascontiguousarray(seen))[None, None],
            size=(self._size, self._size),
            mode="nearest-exact",
        )
        tile: npt.NDArray[np.uint8] = resized[0].numpy()
        return tile

    def restore(self, k: int, probabilities: Tensor) -> Tensor:
        """Return ``(M, C, J, I)`` from ``(1, M, C, h, w)``."""
        members, classes = probabilities.shape[1:3]
        seen = self._channels.shape[2:]
        resized = resize_probabilities(probabilities[0].flatten(0, 1), seen)
        restored = resized.reshape(members, classes, *seen).clamp_(min=0)
        if self._is_void(k):
            restored = torch.zeros_like(restored)
            restored[:, 0] = 1
        restored /= restored.sum(dim=1, keepdim=True)
        return restored.transpose(2, 3) if self._transposed else restored

    def _is_void(self, k: int) -> bool:
        """Tell whether the published pipeline finds nothing to divide by in a slice.

        MedSAM's normalisation of a constant slice is 0 / 0 there, and the label
        of the resulting NaN is background.
        """
        if not isinstance(self._intensity, PublishedIntensity):
            return False
        images = self._channels[:, k]
        constant = bool((images.max(axis=(1, 2)) == images.min(axis=(1, 2))).all())
        return constant and self._intensity.normalisation == "medsam"


def published_tile(
    images: FloatImages, size: int, normalisation: Literal["sam", "medsam"]
) -> Tensor:
    """Return what the published pipeline shows the network of a slice.

    Parameters
    ----------
    images : ndarray
        ``(N, rows, columns) float32``: the channels.
    size : int
        Edge of the tile in pixels.
    normalisation : str
        ``"sam"``: ImageNet's mean and deviation. ``"medsam"``: [0, 1] over all
        channels together.

    Returns
    -------
    Tensor
        ``(3, size, size) float32``; zeros for MedSAM's rule of a constant slice.
    """
    whole = np.stack([_to_bytes(image) for image in images])
    picture = Image.fromarray(np.moveaxis(_three_channels(whole), 0, -1).copy())
    resized = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))
    tile = torch.from_numpy(np.moveaxis(resized, -1, 0).copy()).float() / 255
    if normalisation == "sam":
        return (tile - _IMAGENET_MEAN) / _IMAGENET_DEVIATION
    bottom, top = tile.min(), tile.max()
    return (tile - bottom) / (top - bottom) if top > bottom else torch.zeros_like(tile)


def resize_probabilities(maps: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Resize maps as Pillow's bicubic filter does, within float32's rounding.

    Parameters
    ----------
    maps : Tensor
        ``(C, h, w) float32``.
    shape : tuple of int
        Rows and columns of the result.

    Returns
    -------
    Tensor
        ``(C, rows, columns) float32``; the filter overshoots a little.
    """
    return functional.interpolate(maps[None], size=shape, mode="bicubic", antialias=True)[0]


def _to_bytes(image: FloatImages) -> npt.NDArray[np.uint8]:
    bottom = image.min()
    # The small term is the published one; all of it stays float32, as there.
    scaled = (image - bottom) / (image.max() - bottom + np.float32(1e-8)) * np.float32(255)
    cut: npt.NDArray[np.uint8] = scaled.astype(np.uint8)
    return cut


def _three_channels(images: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Fill channels up to three with their mean, in their own dtype."""
    missing = SEEN_CHANNELS - len(images)
    mean = images.mean(axis=0, keepdims=True, dtype=np.float64).astype(images.dtype)
    return np.concatenate([images, *[mean] * missing])
