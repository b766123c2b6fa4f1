"""The ensemble that was used last stays loaded, so that the next case starts at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from musclefm.inference.case import load_predictor
from musclefm.inference.device import Runtime
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.models.bundle import Bundle
from musclefm.progress import Progress, WorkCancelledError, silent

_Key = tuple[str, Runtime]
# While it is in use it is not here: another thread loads one of its own.
_kept: dict[_Key, EnsemblePredictor] = {}
_lock = threading.Lock()


@contextmanager
def loaded_ensemble(
    bundle: Bundle, runtime: Runtime, progress: Progress, *, keep: bool
) -> Iterator[EnsemblePredictor]:
    """Yield the networks of a bundle: those of the last case where model and runtime are the same.

    Any others are let go before these are loaded. After an error none are kept, as a
    GPU may have run out of memory; after a cancelled case they are.

    Parameters
    ----------
    bundle : Bundle
        The ensemble; its ``sha256`` holds those of its files.
    runtime : Runtime
        Where and how precisely it runs.
    progress : Progress
        As of :func:`load_predictor`.
    keep : bool
        Whether they stay in memory afterwards.

    Raises
    ------
    MuscleFMError
        As :func:`load_predictor`.
    """
    key = (bundle.sha256, runtime)
    with _lock:
        predictor = _kept.pop(key, None)
        _kept.clear()
    if predictor is None:
        predictor = load_predictor(bundle, runtime, progress)
    else:
        predictor.report_to(progress)
    try:
        yield predictor
    except Exception as error:
        keep = keep and isinstance(error, WorkCancelledError)
        raise
    finally:
        if keep:
            predictor.report_to(silent)
            with _lock:
                _kept.clear()
                _kept[key] = predictor
