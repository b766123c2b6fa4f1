"""Keeps the probabilities of a case while its slices stream by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from musclefm.inference.case import OrientedCase
from musclefm.inference.predictor import SliceObserver
from musclefm.uncertainty.maps import ClassProbabilities

# Where the logarithm of the NLL clips them anyway; zeros pack well.
_SMALLEST = 1e-5


class KeptProbabilities:
    """What :func:`musclefm.inference.case.run_case` takes as its observer.

    Parameters
    ----------
    temperature : float
        Of the ensemble, by which its members' logits were divided.
    """

    def __init__(self, temperature: float) -> None:
        self._temperature = temperature
        self._case: OrientedCase | None = None
        self._mean: list[npt.NDArray[np.float16]] = []
        self._untempered: list[npt.NDArray[np.float16]] = []

    def __call__(self, case: OrientedCase) -> SliceObserver:
        """Return what is shown the slices of a case."""
        self._case, self._mean, self._untempered = case, [], []
        return self._observe

    def of_case(self) -> ClassProbabilities:
        """Return the probabilities of the case that was shown, on the input's grid."""
        before = self._on_input_grid(self._untempered) if self._untempered else None
        return ClassProbabilities(self._on_input_grid(self._mean), before)

    def _observe(self, _: int, mean: Tensor, members: Tensor) -> None:
        self._mean.append(_compact(mean))
        if self._temperature != 1:
            # To the power of T, a softmax of logits / T is that of the logits but for its sum.
            sharper = members.clamp_min(torch.finfo(torch.float32).tiny) ** self._temperature
            self._untempered.append(_compact((sharper / sharper.sum(1, keepdim=True)).mean(0)))

    def _on_input_grid(self, slices: list[npt.NDArray[np.float16]]) -> npt.NDArray[np.float16]:
        case = self._case
        if case is None:
            raise ValueError("no case was shown")
        return np.stack([case.to_input(np.stack(planes)) for planes in zip(*slices, strict=True)])


def _compact(probabilities: Tensor) -> npt.NDArray[np.float16]:
    array = probabilities.clamp(0, 1).cpu().numpy().astype(np.float16)
    array[array < _SMALLEST] = 0
    return array
