"""Who is learned from, and who is kept for validation and for a test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from musclefm.errors import MuscleFMError
from musclefm.evaluation.statistics import held_out_subjects

_LEAST_FOLDS = 2


@dataclass(frozen=True)
class SubjectSplit:
    """Disjoint groups of subjects.

    Attributes
    ----------
    held_out : frozenset of str
        For a comparison afterwards; not looked at in training.
    validation : frozenset of str
        That no member is trained on: for member selection and the temperature.
    folds : tuple of frozenset of str
        The rest. Member n learns from all folds but its own, see :meth:`fold`.
    """

    held_out: frozenset[str]
    validation: frozenset[str]
    folds: tuple[frozenset[str], ...]

    def fold(self, member: int) -> frozenset[str]:
        """Return the subjects by which a member stops early."""
        return self.folds[member % len(self.folds)]

    def trained_on(self, member: int) -> frozenset[str]:
        """Return the subjects that a member is trained on."""
        return frozenset().union(*self.folds) - self.fold(member)


def split_subjects(
    subjects: Iterable[str], held_out: float, validation: float, folds: int, seed: int
) -> SubjectSplit:
    """Split subjects into groups; the same seed gives the same groups.

    Parameters
    ----------
    subjects : iterable of str
        All there are.
    held_out, validation : float
        Shares of them; for validation at least one.
    folds : int
        How many, or as many as subjects are left.
    seed : int
        Of the order.

    Raises
    ------
    MuscleFMError
        There are too few subjects.
    """
    everyone = set(subjects)
    kept = held_out_subjects(everyone, held_out)
    rest = sorted(everyone - kept)
    order = [rest[place] for place in np.random.default_rng(seed).permutation(len(rest))]
    count = max(round(validation * len(everyone)), 1)
    learned = order[count:]
    if len(learned) < _LEAST_FOLDS:
        needed = _LEAST_FOLDS + 1 + (held_out > 0)
        raise MuscleFMError(
            f"there {'is' if len(everyone) == 1 else 'are'} {len(everyone)} subject"
            f"{'' if len(everyone) == 1 else 's'} to learn from and to validate on, too few",
            f"give reviewed cases of at least {needed} subjects, or hold fewer of them out",
        )
    parts = max(min(folds, len(learned)), _LEAST_FOLDS)
    return SubjectSplit(
        held_out=kept,
        validation=frozenset(order[:count]),
        folds=tuple(frozenset(learned[part::parts]) for part in range(parts)),
    )
