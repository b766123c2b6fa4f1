"""What all systems of a benchmark share, and what each of them has to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from musclefm.benchmark.plan import BenchmarkPlan
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.inference.device import Runtime
from musclefm.labels.scheme import LabelScheme
from musclefm.progress import Progress
from musclefm.training.data.dataset import UnreadCase

Probabilities = npt.NDArray[np.float32]
"""``(C, K, J, I)``, background first, summing to 1 over C, on the grid of the case."""


@dataclass(frozen=True)
class Fold:
    """What one network learns from.

    Attributes
    ----------
    learns_from, stops_by : tuple of UnreadCase
        Disjoint; by the second it may choose its best weights, and its temperature is fitted.
    """

    learns_from: tuple[UnreadCase, ...]
    stops_by: tuple[UnreadCase, ...]


@dataclass(frozen=True)
class Study:
    """The cases, their split by subject, and how long each system may learn.

    Attributes
    ----------
    plan : BenchmarkPlan
        With ``seed``, ``budget`` and ``channels``.
    scheme : LabelScheme
        Of the labels: class C of all probabilities is its label C, both sides alike.
    folds : tuple of Fold
        Each system trains one network for each.
    validation : tuple of UnreadCase
        For temperatures alone: no fold may see them.
    test : tuple of UnreadCase
        For the table alone: a system sees them in :meth:`System.predict` only.
    runtime : Runtime
        Device and precision.
    """

    plan: BenchmarkPlan
    scheme: LabelScheme
    folds: tuple[Fold, ...]
    validation: tuple[UnreadCase, ...]
    test: tuple[UnreadCase, ...]
    runtime: Runtime


class System(Protocol):
    """A row of the comparison: something that learns from labelled cases and segments others.

    It is made by an entry of :data:`musclefm.benchmark.systems.SYSTEMS`, a callable that
    takes the :class:`Study`, the plan's :class:`~musclefm.benchmark.plan.SystemEntry` and the
    system's own folder, which may not exist yet. Making one costs little and writes nothing;
    it raises a :class:`~musclefm.errors.MuscleFMError` where a package, a model or an option
    is missing, so that a plan that cannot run is refused before work is spent. Every process
    that trains makes its own.

    All that is kept lies in that folder. A process may be killed at any time: what
    :meth:`prepare` and :meth:`train_fold` find finished there they leave as it is, and
    what they find half done they resume or begin again. Files appear under their names only
    when they are whole.

    Attributes
    ----------
    title : str
        For the table. It says where the weights come from unless they are the pretrained
        ones that the system is named after.
    averages_logits : bool
        Whether the mean of the folds' logits is reported, too, as the system's own way to
        an ensemble. It is computed from what :meth:`predict` gives.
    """

    @property
    def title(self) -> str: ...

    @property
    def averages_logits(self) -> bool: ...

    def prepare(self, progress: Progress) -> None:
        """Make what the folds share; called once, by one process, before any fold.

        Raises
        ------
        MuscleFMError
            A case cannot be used, or something cannot be written.
        """
        ...

    def trained(self, fold: int) -> bool:
        """Tell whether a fold is finished."""
        ...

    def train_fold(self, fold: int, progress: Progress) -> None:
        """Train the network of a fold, from 0, within the plan's budget, or resume it.

        Several processes may train different folds at a time. ``progress`` is called at
        least every few seconds: a user who stops the work does so by an exception from it.

        Raises
        ------
        MuscleFMError
            Training failed, or something cannot be written.
        """
        ...

    def predict(self, case: LabelledCase) -> Iterator[Probabilities]:
        """Segment a case by the network of each fold in turn; all folds are trained.

        The reference labels of the case are there for its grid alone and must not be
        looked at. Networks may be loaded once and kept between calls.

        Yields
        ------
        ndarray
            ``(C, K, J, I) float32`` of fold 0, 1 and so on: the softmax, without any
            temperature, in every voxel of the case's own grid.

        Raises
        ------
        MuscleFMError
            The case cannot be used.
        """
        ...

    def hashes(self) -> Mapping[str, str]:
        """Return SHA-256 hashes of what was started from and of each fold, by name."""
        ...
