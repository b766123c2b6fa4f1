"""What was measured of a case, as JSON and back: nothing that is finished is measured again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musclefm.errors import MuscleFMError
from musclefm.evaluation.accuracy import MuscleAccuracy
from musclefm.evaluation.calibration import CalibrationMetrics, Reliability
from musclefm.evaluation.cohort.case_calibration import CaseCalibration
from musclefm.evaluation.cohort.case_evaluation import CaseEvaluation
from musclefm.evaluation.error_detection import ErrorDetection
from musclefm.labels.scheme import LabelScheme, load_scheme
from musclefm.storage.atomic import atomic_text
from musclefm.storage.regular_file import read_regular

_KINDS = {
    kind.__name__: kind
    for kind in (
        CaseEvaluation, MuscleAccuracy, CaseCalibration, CalibrationMetrics, Reliability,
        ErrorDetection,
    )
}  # fmt: skip
_LARGEST_RECORD = 256 << 20

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
