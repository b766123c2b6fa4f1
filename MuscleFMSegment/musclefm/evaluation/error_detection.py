"""Whether uncertainty lies where the errors are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.integrate import trapezoid

Numbers = npt.NDArray[np.float64]

MOST_UNCERTAIN = (0.01, 0.05, 0.10)
"""Shares of the voxels, most uncertain first, in which errors are looked for."""

CURVE_POINTS = 101


@dataclass(frozen=True)
class ErrorDetection:
    """How well an uncertainty tells wrong voxels from right ones.

    Voxels of equal uncertainty have no order: where a cut falls among them, they count
    by the share of them that it takes in.

    Attributes
    ----------
    voxels, errors : int
        How many there are, and how many are wrong.
    auroc : float
        Area under the ROC curve; 0.5 by chance, NaN without or with nothing but errors.
    auprc : float
        Average precision; by chance the share of errors, NaN without errors.
    found : tuple of float
        Share of all errors within the most uncertain 1, 5 and 10 % of the voxels.
    retained_errors : ndarray
        ``(101,) float64``, the error-retention curve: the errors that are left when the
        least uncertain 0, 1 to 100 % are kept and all others are put right, as a share
        of all voxels.
    aurc : float
        Area under the risk-coverage curve, see :func:`aurc`.
    """

    voxels: int
    errors: int
    auroc: float
    auprc: float
    found: tuple[float, ...]
    retained_errors: Numbers
    aurc: float


def detect_errors(
    uncertainty: npt.NDArray[np.floating[Any]], wrong: npt.NDArray[np.bool_]
) -> ErrorDetection:
    """Hold an uncertainty against the errors.

    Parameters
    ----------
    uncertainty : ndarray
        ``(V,)``, of any unit: only its order counts.
    wrong : ndarray
        ``(V,) bool``.

    Raises
    ------
    ValueError
        The shapes differ, or an uncertainty is NaN.
    """
    taken, found = _cumulative(-_checked(uncertainty, wrong), wrong)
    voxels, errors = int(taken[-1]), int(found[-1])
    right = voxels - errors
    auroc = auprc = float("nan")
    if errors and right:
        auroc = float(trapezoid(found / errors, (taken - found) / right))
    if errors:
        auprc = float(np.sum(np.diff(found) / errors * found[1:] / taken[1:]))
    kept = np.linspace(0, 1, CURVE_POINTS)
    left = errors - np.interp((1 - kept) * voxels, taken, found)
    return ErrorDetection(
        voxels=voxels,
        errors=errors,
        auroc=auroc,
        auprc=auprc,
        found=tuple(
            float(np.interp(share * voxels, taken, found) / errors) if errors else float("nan")
            for share in MOST_UNCERTAIN
        ),
        retained_errors=left / voxels if voxels else np.full(CURVE_POINTS, np.nan),
        aurc=aurc(uncertainty, wrong),
    )


def aurc(
    uncertainty: npt.NDArray[np.floating[Any]], loss: npt.NDArray[np.number[Any] | np.bool_]
) -> float:
    """Return the area under the risk-coverage curve (Geifman et al. 2019).

    The mean, over n from 1 to all, of the mean loss of the n least uncertain ones:
    of voxels with their being wrong as the loss, or of muscles with 1 - Dice. NaN
    without any.

    Parameters
    ----------
    uncertainty, loss : ndarray
        ``(N,)``: of equal shape.
    """
    taken, lost = _cumulative(_checked(uncertainty, loss), loss)
    if taken.size == 1:
        return float("nan")
    counts = np.arange(1, int(taken[-1]) + 1)
    return float(np.mean(np.interp(counts, taken, lost) / counts))


def _checked(
    uncertainty: npt.NDArray[np.floating[Any]], loss: npt.NDArray[Any]
) -> npt.NDArray[np.floating[Any]]:
    if uncertainty.shape != loss.shape or uncertainty.ndim != 1:
        raise ValueError(f"uncertainties {uncertainty.shape} for {loss.shape} voxels")
    if np.isnan(uncertainty).any():
        raise ValueError("an uncertainty is NaN")
    return uncertainty


def _cumulative(
    values: npt.NDArray[np.floating[Any]], loss: npt.NDArray[Any]
) -> tuple[Numbers, Numbers]:
    """Return how many have been taken in, and their loss, by ascending value; 0 first."""
    order = np.argsort(values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), order.size - 1)
    lost = np.cumsum(loss[order], dtype=np.float64)
    if not order.size:
        return np.zeros(1), np.zeros(1)
    return np.append(0.0, ends + 1.0), np.append(0.0, lost[ends])
