"""A case on its way to another program's training."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import LabelScheme
from musclefm.labels.sided import check_sided_labels
from musclefm.volumes.volume import Volume

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


@dataclass(frozen=True)
class TrainingCase:
    """An image and its reference labels.

    Attributes
    ----------
    key : str
        Names its files: letters, digits and hyphens, no patient identity.
    subject : str
        The same for all cases of a person, so that folds can keep them
        together; a pseudonym.
    channels : mapping of str to Volume
        ``(K, J, I) float32`` each, by names such as ``"fat"``, on one grid.
    labels : Volume
        ``(K, J, I) uint8`` on the same grid: sided values, see
        :meth:`LabelScheme.labels_of_sides`; 255 marks voxels to be ignored.
    scheme : LabelScheme
        What the labels mean.

    Raises
    ------
    MuscleFMError
        The grids differ, or there are labels that the scheme does not name.
    ValueError
        The key is no such name, or there is no channel: a programming error.
    """

    key: str
    subject: str
    channels: Mapping[str, Volume]
    labels: Volume
    scheme: LabelScheme

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key) or not self.channels:
            raise ValueError("a case needs a channel, and a key of letters, digits and hyphens")
        if not all(image.grid.matches(self.labels.grid) for image in self.channels.values()):
            raise MuscleFMError(
                "the labels lie on another grid than the image",
                "resample them to the image first",
            )
        check_sided_labels(self.labels.array, self.scheme)


def alike(cases: Iterable[TrainingCase]) -> Iterator[TrainingCase]:
    """Yield the cases of a data set, each held to the channels and labels of the first.

    Raises
    ------
    MuscleFMError
        A case has other channels, another label scheme, or the key of another.
    """
    first: TrainingCase | None = None
    keys: set[str] = set()
    for case in cases:
        first = first or case
        if list(case.channels) != list(first.channels):
            raise MuscleFMError(
                f"the cases have different channels: {', '.join(first.channels)}"
                f" against {', '.join(case.channels)}",
                "export those with the same channels",
            )
        if case.scheme != first.scheme:
            raise MuscleFMError(
                f"the cases have different label schemes: {first.scheme.name}"
                f" against {case.scheme.name}",
                "export those with the same scheme",
            )
        if case.key in keys:
            raise MuscleFMError("two cases have the same key", "export each case once")
        keys.add(case.key)
        yield case
