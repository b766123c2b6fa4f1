"""One case by all folds of a system: each fold, their ensemble, and what each is worth."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from musclefm.benchmark.records import CaseRecord, shown_slice
from musclefm.benchmark.study import Probabilities, Study, System
from musclefm.evaluation.calibration import near_muscle
from musclefm.evaluation.cohort.case_evaluation import CaseEvaluation, evaluate_case
from musclefm.evaluation.cohort.case_pair import CasePair
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.progress import Progress, ProgressEvent
from musclefm.results.benchmark.examples import SliceAnswer
from musclefm.training.data.dataset import UnreadCase
from musclefm.training.fitting.temperature import fit_temperature
from musclefm.volumes.orientation import canonical_view

_Voxels = tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]
"""Logits ``(M, C, P)`` of members and labels ``(P,)``."""

_MOST_VOXELS = 200_000
# Of the logarithm: smaller ones are 0 in float16.
_TINY = 1e-6


@dataclass(frozen=True)
class Temperatures:
    """Divide the logarithms of the probabilities.

    Attributes
    ----------
    folds : tuple of float
        Of each fold alone.
    ensemble : float
        Of all members of the ensemble.
    """

    folds: tuple[float, ...]
    ensemble: float


def fit_temperatures(
    system: System, study: Study, message: str, progress: Progress
) -> Temperatures:
    """Fit the temperatures of a trained system on subjects that were not learned from.

    Those for validation are few, and a temperature of few is that of these few. So a fold's is
    fitted on those that it stopped by, too, which it did not learn from either. The ensemble's
    follows from the validation subjects, and changes as those of its folds then change.

    Parameters
    ----------
    system : System
        All its folds are trained.
    study : Study
        Its cases.
    message : str
        What is reported, beside how far it is.
    progress : Progress
        Called for each case.

    Raises
    ------
    MuscleFMError
        A case cannot be used.
    """
    stops = [(fold, x) for fold, part in enumerate(study.folds) for x in part.stops_by]
    cases: list[tuple[int | None, UnreadCase]] = [*((None, x) for x in study.validation), *stops]
    samples: dict[int | None, list[_Voxels]] = {}
    for number, (fold, unread) in enumerate(cases):
        progress(ProgressEvent("temperature", number, len(cases), message))
        case = unread.read()
        answers = system.predict(case)
        chosen = answers if fold is None else islice(answers, fold, fold + 1)
        near = near_muscle(case.labels.array, case.labels.grid.spacing[::-1])
        rng = np.random.default_rng([study.plan.seed, number])
        voxels = rng.permutation(np.flatnonzero(near))[: -(-_MOST_VOXELS // len(study.validation))]
        shares = np.stack([p.reshape(len(p), -1)[:, voxels] for p in chosen])
        truth = case.labels.array.ravel()[voxels].astype(np.intp)
        samples.setdefault(fold, []).append((np.log(np.maximum(shares, _TINY)), truth))
    logits, truth = _joined(samples[None])
    alone = [fit_temperature(member[None], truth) for member in logits]
    folds = [
        fit_temperature(*_joined([(member[None], truth), *samples.get(fold, [])]))
        for fold, member in enumerate(logits)
    ]
    change = np.exp(np.mean(np.log(folds) - np.log(alone)))
    return Temperatures(tuple(folds), fit_temperature(logits, truth) * float(change))


def _joined(samples: Sequence[_Voxels]) -> _Voxels:
    logits, truth = zip(*samples, strict=True)
    return np.concatenate(logits, axis=2), np.concatenate(truth)


def annotated_muscles(cases: Sequence[UnreadCase]) -> frozenset[int]:
    """Return the muscles that the references would show if they were there.

    They are those that the data list names; where it names none, those that any case shows.
    """
    found: set[int] = set()
    for case in cases:
        read = case.read()
        found |= set(read.absent) or {int(x) for x in np.unique(read.labels.array)}
    return frozenset(found & {label.id for label in cases[0].read().scheme.labels})


def score_case(
    system: System,
    case: LabelledCase,
    annotated: Collection[int],
    temperatures: Temperatures | None,
) -> tuple[CaseRecord, SliceAnswer]:
    """Segment a case by all folds, and measure each of them and the ensemble.

    The folds come one by one, and of them sums alone are kept. What the ensemble says of one
    slice is returned, too, to be looked at.

    Parameters
    ----------
    system : System
        All its folds are trained.
    case : LabelledCase
        A test case.
    annotated : collection of int
        Labels of muscles that the reference would show if they were there.
    temperatures : Temperatures or None
        None scores the probabilities as they are.

    Raises
    ------
    MuscleFMError
        The case cannot be used, or the probabilities do not sum to 1.
    """
    folds: list[CaseEvaluation] = []
    mean, plain, logs = _Sum(), _Sum(), _Sum()
    squares, entropies = _Sum(), _Sum()
    for number, member in enumerate(system.predict(case)):
        own, tempered = member, member
        if temperatures:
            own = _tempered(member, temperatures.folds[number])
            tempered = _tempered(member, temperatures.ensemble)
        before = member if temperatures else None
        folds.append(_evaluated(case, own, annotated, before, {"total": _entropy(own)}))
        mean.add(tempered)
        plain.add(member)
        squares.add(np.square(tempered))
        entropies.add(_entropy(tempered))
        if system.averages_logits:
            logs.add(np.log(np.maximum(member, _TINY)))
    together = mean.mean
    total, aleatoric = _entropy(together), entropies.mean
    uncertainty = {
        "total": total,
        "aleatoric": aleatoric,
        "epistemic": np.maximum(total - aleatoric, 0),
        "variance": np.maximum(squares.mean - np.square(together), 0).mean(axis=0),
    }
    before = plain.mean if temperatures else None
    record: CaseRecord = {
        "folds": tuple(folds),
        "ensemble": (_evaluated(case, together, annotated, before, uncertainty),),
    }
    if system.averages_logits:
        shares = _softmax(logs.mean)
        entropy = {"total": _entropy(shares)}
        record["logits"] = (_evaluated(case, shares, annotated, None, entropy),)
    view, k = shown_slice(case)
    labels = view.apply(together.argmax(axis=0).astype(np.uint8))[k]
    return record, SliceAnswer(labels, view.apply(total)[k])


class _Sum:
    """Sums arrays of one shape in place."""

    def __init__(self) -> None:
        self._sum: Probabilities = np.zeros((), np.float32)
        self._count = 0

    def add(self, array: Probabilities) -> None:
        self._sum = self._sum + array
        self._count += 1

    @property
    def mean(self) -> Probabilities:
        return self._sum / np.float32(self._count)


def _evaluated(
    case: LabelledCase,
    probabilities: Probabilities,
    annotated: Collection[int],
    untempered: Probabilities | None,
    uncertainty: dict[str, npt.NDArray[np.float32]],
) -> CaseEvaluation:
    i, j, k = case.labels.grid.spacing
    reference = case.labels.array.copy()
    for absent in case.absent.values():
        # Training ignores it. Here it tells that none of the annotated muscles is there.
        reference[absent] = 0
    pair = CasePair(
        labels=probabilities.argmax(axis=0).astype(np.uint8),
        reference=reference,
        scheme=case.scheme,
        sided=False,
        spacing=(k, j, i),
        slice_axis=canonical_view(case.labels.grid).axes[0],
        probabilities=probabilities,
        untempered=untempered,
        uncertainty=uncertainty,
        fat_fraction=case.channels.fat_fraction(),
    )
    return evaluate_case(pair, annotated=annotated)


def _tempered(probabilities: Probabilities, temperature: float) -> Probabilities:
    return _softmax(np.log(np.maximum(probabilities, _TINY)) / np.float32(temperature))


def _softmax(logits: Probabilities) -> Probabilities:
    shares = np.exp(logits - logits.max(axis=0))
    return np.asarray(shares / shares.sum(axis=0), np.float32)


def _entropy(probabilities: Probabilities) -> npt.NDArray[np.float32]:
    p = np.maximum(probabilities, np.float32(1e-12))
    return np.asarray(-(p * np.log(p)).sum(axis=0), np.float32)
