"""How a slice becomes what a network sees, and its answer a slice again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

UNSEEN_LABEL = 255
"""In a tile of reference labels: what no slice of the case gets from there."""

# Of probabilities that a CPU's cache holds with what is made of them: a quarter of the time.
_FLOATS_AT_ONCE = 1 << 18


def voxels_at_once(probabilities: Tensor) -> int:
    """Return how many voxels are best made of ``(T, M, C, h, w)`` at a time, on its device."""
    if probabilities.device.type != "cpu":
        return 1 << 24
    return max(_FLOATS_AT_ONCE // int(np.prod(probabilities.shape[1:3])), 1)


class Framing(ABC):
    """Cuts tiles out of the slices of one case and puts probabilities back.

    A framing is made for one case: it holds the channels ``(N, K, J, I)``
    float32 in the orientation that its network was trained in.
    """

    @property
    @abstractmethod
    def slice_shape(self) -> tuple[int, int]:
        """Size of a slice, J and I."""

    @property
    @abstractmethod
    def slice_count(self) -> int:
        """Number of slices, K."""

    @abstractmethod
    def tiles(self, k: int) -> Tensor:
        """Return the tiles of slice k, ``(T, channels, S, S) float32``, normalised."""

    @abstractmethod
    def label_tiles(self, k: int, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return reference labels as the tiles of slice k show them.

        Parameters
        ----------
        k : int
            Index of the slice.
        labels : ndarray
            ``(K, J, I) uint8``, in the orientation of the channels.

        Returns
        -------
        ndarray
            ``(T, S, S) uint8``: labels of the nearest voxels, and UNSEEN_LABEL
            where :meth:`restore` takes nothing from the tile.
        """

    @abstractmethod
    def shares(self, k: int) -> Mapping[int, float]:
        """Return of which slices' tiles the answer of slice k is the weighted mean.

        Returns
        -------
        mapping of int to float
            Weights, summing to 1, by the index of the slice; k is among them, and
            neither the first nor the last of them falls as k rises.
        """

    @abstractmethod
    def answers(
        self, k: int, probabilities: Tensor
    ) -> Iterator[tuple[npt.NDArray[np.int64], Tensor]]:
        """Yield the probabilities of the voxels of slice k of which its tiles tell.

        All others are background for certain.

        Parameters
        ----------
        k : int
            Index of the slice.
        probabilities : Tensor
            ``(T, M, C, h, w) float32``: each member's softmax of each tile.

        Yields
        ------
        where : ndarray
            ``(V,)``: indices of voxels, ``j I + i``, at most about
            :func:`voxels_at_once`; no voxel comes twice.
        answers : Tensor
            ``(M, C, V) float32``, summing to 1 over C.
        """

    def restore(self, k: int, probabilities: Tensor) -> Tensor:
        """Return probabilities of all voxels of slice k.

        Parameters
        ----------
        k, probabilities
            As in :meth:`answers`.

        Returns
        -------
        Tensor
            ``(M, C, J, I) float32``, summing to 1 over C.
        """
        restored = probabilities.new_zeros(
            *probabilities.shape[1:3], int(np.prod(self.slice_shape))
        )
        restored[:, 0] = 1
        for where, answers in self.answers(k, probabilities):
            restored[:, :, torch.from_numpy(where).to(restored.device)] = answers
        return restored.unflatten(2, self.slice_shape)
