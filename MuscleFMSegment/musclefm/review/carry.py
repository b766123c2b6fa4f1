"""Correcting a muscle in a few slices, and carrying that to the slices between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.review.muscle_slices import MuscleSlices
from musclefm.review.slice_kriging import (
    FARTHEST_MM,
    Distance,
    error_kriging,
    interpolated_shape,
    model_error,
    shape_kriging,
    signed_distance,
    trust_in_model,
)
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view

# Muscles change so many times faster across the leg than along it.
_FASTER_ACROSS = 4.0
_REACH_MM = 80.0

# The model's errors are taken to grow with its uncertainty, so many times at most.
_LEVELS = 4.0
_NEAR_MM = 4.0
_LEAST_UNCERTAINTY = 0.02


@dataclass(frozen=True)
class Carried:
    """A proposal for the slices that a reader did not correct.

    Attributes
    ----------
    labels : ndarray
        ``(K, J, I) uint8``: sided values.
    slices : tuple of MuscleSlices
        Where muscles got other voxels; nobody has looked at these slices yet.
    """

    labels: npt.NDArray[np.uint8]
    slices: tuple[MuscleSlices, ...]


def carry_corrections(
    labels: npt.NDArray[np.uint8],
    model_labels: npt.NDArray[np.uint8],
    grid: Grid,
    known: Sequence[MuscleSlices],
    uncertainty: npt.NDArray[np.float32] | None = None,
) -> Carried:
    """Propose the outline of muscles in the slices between those where it is known.

    Beyond the outermost known slices the proposal reaches 80 mm along the leg or
    20 mm across it. Where a muscle has no known slice, nothing is proposed.

    Parameters
    ----------
    labels, model_labels : ndarray
        ``(K, J, I) uint8``: sided values, corrected, and as the model gave them.
    grid : Grid
        Of both arrays.
    known : sequence of MuscleSlices
        Once for every muscle that is carried, the slices in which the reader
        corrected or accepted it. These are not changed, nor are voxels of muscles
        that are not carried. Where two carried muscles meet, a voxel goes to the one
        that it lies deeper in.
    uncertainty : ndarray, optional
        ``(K, J, I) float32`` in [0, 1]: the model's. Slices in which it is less
        uncertain than in the known ones change less.

    Returns
    -------
    Carried
        The labels, of which only the carried muscles differ.

    Raises
    ------
    IndexError
        There is no such slice: a programming error.
    """
    fields = [
        _field(labels, model_labels, grid, muscle, uncertainty) for muscle in known if muscle.slices
    ]
    carried = labels.copy()
    for field in fields:
        field.put(carried, np.uint8(0), field.take(carried) == field.muscle.value)
    free = carried == 0
    deepest = np.zeros(labels.shape, np.float32)
    for field in fields:
        inside = field.take(free) & (field.distance > field.take(deepest))
        field.put(carried, np.uint8(field.muscle.value), inside)
        field.put(deepest, field.distance, inside)
    changed = (
        replace(field.muscle, slices=field.changed_slices(labels, carried)) for field in fields
    )
    return Carried(carried, tuple(muscle for muscle in changed if muscle.slices))


@dataclass(frozen=True)
class _Field:
    """Signed distances to a muscle's proposed outline, in slices and in a part of each.

    Attributes
    ----------
    muscle : MuscleSlices
        With its known slices.
    slices : ndarray
        ``(S,) intp``: those that something is proposed for.
    part : tuple of slice
        Rows and columns of a slice.
    distance : ndarray
        ``(S, rows, columns) float32`` in mm, positive inside.
    """

    muscle: MuscleSlices
    slices: npt.NDArray[np.intp]
    part: tuple[slice, slice]
    distance: Distance

    def take(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what an array ``(K, J, I)`` has where the distances lie."""
        return self._slices_first(array)[self.slices]

    def put(self, array: npt.NDArray[Any], values: Any, where: npt.NDArray[np.bool_]) -> None:
        """Write values to some of these places."""
        self._slices_first(array)[self.slices] = np.where(where, values, self.take(array))

    def changed_slices(
        self, before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]
    ) -> tuple[int, ...]:
        """Return the slices in which the muscle has other voxels."""
        value = self.muscle.value
        differs = (self.take(before) == value) != (self.take(after) == value)
        return tuple(self.slices[differs.any(axis=(1, 2))].tolist())

    def _slices_first(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        part = (slice(None), *self.part)
        return np.moveaxis(array, 2 - self.muscle.slice_axis, 0)[part]


def _field(
    labels: npt.NDArray[np.uint8],
    model_labels: npt.NDArray[np.uint8],
    grid: Grid,
    muscle: MuscleSlices,
    uncertainty: npt.NDArray[np.float32] | None,
) -> _Field:
    axis = 2 - muscle.slice_axis
    spacing = grid.spacing[::-1]
    pixel = tuple(mm for at, mm in enumerate(spacing) if at != axis)
    corrected, model = (
        np.moveaxis(array == muscle.value, axis, 0) for array in (labels, model_labels)
    )
    part = _surroundings((corrected | model).any(axis=0), pixel)
    known = np.unique(muscle.slices)
    shapes, drawn = (
        np.stack([signed_distance(mask[index][part], pixel) for index in known])
        for mask in (corrected, model)
    )
    scale = 1.0 if canonical_view(grid).axes[0] == axis else _FASTER_ACROSS
    position = np.arange(len(corrected), dtype=np.float64) * spacing[axis] * scale
    first, last = position[known[[0, -1]]]
    reached = (position >= first - _REACH_MM) & (position <= last + _REACH_MM)
    slices = np.setdiff1d(np.flatnonzero(reached), known)

    by_shape = shape_kriging(position[slices], position[known])
    by_model = error_kriging(position[slices], position[known])
    error_mm2 = model_error(shapes, drawn, min(pixel))
    level = _Level(None if uncertainty is None else np.moveaxis(uncertainty, axis, 0), part)
    known_levels = np.array(
        [level.near(at, both) for at, both in zip(known, np.maximum(shapes, drawn), strict=True)]
    )
    distance = np.empty((len(slices), *shapes.shape[1:]), np.float32)
    for at, index in enumerate(slices):
        shape = interpolated_shape(shapes, by_shape.weights[at])
        model_shape = signed_distance(model[index][part], pixel)
        own_level = level.near(index, np.maximum(shape, model_shape))
        likely, known_likely = (
            np.clip(x / known_levels.mean(), 1.0 / _LEVELS, _LEVELS)
            for x in (own_level, known_levels)
        )
        corrections = by_model.weights[at] * likely / known_likely
        trust = trust_in_model(by_shape.variance[at], error_mm2 * likely**2 * by_model.variance[at])
        corrected_model = model_shape + np.tensordot(corrections, shapes - drawn, 1)
        distance[at] = (1.0 - trust) * shape + trust * corrected_model
    return _Field(muscle, slices, part, distance)


@dataclass(frozen=True)
class _Level:
    """How uncertain a model is around a muscle, slice by slice.

    Attributes
    ----------
    uncertainty : ndarray or None
        ``(S, rows, columns) float32``; None where it is not known.
    part : tuple of slice
        Rows and columns of a slice.
    """

    uncertainty: npt.NDArray[np.float32] | None
    part: tuple[slice, slice]

    def near(self, index: int, distance: Distance) -> float:
        """Return the mean within a muscle and a few mm around it."""
        if self.uncertainty is None:
            return 1.0
        found = self.uncertainty[index][self.part][distance > -_NEAR_MM]
        return _LEAST_UNCERTAINTY + (float(found.mean()) if found.size else 0.0)


def _surroundings(mask: npt.NDArray[np.bool_], pixel: tuple[float, ...]) -> tuple[slice, slice]:
    """Return the rows and columns that hold a mask, and what lies near it."""
    spans = []
    for axis, mm in enumerate(pixel):
        found = np.flatnonzero(mask.any(axis=1 - axis))
        margin = int(np.ceil(FARTHEST_MM / mm)) + 1
        spans.append(
            slice(max(int(found[0]) - margin, 0), int(found[-1]) + margin + 1)
            if len(found)
            else slice(0, 0)
        )
    return spans[0], spans[1]
