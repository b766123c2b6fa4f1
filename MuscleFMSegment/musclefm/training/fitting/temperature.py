"""One temperature for an ensemble, fitted where no member was trained (Guo et al. 2017)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn import functional

from musclefm.evaluation.calibration import (
    SMALLEST_PROBABILITY,
    CalibrationAccumulator,
    near_muscle,
)

_MOST_PIXELS = 200_000
_RANGE = (0.2, 5.0)


@dataclass(frozen=True)
class CalibrationScores:
    """How far an ensemble's probabilities can be believed near muscles.

    Attributes
    ----------
    nll : float
        In nats per pixel; NaN without pixels.
    ece : float
        Expected calibration error of the top label, in [0, 1].
    """

    nll: float
    ece: float


def pixel_logits(
    logits: Tensor, labels: Tensor, pixel_mm: npt.NDArray[np.float64], seed: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
    """Return logits and labels of pixels near muscles: the same pixels for every member.

    Parameters
    ----------
    logits : Tensor
        ``(n, C, h, w)``: a member's, of tiles.
    labels : Tensor
        ``(n, S, S) uint8``.
    pixel_mm : ndarray
        ``(n, 2)``: edges of a tile's pixels along rows and columns.
    seed : int
        Of the choice of pixels.

    Returns
    -------
    logits : ndarray
        ``(C, P) float32``.
    reference : ndarray
        ``(P,) intp``.
    """
    chosen = [np.empty((logits.shape[1], 0), np.float32)]
    reference = [np.empty(0, np.intp)]
    most = -(-_MOST_PIXELS // max(len(labels), 1))
    for tile, (answer, true, spacing) in enumerate(zip(logits, labels, pixel_mm, strict=True)):
        upsampled = functional.interpolate(
            answer[None].float(), size=true.shape, mode="bilinear", align_corners=False
        )
        rng = np.random.default_rng([seed, tile])
        near = near_muscle(true.numpy(), tuple(spacing))
        pixels = rng.permutation(np.flatnonzero(near))[:most]
        chosen.append(upsampled[0].flatten(1).numpy()[:, pixels])
        reference.append(true.numpy().ravel()[pixels].astype(np.intp))
    return np.concatenate(chosen, axis=1), np.concatenate(reference)


def fit_temperature(logits: npt.NDArray[np.float32], reference: npt.NDArray[np.intp]) -> float:
    """Return the temperature at which the mean of the members' softmax has the lowest NLL.

    Parameters
    ----------
    logits : ndarray
        ``(M, C, P) float32``.
    reference : ndarray
        ``(P,) intp``.

    Returns
    -------
    float
        Between 0.2 and 5; 1 without pixels.
    """
    if not len(reference):
        return 1.0

    def nll(log_temperature: float) -> float:
        mean = _mean_probabilities(logits, math.exp(log_temperature))
        true = mean[reference, np.arange(len(reference))]
        return -float(np.log(np.maximum(true, SMALLEST_PROBABILITY)).mean())

    low, high = map(math.log, _RANGE)
    found = minimize_scalar(nll, bounds=(low, high), method="bounded", options={"xatol": 1e-3})
    return round(math.exp(found.x), 4)


def calibration_scores(
    logits: npt.NDArray[np.float32], reference: npt.NDArray[np.intp], temperature: float
) -> CalibrationScores:
    """Score an ensemble at a temperature, see :func:`fit_temperature`."""
    gathered = CalibrationAccumulator(logits.shape[1])
    gathered.add(_mean_probabilities(logits, temperature), reference)
    metrics = gathered.metrics()
    return CalibrationScores(metrics.nll, metrics.top_label.ece)


def _mean_probabilities(
    logits: npt.NDArray[np.float32], temperature: float
) -> npt.NDArray[np.float32]:
    scaled = torch.from_numpy(logits) / temperature
    mean: npt.NDArray[np.float32] = scaled.softmax(dim=1).mean(dim=0).numpy()
    return mean
