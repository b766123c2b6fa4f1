"""Framing of a whole slice a tile, as in the published pipeline.

The published pipeline (Casali et al. 2025, doi 10.1016/j.cmpb.2025.109035, and
its code) sees each slice of a two-point Dixon volume so: every channel scaled
from its minimum and maximum over the slice to 0..255 and cut to whole numbers;
the mean of both as third channel, cut too; resized to a square by Pillow's
bilinear filter; divided by 255; then SAM's or MedSAM's normalisation. Its
softmax is resized to the slice by Pillow's bicubic filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from musclefm.inference.framing import Framing, voxels_at_once
from musclefm.models.intensity import IntensityRule

SEEN_CHANNELS = 3
"""Channels of the images that SAM was trained on."""

FloatImages = npt.NDArray[np.float32]


class SliceFraming(Framing):
    """Shows a network each slice as a whole, squeezed to a square.

    Parameters
    ----------
    channels : ndarray
        ``(N, K, J, I) float32``, finite, N from 1 to 3. One channel is shown
        three times; the third of two is their mean.
    input_size : int
        Edge of the square in pixels.
    intensity : IntensityRule
        How values become what the network sees.
    orientation : str
        ``"stored"``: the channels lie as in the file and the network's rows
        follow I, its columns J. ``"canonical"``: rows follow J, columns I.
    upside_down : bool
        Whether the network sees each slice turned by 180 degrees.
    """

    def __init__(
        self,
        channels: FloatImages,
        input_size: int,
        intensity: IntensityRule,
        orientation: Literal["stored", "canonical"],
        upside_down: bool = False,
    ) -> None:
        if not 1 <= len(channels) <= SEEN_CHANNELS:
            raise ValueError(f"a slice has 1 to {SEEN_CHANNELS} channels, not {len(channels)}")
        self._transposed = orientation == "stored"
        self._upside_down = upside_down
        # (N, K, rows, columns) as the network sees them.
        self._channels: FloatImages = channels.swapaxes(2, 3) if self._transposed else channels
        if upside_down:
            self._channels = self._channels[:, :, ::-1, ::-1]
        self._size = input_size
        self._intensity = intensity
        self._shape: tuple[int, int] = channels.shape[2:]
        # Of the voxels as the network sees them.
        index = np.arange(int(np.prod(self._shape))).reshape(self._shape)
        index = index.T if self._transposed else index
        self._index = (index[::-1, ::-1] if upside_down else index).ravel()

    @property
    def slice_shape(self) -> tuple[int, int]:
        """Size of a slice, J and I."""
        return self._shape

    @property
    def slice_count(self) -> int:
        """Number of slices, K."""
        return int(self._channels.shape[1])

    def tiles(self, k: int) -> Tensor:
        """Return the slice as one tile, ``(1, 3, S, S) float32``."""
        scaled = np.stack([self._intensity.scale(image) for image in self._channels[:, k]])
        resized = _resized(_three_channels(scaled), self._size)
        return torch.from_numpy(self._intensity.normalise(resized))[None]

    def label_tiles(self, k: int, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return reference labels of the slice, ``(1, S, S) uint8``, see :class:`Framing`."""
        seen = labels[k].T if self._transposed else labels[k]
        seen = seen[::-1, ::-1] if self._upside_down else seen
        resized = functional.interpolate(
            torch.from_numpy(np.ascontiguousarray(seen))[None, None],
            size=(self._size, self._size),
            mode="nearest-exact",
        )
        tile: npt.NDArray[np.uint8] = resized[0].numpy()
        return tile

    def shares(self, k: int) -> Mapping[int, float]:
        """Return the slice alone, see :class:`Framing`."""
        return {k: 1.0}

    def answers(
        self, k: int, probabilities: Tensor
    ) -> Iterator[tuple[npt.NDArray[np.int64], Tensor]]:
        """Yield all voxels with ``(M, C, V)`` from ``(1, M, C, h, w)``; none of an empty slice."""
        if self._intensity.sees(self._channels[:, k]):
            rows, columns = self._channels.shape[2:]
            down, across = (
                _bicubic(small, large, probabilities.device)
                for small, large in zip(probabilities.shape[3:], (rows, columns), strict=True)
            )
            wide = probabilities[0] @ across.mT
            step = max(voxels_at_once(probabilities) // columns, 1)
            for first in range(0, rows, step):
                weights = down[first : first + step]
                used = weights.any(dim=0).nonzero()
                band = slice(int(used[0]), int(used[-1]) + 1)
                answers = (weights[:, band] @ wide[:, :, band]).flatten(2).clamp_(min=0)
                where = self._index[first * columns : (first + step) * columns]
                yield where, answers.div_(answers.sum(dim=1, keepdim=True))


def _resized(image: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """Return an image ``(3, rows, columns)`` as ``(3, size, size)``, of the same type."""
    if image.dtype == np.uint8:
        picture = Image.fromarray(np.moveaxis(image, 0, -1).copy())
        resized = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))
        return np.moveaxis(resized, -1, 0)
    tile = functional.interpolate(
        torch.from_numpy(image)[None], size=(size, size), mode="bilinear", antialias=True
    )
    return tile[0].numpy()


@lru_cache(maxsize=8)
def _bicubic(small: int, large: int, device: torch.device) -> Tensor:
    """Return the weights ``(large, small) float32`` of Pillow's bicubic filter along one axis."""
    one = torch.eye(small, device=device)[None, None]
    resized = functional.interpolate(one, size=(large, small), mode="bicubic", antialias=True)
    return resized[0, 0]


def _three_channels(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Fill channels up to three with their mean, in their own dtype."""
    missing = SEEN_CHANNELS - len(images)
    mean = images.mean(axis=0, keepdims=True, dtype=np.float64).astype(images.dtype)
    return np.concatenate([images, *[mean] * missing])
