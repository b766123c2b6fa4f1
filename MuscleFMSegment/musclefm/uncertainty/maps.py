"""What an ensemble says of a volume: labels, and its uncertainty in every voxel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from musclefm.labels.scheme import LabelScheme
from musclefm.volumes.grid import Grid

UncertaintyKind = Literal["total", "aleatoric", "epistemic"]
"""Predictive entropy, the members' mean entropy, and their difference: mutual information."""


@dataclass(frozen=True)
class ClassStatistics:
    """Sums over all voxels, by side and class, gathered while slices stream by.

    The first axis is the side (0 right, 1 left), C counts classes with
    background, M members.

    Attributes
    ----------
    probability_mass : ndarray
        ``(2, C) float64``: sum of the mean probability of the class.
    probability_inside : ndarray
        ``(2, C) float64``: the same over the voxels labelled as the class.
    member_overlap : ndarray
        ``(2, C, M, M) float64``: voxels that members a and b both label as the
        class; on the diagonal, the voxels that one member does.
    """

    probability_mass: npt.NDArray[np.float64]
    probability_inside: npt.NDArray[np.float64]
    member_overlap: npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClassProbabilities:
    """Probabilities of all classes on the grid of the input.

    Attributes
    ----------
    mean : ndarray
        ``(C, K, J, I)``, floating point: mean of the members' softmax, background first.
    untempered : ndarray or None
        The same with logits that the ensemble's temperature does not divide; None where
        it has none.
    """

    mean: npt.NDArray[np.floating[Any]]
    untempered: npt.NDArray[np.floating[Any]] | None = None


@dataclass(frozen=True)
class EnsembleMaps:
    """Labels and uncertainty on the grid of the input, voxel for voxel.

    With p the members' mean softmax of a voxel (C classes with background):

    Attributes
    ----------
    grid : Grid
        The input's grid.
    scheme : LabelScheme
        What the labels mean.
    labels : ndarray
        ``(K, J, I) uint8``: argmax of p, 0 background.
    top_muscle : ndarray
        ``(K, J, I) uint8``: the likeliest class other than background.
    sides : ndarray
        ``(K, J, I) uint8``: RIGHT or LEFT, the patient's, in every voxel.
    total : ndarray
        ``(K, J, I) float32``: predictive entropy H(p) in nats.
    aleatoric : ndarray
        ``(K, J, I) float32``: mean of the members' entropies in nats.
    epistemic : ndarray
        ``(K, J, I) float32``: mutual information, total - aleatoric, in nats.
    variance : ndarray
        ``(K, J, I) float32``: variance over members, averaged over classes.
    least_confidence : ndarray
        ``(K, J, I) float32``: 1 - max p, the probability that the label is wrong.
    statistics : ClassStatistics
        Sums by side and class.
    notes : tuple of str
        Remarks on the field of view, a line each.
    beyond_thigh : tuple of int
        Slices of pelvis or knee, as indices along the input's slice axis.
    """

    grid: Grid
    scheme: LabelScheme
    labels: npt.NDArray[np.uint8]
    top_muscle: npt.NDArray[np.uint8]
    sides: npt.NDArray[np.uint8]
    total: npt.NDArray[np.float32]
    aleatoric: npt.NDArray[np.float32]
    epistemic: npt.NDArray[np.float32]
    variance: npt.NDArray[np.float32]
    least_confidence: npt.NDArray[np.float32]
    statistics: ClassStatistics
    notes: tuple[str, ...] = ()
    beyond_thigh: tuple[int, ...] = ()

    @property
    def max_entropy(self) -> float:
        """ln C: the largest possible entropy; divide by it to get [0, 1]."""
        return float(np.log(self.scheme.class_count))
