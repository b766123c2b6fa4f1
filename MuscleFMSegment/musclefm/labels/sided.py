"""Labels with the patient's side in them, and what becomes of them in other formats.

Everything that crosses the border of this package is a uint8 labelmap of sided
values, see :meth:`LabelScheme.labels_of_sides`; IGNORE marks voxels of which
nothing is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import LabelScheme
from musclefm.labels.segment_names import segment_id
from musclefm.labels.sides import LEFT

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
        There are other values.
    """
    values = scheme.labels_of_sides()
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


def ignoring_merged(
    labels: npt.NDArray[np.uint8], merged: Iterable[Collection[int]], scheme: LabelScheme
) -> npt.NDArray[np.uint8]:
    """Return labels in which muscles that a reference does not tell apart are IGNORE.

    Parameters
    ----------
    labels : ndarray
        ``(K, J, I) uint8``, with sides or without.
    merged : iterable of collections of int
        Ids of the scheme, a collection for each group.
    scheme : LabelScheme
        What the labels mean.
    """
    ids = [label_id for group in merged for label_id in group]
    values = [*ids, *(label_id + len(scheme.labels) for label_id in ids)]
    return np.where(np.isin(labels, values), np.uint8(IGNORE), labels)


def with_sides(
    labels: npt.NDArray[np.uint8], sides: npt.NDArray[np.uint8], scheme: LabelScheme
) -> npt.NDArray[np.uint8]:
    """Return sided values in place of the scheme's ids; background stays.

    Parameters
    ----------
    labels : ndarray
        ``(K, J, I) uint8``: ids of the scheme, 0 background.
    sides : ndarray
        ``(K, J, I) uint8``: RIGHT or LEFT.
    scheme : LabelScheme
        What the labels mean.

    Returns
    -------
    ndarray
        ``(K, J, I) uint8``, see :meth:`LabelScheme.labels_of_sides`.
    """
    left = (labels > 0) & (sides == LEFT)
    sided: npt.NDArray[np.uint8] = labels + left * np.uint8(len(scheme.labels))
    return sided


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
