"""Models on labelled cases: how good one is, and a new one against an old one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musclefm.api.case import table
from musclefm.api.resources import load_model
from musclefm.defaults import DEFAULT_DEVICE, DEFAULT_MODEL
from musclefm.errors import MuscleFMError, warn
from musclefm.evaluation.statistics import by_subject, mean_of
from musclefm.labels.scheme import LabelScheme
from musclefm.progress import ProgressEvent, silent, watched

if TYPE_CHECKING:
    from musclefm.corrections.store import CorrectionStore
    from musclefm.evaluation.case_quality import CaseQuality
    from musclefm.evaluation.comparison import Comparison
    from musclefm.evaluation.labelled_case import LabelledCase
    from musclefm.models.bundle import Bundle


@dataclass(frozen=True)
class ModelEvaluation:
    """A model on labelled cases; both sides of a muscle together, means over subjects.

    Attributes
    ----------
    scheme : LabelScheme
        What the labels mean.
    subjects : tuple of str
        Whose each case is, as a pseudonym.
    qualities : tuple of CaseQuality
        Of each case.
    """

    scheme: LabelScheme
    subjects: tuple[str, ...]
    qualities: tuple[CaseQuality, ...]

    @property
    def mean_dice(self) -> float:
        """Mean over the muscles of a case: each counts alike."""
        return self._mean("dice")

    @property
    def pooled_dice(self) -> float:
        """One Dice of all muscles' voxels of a case: large muscles count for more."""
        return self._mean("pooled_dice")

    @property
    def ece(self) -> float:
        """Expected calibration error of the top label in [0, 1], within 10 mm of a muscle."""
        return self._mean("ece")

    @property
    def nll(self) -> float:
        """Negative log-likelihood in nats per voxel, within 10 mm of a muscle."""
        return self._mean("nll")

    @property
    def muscles(self) -> Any:
        """Dice and ECE by muscle: a pandas ``DataFrame`` where that is installed, else dicts."""
        columns = [
            [mean_of(column) for column in self._by_subject(name).T]
            for name in ("muscle_dice", "muscle_ece")
        ]
        return table(
            [
                {"label_id": label.id, "name": label.name, "dice": dice, "ece": ece}
                for label, dice, ece in zip(self.scheme.labels, *columns, strict=True)
            ]
        )

    def _mean(self, name: str) -> float:
        return mean_of(self._by_subject(name))

    def _by_subject(self, name: str) -> Any:
        return by_subject(self.subjects, [getattr(case, name) for case in self.qualities])


def evaluate_model(
    model: str | os.PathLike[str] | Bundle = DEFAULT_MODEL,
    *,
    data: str | os.PathLike[str] | CorrectionStore | None = None,
    held_out: float | None = None,
    device: str = DEFAULT_DEVICE,
    precision: str = "auto",
    progress: Callable[[ProgressEvent], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> ModelEvaluation:
    """Segment labelled cases with a model, and hold what it says against their labels.

    Parameters
    ----------
    model : str, path or Bundle
        As :func:`load_model` takes it.
    data, held_out
        As of :func:`compare`.
    device, precision, progress, cancel
        As of :func:`segment`.

    Returns
    -------
    ModelEvaluation
        Dice by muscle, ``mean_dice``, ``pooled_dice``, and the calibration: ``ece``, ``nll``.

    Raises
    ------
    MuscleFMError
        There is no case, or one lacks a channel that the model needs.
    WorkCancelledError
        It was cancelled.

    Examples
    --------
    >>> import musclefm
    >>> musclefm.evaluate_model("thigh-demo", data="no-such-folder")
    Traceback (most recent call last):
    musclefm.errors.MuscleFMError: there are no labelled cases in this place: ...
    """
    report = watched(progress, cancel)
    bundle = load_model(model)
    # Imported late: torch takes seconds.
    from musclefm.evaluation.case_quality import case_quality
    from musclefm.inference.case import load_predictor
    from musclefm.inference.device import choose_runtime

    cases = _labelled_cases(data, bundle.scheme, held_out)
    predictor = load_predictor(bundle, choose_runtime(device, precision), silent)
    subjects: list[str] = []
    qualities: list[CaseQuality] = []
    for case in cases:
        report(ProgressEvent("evaluate", len(subjects), 0, f"case {len(subjects) + 1}"))
        subjects.append(case.subject)
        qualities.append(case_quality(case, bundle, predictor))
    if not subjects:
        raise MuscleFMError(
            "there is no reviewed case to evaluate the model on",
            "give cases that it has not learned from",
        )
    return ModelEvaluation(bundle.scheme, tuple(subjects), tuple(qualities))


def compare(
    old: str | os.PathLike[str] | Bundle,
    new: str | os.PathLike[str] | Bundle,
    *,
    data: str | os.PathLike[str] | CorrectionStore | None = None,
    held_out: float | None = None,
    device: str = DEFAULT_DEVICE,
    precision: str = "auto",
    progress: Callable[[ProgressEvent], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Comparison:
    """Compare two models on reviewed cases that neither has learned from.

    Parameters
    ----------
    old, new : str, path or Bundle
        As :func:`load_model` takes them; of one label scheme.
    data : path or CorrectionStore, optional
        A store of corrections or a MONAI ``datalist.json``; by default the user's store.
    held_out : float, optional
        Only the subjects that training with this share held out; by default all. Of a data
        list with test cases always those.
    device, precision, progress, cancel
        As of :func:`segment`.

    Returns
    -------
    Comparison
        Dice, calibration and expected errors of both, by muscle, with paired tests over
        subjects; ``not_worse`` says whether the new one may take the old one's place.

    Raises
    ------
    MuscleFMError
        The schemes differ, or there is no case.
    WorkCancelledError
        It was cancelled.

    Examples
    --------
    >>> import musclefm
    >>> musclefm.compare("thigh-demo", "thigh-demo", data="no-such-folder")
    Traceback (most recent call last):
    musclefm.errors.MuscleFMError: there are no labelled cases in this place: ...
    """
    report = watched(progress, cancel)
    bundles = load_model(old), load_model(new)
    # Imported late: torch takes seconds.
    from musclefm.evaluation.comparison import compare_models
    from musclefm.inference.device import choose_runtime

    cases = _labelled_cases(data, bundles[0].scheme, held_out)
    return compare_models(*bundles, cases, choose_runtime(device, precision), report)


def data_path(data: str | os.PathLike[str] | CorrectionStore | None) -> Path:
    """Return where cases lie, those of a data set by its name; by default in the user's store."""
    from musclefm.api.prerequisites import named_dataset
    from musclefm.corrections.store import CorrectionStore, default_store_folder

    if isinstance(data, CorrectionStore):
        return data.folder
    if dataset := named_dataset(data):
        return dataset.prepared(dataset.scheme)
    return default_store_folder() if data is None else Path(data)


def warn_of_left_out(data: Path) -> None:
    """Warn of cases of a store that are left out because they are damaged."""
    from musclefm.training.data.dataset import data_notes

    for line in data_notes(data):
        warn(line)


def _labelled_cases(
    data: str | os.PathLike[str] | CorrectionStore | None,
    scheme: LabelScheme,
    held_out: float | None,
) -> Iterator[LabelledCase]:
    from musclefm.training.data.dataset import names_test_cases, read_cases, read_held_out

    path = data_path(data)
    warn_of_left_out(path)
    if held_out or names_test_cases(path):
        return read_held_out(path, scheme, held_out or 0.0)
    return read_cases(path, scheme)
