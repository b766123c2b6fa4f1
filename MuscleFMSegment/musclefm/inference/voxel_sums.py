"""What the members say of voxels: the likeliest classes, and sums by thigh and class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from musclefm.uncertainty.maps import ClassStatistics


def likeliest(probabilities: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return the largest probability along an axis, and ones where it is, of equals at the first.

    Both are float32 with the axis kept: sums of products count such votes. ``max(dim)`` takes
    ten times as long on a CPU, along any axis but the last.
    """
    largest = probabilities.amax(dim, keepdim=True)
    votes = (probabilities - largest).sign_().add_(1)
    if bool((votes.sum(dim) != 1).any()):
        first = probabilities.argmax(dim, keepdim=True)
        votes = torch.zeros_like(probabilities).scatter_(dim, first, 1)
    return largest, votes


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
        self, thigh_of: npt.NDArray[np.uint8], mean: Tensor, labelled: Tensor, votes: Tensor
    ) -> None:
        """Add voxels.

        Parameters
        ----------
        thigh_of : ndarray
            ``(V,) uint8``: the thigh of each, from 1; 0 for none.
        mean : Tensor
            ``(C, V)``: mean of the members' probabilities.
        labelled : Tensor
            ``(C, V)``: 1 at the class that each is labelled as.
        votes : Tensor
            ``(M, C, V)``: 1 at each member's likeliest class.
        """
        for thigh in set(np.unique(thigh_of).tolist()) - {0}:
            mine = thigh_of == thigh
            inside, voted = mean * labelled, votes
            if not mine.all():
                chosen = torch.from_numpy(mine).to(mean.device, mean.dtype)
                mean_of, inside, voted = mean * chosen, inside * chosen, votes * chosen
            else:
                mean_of = mean
            overlap = torch.einsum("acv,bcv->cab", voted, voted)
            self._mass[thigh - 1] += mean_of.sum(dim=1, dtype=torch.float64).cpu().numpy()
            self._inside[thigh - 1] += inside.sum(dim=1, dtype=torch.float64).cpu().numpy()
            self._overlap[thigh - 1] += overlap.cpu().numpy()

    def add_background(self, thigh: int, voxels: int) -> None:
        """Add voxels of a thigh that are background for certain."""
        for sums in (self._mass, self._inside, self._overlap):
            sums[thigh, 0] += voxels

    @property
    def statistics(self) -> ClassStatistics:
        """By thigh in place of side."""
        return ClassStatistics(self._mass, self._inside, self._overlap)
