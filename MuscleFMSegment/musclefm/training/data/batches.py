"""What a network is shown: tiles, augmented and run as a whole, and its answer to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from musclefm.inference.device import Runtime
from musclefm.networks.network import SegmentationNetwork
from musclefm.training.data.augmentation import augment
from musclefm.training.data.tiles import TileFolder, Tiles
from musclefm.training.recipe import FineTuning

ORIGINAL = 0
"""The version of a tile as it is."""


class Source(Protocol):
    """Shows tiles to a network."""

    def version(self, epoch: int) -> int:
        """Return which version of the tiles an epoch of training shows."""
        ...

    def answer(
        self, model: SegmentationNetwork, tiles: Tiles, version: int
    ) -> tuple[Tensor, Tensor]:
        """Return what a network says of tiles.

        Parameters
        ----------
        model : SegmentationNetwork
            On the runtime's device.
        tiles : ndarray
            ``(n,)``: their numbers.
        version : int
            Of the tiles.

        Returns
        -------
        logits : Tensor
            ``(n, C, h, w) float32``.
        labels : Tensor
            ``(n, S, S) uint8``, augmented likewise.
        """
        ...

    def absent(self, tiles: Tiles) -> Tensor | None:
        """Return ``(n, C) bool``: classes that a pixel labelled NONE_OF_ABSENT does not show.

        None where no tile has such pixels.
        """
        ...


class TileSource:
    """Shows tiles that are augmented anew in every epoch.

    Parameters
    ----------
    tiles : TileFolder
        All tiles.
    recipe : FineTuning
        How they are augmented, and the seed.
    runtime : Runtime
        Where networks run.
    """

    def __init__(self, tiles: TileFolder, recipe: FineTuning, runtime: Runtime) -> None:
        self._tiles = tiles
        self._recipe = recipe
        self._runtime = runtime

    def version(self, epoch: int) -> int:
        """Return a version of its own for every epoch."""
        return epoch + 1

    def answer(
        self, model: SegmentationNetwork, tiles: Tiles, version: int
    ) -> tuple[Tensor, Tensor]:
        """Return logits and labels of tiles, see :class:`Source`."""
        images, labels = self.shown(tiles, version)
        with precision(self._runtime):
            logits = model(images)
        return logits.float(), labels

    def absent(self, tiles: Tiles) -> Tensor | None:
        """Return the absent classes of tiles, see :class:`Source`."""
        absent = self._tiles.absent(tiles)
        return None if absent is None else absent.to(self._runtime.device)

    def shown(self, tiles: Tiles, version: int) -> tuple[Tensor, Tensor]:
        """Return a version of tiles, images ``(n, C, S, S)`` and labels, on the device."""
        device = self._runtime.device
        images = self._tiles.images(tiles).to(device)
        labels = self._tiles.labels(tiles).to(device)
        if version == ORIGINAL:
            return images, labels
        rngs = [np.random.default_rng([self._recipe.seed, version, int(n)]) for n in tiles]
        return augment(images, labels, self._recipe.augmentation, rngs)


@contextmanager
def precision(runtime: Runtime) -> Iterator[None]:
    """Compute in the precision of the runtime."""
    with torch.autocast(runtime.device.type, torch.bfloat16, enabled=runtime.bf16):
        yield
