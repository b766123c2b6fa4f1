"""What was measured of a case, and a slice to look at: nothing finished is measured again."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musclefm.benchmark.study import Study
from musclefm.errors import MuscleFMError
from musclefm.evaluation.accuracy import MuscleAccuracy
from musclefm.evaluation.calibration import CalibrationMetrics, Reliability
from musclefm.evaluation.cohort.case_calibration import CaseCalibration
from musclefm.evaluation.cohort.case_evaluation import CaseEvaluation
from musclefm.evaluation.error_detection import ErrorDetection
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.labels.sided import IGNORE
from musclefm.results.benchmark.examples import Example, SliceAnswer
from musclefm.results.benchmark.files import SCORES_FOLDER
from musclefm.results.benchmark.table import ComparedSystem
from musclefm.storage.atomic import atomic_bytes, atomic_text
from musclefm.storage.regular_file import read_regular
from musclefm.volumes.orientation import CanonicalView, canonical_view

_KINDS = {
    kind.__name__: kind
    for kind in (
        CaseEvaluation, MuscleAccuracy, CaseCalibration, CalibrationMetrics, Reliability,
        ErrorDetection,
    )
}  # fmt: skip
_LARGEST_RECORD = 256 << 20
# Of each severity.
_EXAMPLES = 2

CaseRecord = dict[str, tuple[CaseEvaluation, ...]]
"""Of one case: ``"folds"``, ``"ensemble"`` (one) and, where there is one, ``"logits"``."""


def write_record(path: Path, record: CaseRecord) -> None:
    """Write what was measured of a case, whole or not at all.

    Raises
    ------
    MuscleFMError
        The disk is full, or cannot be written.
    """
    atomic_text(path, json.dumps(_plain(record)) + "\n")


def read_record(path: Path) -> CaseRecord | None:
    """Read what :func:`write_record` wrote; None where there is nothing.

    Raises
    ------
    MuscleFMError
        The file is damaged.
    """
    if not path.is_file():
        return None
    try:
        record = _restored(json.loads(read_regular(path, _LARGEST_RECORD)))
        if not all(isinstance(x, CaseEvaluation) for cases in record.values() for x in cases):
            raise TypeError("something else than evaluations")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise MuscleFMError(
            "what was measured of a case is damaged", f"remove {path.parent.name}/{path.name}"
        ) from error
    return dict(record)


def shown_slice(case: LabelledCase) -> tuple[CanonicalView, int]:
    """Return the canonical view of a case, and the slice that shows most of its muscles."""
    view = canonical_view(case.labels.grid)
    labels = view.apply(case.labels.array)
    return view, int(((labels > 0) & (labels != IGNORE)).sum(axis=(1, 2)).argmax())


def write_slice(path: Path, answer: SliceAnswer) -> None:
    """Write what an ensemble says of a slice, whole or not at all.

    Raises
    ------
    MuscleFMError
        The disk is full, or cannot be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, labels=answer.labels, total=answer.total.astype(np.float16))
    atomic_bytes(path, buffer.getvalue())


def read_examples(
    study: Study, out: Path, compared: Sequence[ComparedSystem]
) -> tuple[Example, ...]:
    """Return a slice of the first test cases of each severity, by all ensembles."""
    shown: dict[str | None, list[int]] = {}
    for number, unread in enumerate(study.test):
        shown.setdefault(unread.severity, []).append(number)
    examples = []
    for severity, numbers in shown.items():
        for number in numbers[:_EXAMPLES]:
            case = study.test[number].read()
            view, k = shown_slice(case)
            seen = case.channels.provide(study.plan.channels or ("image",))[0]
            found = [
                (system.title, _read_slice(out / SCORES_FOLDER / system.key / f"case-{number}.npz"))
                for system in compared
            ]
            examples.append(
                Example(
                    f"{severity or 'test'}, case {number + 1}",
                    view.apply(seen)[k],
                    view.apply(case.labels.array)[k],
                    (view.grid.spacing[1], view.grid.spacing[0]),
                    study.scheme,
                    tuple((title, answer) for title, answer in found if answer),
                )
            )
    return tuple(example for example in examples if example.answers)


def _read_slice(path: Path) -> SliceAnswer | None:
    """Return what :func:`write_slice` wrote; None where nothing can be shown."""
    try:
        with np.load(io.BytesIO(read_regular(path, _LARGEST_RECORD))) as arrays:
            return SliceAnswer(arrays["labels"], arrays["total"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, LabelScheme):
        return {"kind": "scheme", "name": value.name}
    if is_dataclass(value):
        named = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {"kind": type(value).__name__, "fields": named}
    if isinstance(value, np.ndarray):
        return {"kind": "array", "dtype": value.dtype.str, "values": value.tolist()}
    if isinstance(value, Mapping):
        return {"kind": "mapping", "entries": {key: _plain(x) for key, x in value.items()}}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value.item() if isinstance(value, np.generic) else value


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_restored(entry) for entry in value)
    if not isinstance(value, dict):
        return value
    match value["kind"]:
        case "scheme":
            return load_scheme(value["name"])
        case "array":
            return np.array(value["values"], np.dtype(value["dtype"]))
        case "mapping":
            return {key: _restored(entry) for key, entry in value["entries"].items()}
        case kind:
            named = {name: _restored(entry) for name, entry in value["fields"].items()}
            return _KINDS[kind](**named)
