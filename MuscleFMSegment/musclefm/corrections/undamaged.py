"""Samples of a store one after the other, of which damage to one stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from musclefm.corrections.case import CorrectedCase
from musclefm.corrections.store import CorrectionStore, StoredSample
from musclefm.errors import MuscleFMError, warn


def undamaged_cases(
    store: CorrectionStore,
    samples: Iterable[StoredSample],
    on_left_out: Callable[[str], object] | None = warn,
) -> Iterator[tuple[StoredSample, CorrectedCase]]:
    """Load samples one at a time, and leave out those whose files are damaged.

    Parameters
    ----------
    store : CorrectionStore
        Holds the samples.
    samples : iterable of StoredSample
        Their ``sample.json`` is sound.
    on_left_out : callable or None
        Takes a line for each that is left out; None where none may be.

    Yields
    ------
    sample : StoredSample
        One that could be read.
    case : CorrectedCase
        All of it.

    Raises
    ------
    MuscleFMError
        None of them could be read, or one could not and must not be left out.
    """
    fault: MuscleFMError | None = None
    is_any = False
    for sample in samples:
        try:
            case = store.load(sample.id)
        except MuscleFMError as error:
            if on_left_out is None:
                raise
            fault = fault or error
            on_left_out(left_out_line(error.cause))
            continue
        is_any = True
        yield sample, case
    if fault and not is_any:
        raise fault


def left_out_line(cause: str) -> str:
    """Return what the user reads of a sample that is left out."""
    return (
        f"{cause}, so its case is left out: restore it from a backup or remove it;"
        " 'musclefm corrections verify' lists all that is damaged"
    )
