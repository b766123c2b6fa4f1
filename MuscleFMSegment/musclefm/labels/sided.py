"""Labels with the patient's side in them, and what becomes of them in other formats.

Everything that crosses the border of this package is a uint8 labelmap of sided
values, see :meth:`LabelScheme.labels_of_sides`; IGNORE marks voxels of which
nothing is known.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import SIDES, LabelScheme
from musclefm.labels.segment_names import segment_id

IGNORE = 255
"""The value of voxels that nobody has reviewed."""


def check_sided_labels(labels: npt.NDArray[np.integer[Any]], scheme: LabelScheme) -> None:
    """Require that a labelmap holds nothing but what the scheme names.

    Parameters
    ----------
    labels : ndarray
        ``(K, J, I)`` of an integer type: sided values, 0 background, IGNORE.
    scheme : LabelScheme
        What the labels mean.

    Raises
    ------
    MuscleFMError
        There are other values, or the scheme has too many labels for uint8.
    """
    values = scheme.labels_of_sides()
    if max(values) >= IGNORE:
        raise MuscleFMError(
            f"label scheme '{scheme.name}' has too many labels to be exchanged",
            f"use one of at most {(IGNORE - 1) // len(SIDES)} labels",
        )
    known = np.array([0, *values, IGNORE])
    if unknown := np.setdiff1d(np.unique(labels), known).tolist():
        raise MuscleFMError(
            f"the labels hold {unknown} that '{scheme.name}' does not name",
            "name the label scheme that they were made with",
        )


def without_sides(labels: npt.NDArray[np.uint8], scheme: LabelScheme) -> npt.NDArray[np.uint8]:
    """Return the scheme's ids in place of sided values; background and IGNORE stay.

    Parameters
    ----------
    labels : ndarray
        ``(K, J, I) uint8`` as :func:`check_sided_labels` requires.
    scheme : LabelScheme
        What the labels mean.

    Returns
    -------
    ndarray
        ``(K, J, I) uint8``: the same muscle has the same id on both sides.
    """
    table = np.zeros(IGNORE + 1, np.uint8)
    table[IGNORE] = IGNORE
    for value, (_, label) in scheme.labels_of_sides().items():
        table[value] = label.id
    return np.asarray(table[labels])


def value_names(scheme: LabelScheme, *, sided: bool) -> dict[int, str]:
    """Return a name without spaces for every value, background first.

    Parameters
    ----------
    scheme : LabelScheme
        What the labels mean.
    sided : bool
        For sided values, e.g. ``"left_vastus_lateralis"``, or for the scheme's
        ids, e.g. ``"vastus_lateralis"``.
    """
    names = {0: "background"}
    if sided:
        return names | {
            value: segment_id(side, label)
            for value, (side, label) in scheme.labels_of_sides().items()
        }
    return names | {label.id: label.name.replace(" ", "_") for label in scheme.labels}
