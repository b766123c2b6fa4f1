"""Slices of one muscle: where a reader corrected it, and where nobody has looked at it yet."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view

SliceAxis = Literal[0, 1, 2]
"""The axis that slices are counted along: 0 for i, 1 for j, 2 for k."""

_MOST_SLICES = 100_000


@dataclass(frozen=True)
class MuscleSlices:
    """Slices of one muscle of one side.

    Attributes
    ----------
    value : int
        The muscle's sided value, see :meth:`LabelScheme.labels_of_sides`.
    slices : tuple of int
        Indices along ``slice_axis``, from 0.
    slice_axis : int
        0 for i, 1 for j, 2 for k.
    """

    value: int
    slices: tuple[int, ...]
    slice_axis: SliceAxis = 2

    def slices_first(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return these slices of an array ``(K, J, I)``: ``(S, rows, columns)``, a copy."""
        return np.moveaxis(array, 2 - self.slice_axis, 0)[list(self.slices)]

    def without(self, slices: Collection[int], slice_axis: int) -> MuscleSlices:
        """Return those that are not among slices which the reader has seen or accepted."""
        if slice_axis != self.slice_axis:
            return self
        return replace(self, slices=tuple(index for index in self.slices if index not in slices))

    def unchanged(
        self, before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]
    ) -> MuscleSlices:
        """Return those in which the muscle has the same voxels in two labelmaps.

        Parameters
        ----------
        before, after : ndarray
            ``(K, J, I) uint8``: sided values.
        """
        if before is after:
            return self
        was, now = (np.moveaxis(array, 2 - self.slice_axis, 0) for array in (before, after))
        kept = (k for k in self.slices if not _differs(was[k], now[k], self.value))
        return replace(self, slices=tuple(kept))


def corrected_slices(
    labels: npt.NDArray[np.uint8],
    model_labels: npt.NDArray[np.uint8],
    value: int,
    grid: Grid,
    unseen: Iterable[MuscleSlices] = (),
) -> MuscleSlices:
    """Return the slices in which a reader has changed a muscle, and the axis that they lie along.

    An edit in one coronal slice touches every axial one: the axis is the one along
    which the fewest slices differ, and the leg's where several do.

    Parameters
    ----------
    labels, model_labels : ndarray
        ``(K, J, I) uint8``: sided values, as they are now and as the model gave them.
    value : int
        Sided value of the muscle.
    grid : Grid
        Of both arrays.
    unseen : iterable of MuscleSlices
        What differs there was carried from other slices, and is no edit of the reader's.

    Returns
    -------
    MuscleSlices
        Without slices where nothing was changed.
    """
    axes: tuple[SliceAxis, ...] = (2, 1, 0)
    differs = (labels == value) != (model_labels == value)
    for carried in unseen:
        if carried.value == value:
            np.moveaxis(differs, 2 - carried.slice_axis, 0)[list(carried.slices)] = False
    found = []
    for array_axis in canonical_view(grid).axes:
        others = tuple(axis for axis in range(3) if axis != array_axis)
        touched = np.flatnonzero(differs.any(axis=others)).tolist()
        found.append(MuscleSlices(value, tuple(touched), axes[array_axis]))
    return min(found, key=lambda muscle: len(muscle.slices))


def voxels_of_largest_slice(
    labels: npt.NDArray[np.uint8], value: int, slice_axis: int
) -> npt.NDArray[np.intp]:
    """Return the voxels of a muscle in the slice that holds most of it.

    Parameters
    ----------
    labels : ndarray
        ``(K, J, I) uint8``: sided values.
    value : int
        Sided value of the muscle.
    slice_axis : int
        The axis that slices are counted along: 0 for i, 1 for j, 2 for k.

    Returns
    -------
    ndarray
        ``(N, 3)``: voxel indices ``(i, j, k)``; none where the muscle is empty.
    """
    axis = 2 - slice_axis
    if axis == 0:
        areas = np.array([np.count_nonzero(rows == value) for rows in labels])
    else:
        areas = np.sum([np.count_nonzero(rows == value, axis=2 - axis) for rows in labels], axis=0)
    index = int(areas.argmax())
    at = np.argwhere(labels.take(index, axis) == value)
    return np.insert(at, axis, index, axis=1)[:, ::-1]


def unseen_voxels(
    unseen: Iterable[MuscleSlices],
    labels: npt.NDArray[np.uint8],
    model_labels: npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.bool_]:
    """Return the voxels that may be wrong as long as nobody has looked at carried slices.

    These are the muscle's, as it was and as it is now, and all of the slice's that no
    muscle has: the muscle may belong there.

    Parameters
    ----------
    unseen : iterable of MuscleSlices
        Where a correction was carried to.
    labels, model_labels : ndarray
        ``(K, J, I) uint8``: sided values, as they are now and, if known, as the model
        gave them.

    Returns
    -------
    ndarray
        ``(K, J, I) bool``.
    """
    mask = np.zeros(labels.shape, bool)
    for muscle in unseen:
        found = np.isin(muscle.slices_first(labels), (0, muscle.value))
        if model_labels is not None:
            found |= muscle.slices_first(model_labels) == muscle.value
        np.moveaxis(mask, 2 - muscle.slice_axis, 0)[list(muscle.slices)] |= found
    return mask


def _differs(was: npt.NDArray[np.uint8], now: npt.NDArray[np.uint8], value: int) -> bool:
    return bool(((was == value) != (now == value)).any())


def slices_text(slices: Iterable[int]) -> str:
    """Return a list of slices in short, e.g. ``3-10, 14``."""
    spans: list[list[int]] = []
    for index in sorted(set(slices)):
        if spans and index == spans[-1][1] + 1:
            spans[-1][1] = index
        else:
            spans.append([index, index])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def parse_slices(text: str) -> tuple[int, ...]:
    """Return the slices of a list like ``3-10, 14``; none of an empty one.

    Raises
    ------
    MuscleFMError
        It is no such list.
    """
    slices: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, _, last = part.partition("-")
        try:
            span = range(int(first), int(last or first) + 1)
            if not 0 < len(span) <= _MOST_SLICES:
                raise ValueError("an empty or endless span")
        except (ValueError, OverflowError) as error:
            raise MuscleFMError("this is no list of slices", "write e.g. 3-10,12") from error
        slices.update(span)
    return tuple(sorted(slices))
