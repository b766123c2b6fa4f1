"""How far probabilities can be believed: NLL, Brier score, calibration error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.labels.sided import IGNORE

BIN_COUNT = 20
"""Equal-width bins over [0, 1], as in Casali et al. 2025."""

SMALLEST_PROBABILITY = 1e-5
"""Probabilities are clipped here before the logarithm of the NLL."""

NEAR_MUSCLE_MM = 10.0
"""Air is sure and would flatter the calibration: only voxels this near a muscle count."""


def near_muscle(
    reference: npt.NDArray[np.uint8], spacing: tuple[float, ...]
) -> npt.NDArray[np.bool_]:
    """Return the voxels with a known label that lie within 10 mm of a muscle.

    Parameters
    ----------
    reference : ndarray
        ``(K, J, I) uint8`` or ``(J, I) uint8``: 0 background, IGNORE unknown.
    spacing : tuple of float
        Of the axes of the array, in their order, in mm.

    Returns
    -------
    ndarray
        As ``reference``; none where it shows no muscle.
    """
    known = reference != IGNORE
    muscle = known & (reference > 0)
    if not muscle.any():
        return muscle
    distance = ndimage.distance_transform_edt(~muscle, sampling=spacing)
    near: npt.NDArray[np.bool_] = known & (distance <= NEAR_MUSCLE_MM)
    return near


@dataclass(frozen=True)
class Reliability:
    """Data of a reliability diagram.

    Bins have equal widths over [0, 1] and are right-closed; 0 itself belongs
    to the first.

    Attributes
    ----------
    counts : ndarray
        ``(B,) int64``: voxels whose confidence falls into the bin.
    confidence : ndarray
        ``(B,) float64``: their mean confidence, NaN in an empty bin.
    accuracy : ndarray
        ``(B,) float64``: the share of them for which the event came true that
        the confidence is about, NaN in an empty bin.
    decided : ndarray
        ``(B,) float64``: the share of them for which the argmax was right on
        that event. The same as ``accuracy`` for the confidence in the top
        label; for one class against the rest it also counts the voxels that
        are rightly not labelled as the class.
    """

    counts: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    decided: npt.NDArray[np.float64]

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        """``(B + 1,)``: the edges of the bins."""
        return np.linspace(0.0, 1.0, self.counts.size + 1)

    @property
    def ece(self) -> float:
        """Expected calibration error in [0, 1], NaN without voxels.

        ``sum of counts * |accuracy - confidence| / voxels`` (Naeini et al.
        2015, Guo et al. 2017; for a class, Kull et al. 2019).
        """
        return self._weighted_gap(self.accuracy)

    @property
    def ece_casali(self) -> float:
        """Expected calibration error as in the code of Casali et al. 2025.

        There, the accuracy is that of the decision (``decided``), and in the
        bins below 0.5 it is replaced by 1 - accuracy. For one class against
        the rest, where a low probability means the decision "not this class",
        that comes back to the share of the class, except for voxels that are
        labelled as the class by a probability below 0.5. For the top label it
        overstates the error of voxels of low confidence. Use it only to
        compare with the paper.
        """
        below = self.edges[1:] <= 0.5
        return self._weighted_gap(np.where(below, 1 - self.decided, self.decided))

    def _weighted_gap(self, share: npt.NDArray[np.float64]) -> float:
        voxels = self.counts.sum()
        if voxels == 0:
            return float("nan")
        gaps = np.abs(share - self.confidence)
        return float(np.nansum(gaps * self.counts) / voxels)


@dataclass(frozen=True)
class CalibrationMetrics:
    """Agreement of probabilities with a reference.

    Attributes
    ----------
    voxels : int
        Number of voxels.
    nll : float
        Mean negative log-likelihood of the reference in nats.
    brier : float
        Mean over voxels of the sum over classes of the squared error, 0 to 2
        (Brier 1950).
    top_label : Reliability
        Of the largest probability, for the label being right.
    classes : tuple of Reliability
        Of each class's probability, one against the rest, background first.

    All are NaN without voxels.
    """

    voxels: int
    nll: float
    brier: float
    top_label: Reliability
    classes: tuple[Reliability, ...]

    @property
    def classwise_ece(self) -> float:
        """Mean over all classes, background too, of their ECE (Kull et al. 2019)."""
        return float(np.mean([entry.ece for entry in self.classes]))

    @property
    def classwise_ece_casali(self) -> float:
        """The same of :attr:`Reliability.ece_casali`; only to compare with the paper."""
        return float(np.mean([entry.ece_casali for entry in self.classes]))


def pooled_calibration(parts: Sequence[CalibrationMetrics]) -> CalibrationMetrics:
    """Return the metrics of the voxels of several cases together.

    Parameters
    ----------
    parts : sequence of CalibrationMetrics
        At least one; of the same classes and bins.
    """
    voxels = sum(part.voxels for part in parts)

    def mean(name: str) -> float:
        counted = [part for part in parts if part.voxels]
        total = sum(part.voxels * getattr(part, name) for part in counted)
        return total / voxels if voxels else float("nan")

    return CalibrationMetrics(
        voxels=voxels,
        nll=mean("nll"),
        brier=mean("brier"),
        top_label=_pooled([part.top_label for part in parts]),
        classes=tuple(map(_pooled, zip(*(part.classes for part in parts), strict=True))),
    )


def _pooled(parts: Sequence[Reliability]) -> Reliability:
    counts = np.sum([part.counts for part in parts], axis=0)
    shares = [
        _shares(np.sum([np.nan_to_num(getattr(p, name)) * p.counts for p in parts], axis=0), counts)
        for name in ("confidence", "accuracy", "decided")
    ]
    return Reliability(counts, *shares)


def _shares(
    sums: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Divide, with NaN in an empty bin."""
    empty = np.full(counts.size, np.nan)
    return np.divide(sums, counts, out=empty, where=counts > 0)


class CalibrationAccumulator:
    """Gathers what the metrics need, batch by batch, in constant memory.

    Parameters
    ----------
    class_count : int
        Number of classes with background.
    bin_count : int
        Bins of the reliability diagrams.
    """

    def __init__(self, class_count: int, bin_count: int = BIN_COUNT) -> None:
        self._bins = bin_count
        self._voxels = 0
        self._log_likelihood = 0.0
        self._squared_error = 0.0
        shape = (class_count + 1, bin_count)
        # One row a class, and a last one for the top label.
        self._counts = np.zeros(shape, np.int64)
        self._confidence = np.zeros(shape)
        self._true = np.zeros(shape)
        self._decided = np.zeros(shape)

    def add(
        self, probabilities: npt.NDArray[np.floating], reference: npt.NDArray[np.integer]
    ) -> None:
        """Take in a batch of voxels: a slice, a case, or chosen voxels of one.

        Parameters
        ----------
        probabilities : ndarray
            ``(C, ...)``, between 0 and 1, summing to 1 over C.
        reference : ndarray
            ``(...)``: labels below C.

        Raises
        ------
        ValueError
            Shapes do not fit, or a label or a probability is out of range.
        """
        class_count = self._counts.shape[0] - 1
        if probabilities.shape != (class_count, *reference.shape):
            raise ValueError(
                f"probabilities {probabilities.shape} for reference {reference.shape}"
                f" and {class_count} classes"
            )
        if reference.size == 0:
            return
        p = probabilities.reshape(class_count, -1)
        truth = reference.ravel()
        if truth.min() < 0 or truth.max() >= class_count:
            raise ValueError(f"a reference label is not below {class_count}")
        if not (p.min() >= 0 and p.max() <= 1 + 1e-6):
            raise ValueError("a probability is not between 0 and 1")
        label = p.argmax(axis=0)
        of_truth = np.take_along_axis(p, truth[None].astype(np.intp), axis=0)[0]
        clipped = np.maximum(of_truth.astype(np.float64), SMALLEST_PROBABILITY)
        self._voxels += truth.size
        self._log_likelihood += float(np.log(clipped).sum())
        for class_id in range(class_count):
            is_class = truth == class_id
            self._squared_error += float(np.square(p[class_id] - is_class, dtype=np.float64).sum())
            self._bin(class_id, p[class_id], is_class, (label == class_id) == is_class)
        right = label == truth
        self._bin(class_count, p.max(axis=0), right, right)

    def metrics(self) -> CalibrationMetrics:
        """Return the metrics of all voxels so far."""
        rows = [self._reliability(row) for row in range(self._counts.shape[0])]
        voxels = self._voxels
        return CalibrationMetrics(
            voxels=voxels,
            nll=-self._log_likelihood / voxels if voxels else float("nan"),
            brier=self._squared_error / voxels if voxels else float("nan"),
            top_label=rows[-1],
            classes=tuple(rows[:-1]),
        )

    def _bin(
        self,
        row: int,
        confidence: npt.NDArray[np.floating],
        true: npt.NDArray[np.bool_],
        decided: npt.NDArray[np.bool_],
    ) -> None:
        # In the precision of the input, so that float32's 0.05 is still 1/20.
        edges = np.linspace(0, 1, self._bins + 1).astype(confidence.dtype)
        bins = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, self._bins - 1)
        self._counts[row] += np.bincount(bins, minlength=self._bins)
        for sums, values in (
            (self._confidence, confidence),
            (self._true, true),
            (self._decided, decided),
        ):
            sums[row] += np.bincount(bins, weights=values, minlength=self._bins)

    def _reliability(self, row: int) -> Reliability:
        counts = self._counts[row].copy()
        shares = [
            _shares(sums[row], counts) for sums in (self._confidence, self._true, self._decided)
        ]
        return Reliability(counts, *shares)
