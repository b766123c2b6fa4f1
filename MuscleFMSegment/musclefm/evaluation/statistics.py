"""Statistics of paired measures, subject by subject."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import wilcoxon

Numbers = npt.NDArray[np.float64]

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over subjects.

    Attributes
    ----------
    subjects : int
        In whom the measure is defined.
    mean : float
        NaN without any.
    low, high : float
        Bounds of the 95 % interval of the bootstrap over subjects; NaN with fewer than
        two, of whom nothing can be said.
    """

    subjects: int
    mean: float
    low: float
    high: float


def bootstrap_mean(values: Numbers, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """Return a mean with the percentile interval of the bootstrap (Efron 1979).

    Parameters
    ----------
    values : ndarray
        ``(subjects,)``: one a subject, NaN where undefined: such subjects do not count.
    seed : int
        The same seed gives the same interval.
    resamples : int
        How often subjects are drawn anew, with replacement.
    """
    known = values[~np.isnan(values)]
    if known.size < 2:
        return Estimate(known.size, mean_of(values), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    means = known[rng.integers(known.size, size=(resamples, known.size))].mean(axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(known.size, float(known.mean()), float(low), float(high))


def by_subject(subjects: Sequence[str], values: Sequence[object]) -> Numbers:
    """Return the means over each subject's cases, ``(subjects,)`` or ``(subjects, muscles)``."""
    array = np.array(values, np.float64)
    names = np.array(subjects)
    return np.array(
        [np.apply_along_axis(mean_of, 0, array[names == name]) for name in np.unique(names)]
    )


def mean_of(values: Numbers) -> float:
    """Return the mean of what is defined, NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def paired_p(before: Numbers, after: Numbers) -> float:
    """Return p of Wilcoxon's signed-rank test; 1 where nothing differs."""
    difference = after - before
    difference = difference[~np.isnan(difference)]
    if not difference.any():
        return 1.0
    return float(wilcoxon(difference).pvalue)


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values corrected for their number (Holm 1979), in the order given."""
    corrected = np.empty(len(ps))
    order = np.argsort(ps)
    factors = np.arange(len(ps), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(np.array(ps)[order] * factors), 1)
    return corrected.tolist()


def held_out_subjects(subjects: Iterable[str], share: float) -> frozenset[str]:
    """Return the subjects that are kept for a comparison.

    They are those whose names have the smallest hashes, so that whoever was
    kept once mostly stays so as others join. One who moves up to them was
    learned from before, which can only favour the older of two models.

    Parameters
    ----------
    subjects : iterable of str
        All there are.
    share : float
        Of them, rounded, and at least one; 0 for none.
    """
    ranked = sorted(set(subjects), key=lambda name: hashlib.sha256(name.encode()).digest())
    return frozenset(ranked[: max(round(share * len(ranked)), 1)] if share > 0 else ())
