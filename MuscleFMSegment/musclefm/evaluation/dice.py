"""Dice: between labelmaps, between members, and expected of a segmentation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.uncertainty.maps import ClassStatistics


def dice(
    a: npt.NDArray[np.integer], b: npt.NDArray[np.integer], class_count: int
) -> npt.NDArray[np.float64]:
    """Return the Dice coefficient of two labelmaps, class by class.

    ``2 |A and B| / (|A| + |B|)`` (Dice 1945).

    Parameters
    ----------
    a, b : ndarray
        Labelmaps of equal shape with values below ``class_count``.
    class_count : int
        Number of classes with background.

    Returns
    -------
    ndarray
        ``(C,) float64``, NaN for a class that is empty in both.

    Raises
    ------
    ValueError
        The shapes differ, or a value is not a class.
    """
    return dice_of_counts(*_shared(a, b, class_count))


def pooled_dice(a: npt.NDArray[np.integer], b: npt.NDArray[np.integer], class_count: int) -> float:
    """Return one Dice coefficient of all classes but background, their voxels pooled.

    ``2 * sum |A and B| / sum (|A| + |B|)``: a large muscle counts for more than a small
    one, unlike in the mean of :func:`dice`. NaN where both show no class.

    Parameters
    ----------
    a, b, class_count
        As of :func:`dice`.
    """
    shared, sizes = _shared(a, b, class_count)
    return float(dice_of_counts(shared[1:].sum(), sizes[1:].sum()))


def pooled_counts(
    a: npt.NDArray[np.integer], b: npt.NDArray[np.integer], class_count: int
) -> tuple[int, int]:
    """Return what :func:`pooled_dice` is the ratio of: ``sum |A and B|``, ``sum (|A| + |B|)``.

    Summed over several cases, they give their Dice pooled over cases, too.

    Parameters
    ----------
    a, b, class_count
        As of :func:`dice`.
    """
    shared, sizes = _shared(a, b, class_count)
    return int(shared[1:].sum()), int(sizes[1:].sum())


def _shared(
    a: npt.NDArray[np.integer], b: npt.NDArray[np.integer], class_count: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return by class how many voxels both label as it, and how many each does, in sum."""
    if a.shape != b.shape:
        raise ValueError(f"labelmaps of shapes {a.shape} and {b.shape}")
    sizes = [np.bincount(x.ravel(), minlength=class_count) for x in (a, b)]
    if any(size.size > class_count for size in sizes):
        raise ValueError(f"a label is not below {class_count}")
    return np.bincount(a[a == b].ravel(), minlength=class_count), sizes[0] + sizes[1]


def dice_of_counts(shared: npt.NDArray[Any], sizes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return Dice from voxels in both and the sum of both sizes; NaN where that is 0."""
    return _ratio(2 * shared, sizes)


def expected_dice(
    statistics: ClassStatistics, labelled: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the Dice coefficient that is to be expected of each class.

    ``2 * (sum of p inside) / (|label| + sum of p anywhere)``: were the truth
    of each voxel drawn from the mean probabilities p, these would be the
    expectations of the numerator and the denominator of the Dice coefficient
    of the labels. Their ratio is its expectation to first order (delta
    method), which is close for objects of many voxels.

    Parameters
    ----------
    statistics : ClassStatistics
        Sums over the volume.
    labelled : ndarray
        ``(2, C)``: voxels labelled as the class, by side (0 right, 1 left).

    Returns
    -------
    ndarray
        ``(2, C) float64`` in [0, 1]; NaN where no voxel is labelled.
    """
    expected = _ratio(2 * statistics.probability_inside, labelled + statistics.probability_mass)
    return np.where(labelled > 0, expected, np.nan)


def member_dice(statistics: ClassStatistics) -> npt.NDArray[np.float64]:
    """Return the mean Dice coefficient over all pairs of members.

    The agreement of samples of a segmentation predicts its quality without a
    reference (Roy et al. 2019, "Bayesian QuickNAT", there over dropout samples).

    Returns
    -------
    ndarray
        ``(2, C) float64``; pairs of which neither member labels the class do
        not count, NaN where none is left, as with one member.
    """
    shared = statistics.member_overlap
    sizes = np.diagonal(shared, axis1=2, axis2=3)
    first, second = np.triu_indices(shared.shape[-1], k=1)
    pairs = _ratio(2 * shared[:, :, first, second], sizes[:, :, first] + sizes[:, :, second])
    defined = ~np.isnan(pairs)
    return _ratio(np.where(defined, pairs, 0).sum(axis=2), defined.sum(axis=2))


def _ratio(numerator: npt.NDArray[Any], denominator: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Divide, with NaN where the denominator is 0."""
    result = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result
