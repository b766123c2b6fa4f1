"""Framing of one thigh a tile, every thigh seen as a right one, of a patient who lies level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from musclefm.anatomy.thighs import Thighs
from musclefm.inference.framing import UNSEEN_LABEL, Framing, voxels_at_once
from musclefm.models.intensity import IntensityRule
from musclefm.models.manifest import ThighTiles

_ROUNDING = 1e-6
# Standard deviations at which a Gaussian along the leg ends.
_REACH = 2.5
# Slices whose smoothed images are kept: those around one slice, and a few to spare.
_KEPT = 32


class ThighFraming(Framing):
    """Cuts a square tile around each thigh of each slice.

    Parameters
    ----------
    channels : ndarray
        ``(N, K, J, I) float32`` in canonical orientation.
    spacing_mm : tuple of float
        Of slices, rows and columns.
    thighs : Thighs
        Where the thighs are.
    mirrored : tuple of bool
        For each thigh, whether its columns are reversed so that it looks like
        a right one: true of the left.
    size : int
        Edge of a tile in pixels.
    rule : ThighTiles
        Edge of a tile's pixel, and what is seen along the leg.
    intensity : IntensityRule
        How a tile's values are scaled.
    """

    def __init__(
        self,
        channels: npt.NDArray[np.float32],
        spacing_mm: tuple[float, float, float],
        thighs: Thighs,
        mirrored: tuple[bool, ...],
        size: int,
        rule: ThighTiles,
        intensity: IntensityRule,
    ) -> None:
        self._channels = channels
        self._thighs = thighs
        self._mirrored = mirrored
        self._size = size
        self._intensity = intensity
        self._rule = rule
        self._slice_mm = spacing_mm[0]
        # Where a slice is missing the image holds nothing.
        self._shown: npt.NDArray[np.bool_] = np.asarray(channels.any(axis=(0, 2, 3)))
        # Pixels of the slice for each pixel of the tile, along rows and columns.
        self._step = (rule.spacing_mm / spacing_mm[1], rule.spacing_mm / spacing_mm[2])
        self._smoothed = lru_cache(maxsize=_KEPT)(self._smooth)
        turn = np.radians(thighs.turn_degrees)
        self._turn = np.cos(turn), np.sin(turn)

    @property
    def slice_shape(self) -> tuple[int, int]:
        """Size of a slice, J and I."""
        rows, columns = self._channels.shape[2:]
        return rows, columns

    @property
    def slice_count(self) -> int:
        """Number of slices, K."""
        return self._channels.shape[1]

    def tiles(self, k: int) -> Tensor:
        """Return one tile a thigh, ``(T, N, S, S) float32``.

        With neighbours each channel is three: toward the feet, the slice's own, toward the
        head, all cut at the slice's own centre and scaled as one image.
        """
        places = self._places(k)
        shape = (self._thighs.count, len(self._channels), len(places), self._size, self._size)
        tiles = np.empty(shape, np.float32)
        for thigh in range(self._thighs.count):
            points, own = self._points(thigh, k)
            for number, place in enumerate(places):
                for channel, image in enumerate(self._image_at(place)):
                    tile = ndimage.map_coordinates(image, points, order=1, mode="constant")
                    tile[~own] = 0
                    tiles[thigh, channel, number] = tile
            for images in tiles[thigh]:
                images[:] = self._intensity.scale(images.reshape(-1, self._size)).reshape(
                    images.shape
                )
        seen = tiles.reshape(len(tiles), -1, self._size, self._size)
        return torch.from_numpy(np.stack([self._intensity.normalise(tile) for tile in seen]))

    def _smooth(self, k: int) -> npt.NDArray[np.float32]:
        """Return a slice ``(N, J, I)``, averaged over the tile's pixels where they are coarser."""
        blur = [0.4 * step if step > 1 else 0.0 for step in self._step]
        return np.stack([ndimage.gaussian_filter(channel[k], blur) for channel in self._channels])

    def _places(self, k: int) -> tuple[float, ...]:
        """Return where along the slices the images lie that slice k is seen by."""
        if not self._rule.neighbours_mm:
            return (float(k),)
        apart = self._rule.neighbours_mm / self._slice_mm
        # Slices that are farther apart than both neighbours tell nothing of these.
        if apart < 0.5:
            return (float(k),) * 3
        return (self._seen(k, k - apart), float(k), self._seen(k, k + apart))

    def _seen(self, k: int, place: float) -> float:
        """Return a place between slices that are shown, the nearest to the wanted one."""
        place = min(max(place, 0.0), self.slice_count - 1.0)
        between = range(int(np.floor(place)), int(np.ceil(place)) + 1)
        return place if self._shown[list(between)].all() else float(k)

    def _image_at(self, place: float) -> npt.NDArray[np.float32]:
        """Return the image ``(N, J, I)`` at a place between slices."""
        first = int(np.floor(place))
        share = np.float32(place - first)
        if share < _ROUNDING:
            return self._smoothed(first)
        return (1 - share) * self._smoothed(first) + share * self._smoothed(first + 1)

    def shares(self, k: int) -> Mapping[int, float]:
        """Return a Gaussian along the leg, see :class:`Framing`; missing slices have no share."""
        deviation = self._rule.smoothing_mm / self._slice_mm
        reach = int(_REACH * deviation)
        around = np.arange(max(k - reach, 0), min(k + reach, self.slice_count - 1) + 1)
        if len(around) == 1 or not self._shown[k]:
            weights = (around == k).astype(np.float64)
        else:
            weights = np.exp(-0.5 * ((around - k) / deviation) ** 2) * self._shown[around]
            weights /= weights.sum()
        return dict(zip(around.tolist(), weights.tolist(), strict=True))

    def label_tiles(self, k: int, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return reference labels of each thigh, ``(T, S, S) uint8``, see :class:`Framing`."""
        tiles = np.empty((self._thighs.count, self._size, self._size), np.uint8)
        for thigh in range(self._thighs.count):
            points, own = self._points(thigh, k)
            tiles[thigh] = ndimage.map_coordinates(
                labels[k], points, order=0, mode="constant", cval=UNSEEN_LABEL
            )
            tiles[thigh, ~own] = UNSEEN_LABEL
        return tiles

    def _points(
        self, thigh: int, k: int
    ) -> tuple[list[npt.NDArray[np.float64]], npt.NDArray[np.bool_]]:
        """Return a tile's pixels as rows and columns of the slice, and which are the thigh's."""
        offsets = np.arange(self._size) - (self._size - 1) / 2
        middle = self._thighs.centres[thigh, k]
        backward, across = np.meshgrid(
            offsets, offsets[::-1] if self._mirrored[thigh] else offsets, indexing="ij"
        )
        cosine, sine = self._turn
        points = [
            middle[0] + (cosine * backward + sine * across) * self._step[0],
            middle[1] + (cosine * across - sine * backward) * self._step[1],
        ]
        owner = ndimage.map_coordinates(self._thighs.membership[k], points, order=0, mode="nearest")
        return points, owner == thigh + 1

    def answers(
        self, k: int, probabilities: Tensor
    ) -> Iterator[tuple[npt.NDArray[np.int64], Tensor]]:
        """Yield each thigh's voxels within its tile, see :class:`Framing`."""
        shape = self.slice_shape
        for thigh in range(self._thighs.count):
            middle = self._thighs.centres[thigh, k]
            cosine, sine = self._turn
            reach = self._size / 2 * (abs(cosine) + abs(sine))
            box, offsets = [], []
            for axis in (0, 1):
                half = reach * self._step[axis]
                first = max(int(np.ceil(middle[axis] - half)), 0)
                last = min(int(np.floor(middle[axis] + half)), shape[axis] - 1)
                box.append(slice(first, last + 1))
                offsets.append((np.arange(first, last + 1) - middle[axis]) / self._step[axis])
            if any(len(positions) == 0 for positions in offsets):
                continue
            down, right = np.meshgrid(*offsets, indexing="ij")
            y = (cosine * down - sine * right) / (self._size / 2)
            x = (sine * down + cosine * right) / (self._size / 2)
            # A turned tile does not fill the box around it.
            seen = np.maximum(np.abs(y), np.abs(x)) <= 1 + _ROUNDING
            if self._mirrored[thigh]:
                x = -x
            mine = seen & (self._thighs.membership[k][tuple(box)] == thigh + 1)
            rows, columns = np.nonzero(mine)
            points = torch.from_numpy(np.stack([x[mine], y[mine]], axis=-1).astype(np.float32))
            where = (rows + box[0].start) * shape[1] + columns + box[1].start
            maps = probabilities[thigh].flatten(0, 1)[None]
            step = voxels_at_once(probabilities)
            for first in range(0, len(where), step):
                sampled = functional.grid_sample(
                    maps,
                    points[None, None, first : first + step].to(maps.device),
                    mode="bilinear",
                    padding_mode="border",
                    align_corners=False,
                )
                answers = sampled[0, :, 0].unflatten(0, probabilities.shape[1:3])
                yield where[first : first + step], answers
