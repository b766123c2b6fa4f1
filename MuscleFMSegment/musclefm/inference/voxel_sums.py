"""What the members say of voxels: the likeliest classes, and sums by thigh and class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from musclefm.uncertainty.maps import ClassStatistics

_VOXELS_AT_ONCE = 1 << 14


def likeliest(probabilities: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return the largest probability along an axis, and its class as uint8, of equals the first.

    As ``max(dim)``, which on a CPU takes ten times as long along any axis but the last.
    """
    if probabilities.is_cuda:
        largest, index = probabilities.max(dim)
        return largest, index.to(torch.uint8)
    first, *others = probabilities.unbind(dim)
    largest, classes = first.clone(), torch.zeros_like(first, dtype=torch.uint8)
    for number, plane in enumerate(others, start=1):
        # The last one that was larger than all before: the largest number of these.
        larger = (plane > largest).view(torch.uint8)
        torch.maximum(classes, larger.mul_(number), out=classes)
        torch.maximum(largest, plane, out=largest)
    return largest, classes


def in_parts(
    answered: Iterator[tuple[npt.NDArray[np.int64], Tensor]],
) -> Iterator[tuple[npt.NDArray[np.int64], Tensor]]:
    """Yield what :meth:`Framing.answers` yields, on a CPU so much at once as its cache holds."""
    for where, answers in answered:
        step = _VOXELS_AT_ONCE if answers.device.type == "cpu" else max(len(where), 1)
        for first in range(0, len(where), step):
            part = slice(first, first + step)
            yield where[part], answers[:, :, part]


class VoxelSums:
    """Sums over voxels, gathered while slices stream by, see :class:`ClassStatistics`.

    Parameters
    ----------
    classes, members : int
        C and M.
    """

    def __init__(self, classes: int, members: int) -> None:
        self._mass = np.zeros((2, classes))
        self._inside = np.zeros((2, classes))
        self._overlap = np.zeros((2, classes, members, members))

    def add(
        self,
        thigh: int,
        mine: npt.NDArray[np.bool_],
        mean: Tensor,
        labels: Tensor,
        certain: Tensor,
        votes: Tensor,
    ) -> None:
        """Add voxels of a thigh.

        Parameters
        ----------
        thigh : int
            From 0.
        mine : ndarray
            ``(V,)``: which voxels are the thigh's.
        mean : Tensor
            ``(C, V)``: mean of the members' probabilities.
        labels, certain : Tensor
            ``(V,)``: the likeliest class, uint8, and its probability.
        votes : Tensor
            ``(M, V) uint8``: each member's likeliest class.
        """
        if not mine.any():
            return
        if not mine.all():
            chosen = torch.from_numpy(mine).to(mean.device)
            mean, votes = mean[:, chosen], votes[:, chosen]
            labels, certain = labels[chosen], certain[chosen]
        classes = len(mean)
        self._mass[thigh] += mean.sum(dim=1, dtype=torch.float64).cpu().numpy()
        self._inside[thigh] += (
            torch.bincount(labels, certain.double(), minlength=classes).cpu().numpy()
        )
        for a in range(len(votes)):
            for b in range(a, len(votes)):
                agreed = torch.where(votes[a] == votes[b], votes[a], classes)
                counts = torch.bincount(agreed, minlength=classes + 1)[:classes].cpu().numpy()
                self._overlap[thigh, :, a, b] += counts
                if a != b:
                    self._overlap[thigh, :, b, a] += counts

    def add_background(self, thigh: int, voxels: int) -> None:
        """Add voxels of a thigh that are background for certain."""
        for sums in (self._mass, self._inside, self._overlap):
            sums[thigh, 0] += voxels

    @property
    def statistics(self) -> ClassStatistics:
        """By thigh in place of side."""
        return ClassStatistics(self._mass, self._inside, self._overlap)
