"""Which samples of a store are the newest of their cases, and where damage leaves that open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from musclefm.corrections.record import SampleRecord
from musclefm.errors import MuscleFMError


@dataclass(frozen=True)
class StoredSample:
    """A sample of the store; its voxels are read by ``CorrectionStore.load``.

    Attributes
    ----------
    id : str
        Name of its folder.
    record : SampleRecord
        Its ``sample.json``.
    """

    id: str
    record: SampleRecord


def newest_samples(
    samples: Iterable[StoredSample], unreadable: Iterable[str]
) -> tuple[StoredSample, ...]:
    """Return the samples that no other one corrects.

    Of a case whose newest sample may be one that cannot be read, there is none: an older
    sample holds what a reader found wrong since.

    Parameters
    ----------
    samples : iterable of StoredSample
        All of a store that can be read.
    unreadable : iterable of str
        Ids of the others.
    """
    samples = tuple(samples)
    corrected = {sample.record.parent for sample in samples}
    uncertain = {_case(name) for name in unreadable if name not in corrected}
    return tuple(
        sample
        for sample in samples
        if sample.id not in corrected and _case(sample.id) not in uncertain
    )


def left_out_cases(
    samples: Iterable[StoredSample], unreadable: Mapping[str, MuscleFMError]
) -> tuple[str, ...]:
    """Return for what :func:`newest_samples` leaves a case out, a line each.

    Parameters
    ----------
    samples : iterable of StoredSample
        All of a store that can be read.
    unreadable : mapping of str to MuscleFMError
        Of the others the ids, and why they cannot.
    """
    samples = tuple(samples)
    corrected = {sample.record.parent for sample in samples}
    older = {_case(sample.id) for sample in samples}
    return tuple(
        f"{error.cause}, so its case is left out"
        + (", older samples too" if _case(name) in older else "")
        + f": {error.remedy}"
        for name, error in unreadable.items()
        if name not in corrected
    )


def _case(name: str) -> str:
    """Return the beginning of the case's key, which the id of a sample tells even unread."""
    return name.partition("-")[0]
