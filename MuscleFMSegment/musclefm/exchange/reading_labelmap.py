"""Labelmaps of NIfTI, NRRD and MetaImage, whose values nothing explains."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from musclefm.errors import MuscleFMError
from musclefm.exchange.foreign_labels import ForeignLabels, ForeignSegment
from musclefm.volumes.reading import read_volume

_MOST_VALUES = 255


def read_labelmap(path: Path, what: str) -> ForeignLabels:
    """Read a labelmap.

    Raises
    ------
    MuscleFMError
        It cannot be read, has values that are not whole, or too many of them
        for a labelmap.
    """
    volume = read_volume(path, what=what).volume
    values = np.unique(volume.array)
    whole = bool((values == np.rint(values)).all())
    if not whole or len(values) > _MOST_VALUES:
        found = f"{len(values)} different values" if whole else "values that are not whole"
        raise MuscleFMError(f"{what} has {found}", "give a labelmap, not an image")
    return ForeignLabels(
        volume.with_array(volume.array.astype(np.int64)),
        tuple(ForeignSegment(int(value)) for value in values if value),
        numbered=True,
    )
