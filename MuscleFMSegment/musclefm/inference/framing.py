"""How a slice becomes what a network sees, and its answer a slice again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

UNSEEN_LABEL = 255
"""In a tile of reference labels: what no slice of the case gets from there."""


class Framing(Protocol):
    """Cuts tiles out of the slices of one case and puts probabilities back.

    A framing is made for one case: it holds the channels ``(N, K, J, I)``
    float32 in the orientation that its network was trained in.
    """

    @property
    def slice_count(self) -> int:
        """Number of slices, K."""
        ...

    def tiles(self, k: int) -> Tensor:
        """Return the tiles of slice k, ``(T, channels, S, S) float32``, normalised."""
        ...

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
        ...

    def shares(self, k: int) -> Mapping[int, float]:
        """Return of which slices' tiles the answer of slice k is the weighted mean.

        Returns
        -------
        mapping of int to float
            Weights, summing to 1, by the index of the slice; k is among them, and
            neither the first nor the last of them falls as k rises.
        """
        ...

    def restore(self, k: int, probabilities: Tensor) -> Tensor:
        """Return probabilities of slice k.

        Parameters
        ----------
        k : int
            Index of the slice.
        probabilities : Tensor
            ``(T, M, C, h, w) float32``: each member's softmax of each tile.

        Returns
        -------
        Tensor
            ``(M, C, J, I) float32``, summing to 1 over C.
        """
        ...
