"""Rules that carry a muscle corrected in some slices to the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.review.carry import carry_corrections
from musclefm.review.muscle_slices import MuscleSlices
from musclefm.volumes.grid import Grid

Labels = npt.NDArray[np.uint8]
Distances = npt.NDArray[np.float32]

MODEL_ONLY = "only these slices corrected"
WITHOUT = "kriging of both"
CARRIED = "kriging of both, and the model's uncertainty (`carry_corrections`)"
SHAPES, DIFFERENCE = "interpolated shapes", "model + interpolated difference"
_MIX_MM = 60.0


@dataclass(frozen=True)
class Case:
    """What the model says of a case, and what is right.

    Attributes
    ----------
    name : str
        Of the rendering and the anatomy.
    model, reference : ndarray
        ``(K, J, I) uint8``: sided values.
    uncertainty : ndarray
        ``(K, J, I) float32`` in [0, 1]: the model's.
    grid : Grid
        Of all.
    """

    name: str
    model: Labels
    reference: Labels
    uncertainty: Distances
    grid: Grid


@dataclass(frozen=True)
class Corrected:
    """A muscle of which some slices were corrected; slices come first, in mm.

    Attributes
    ----------
    labels : ndarray
        ``(K, J, I) uint8``: sided values, the muscle right in the known slices.
    muscle : MuscleSlices
        The known slices.
    shapes, drawn : ndarray
        ``(S, rows, columns) float32``: signed distances to the reference's and the
        model's outline. Of the first, rules may look at the known slices only.
    gap_mm : float
        From slice to slice.
    """

    case: Case
    labels: Labels
    muscle: MuscleSlices
    shapes: Distances
    drawn: Distances
    gap_mm: float

    def weights(self, index: int) -> tuple[float, list[tuple[int, float]]]:
        """Return the distance to the nearest known slice, and linear weights of known ones."""
        known = sorted(self.muscle.slices)
        nearest = min(abs(index - at) for at in known) * self.gap_mm
        below, above = [x for x in known if x <= index], [x for x in known if x > index]
        if not below or not above:
            return nearest, []
        share = (index - below[-1]) / (above[0] - below[-1])
        return nearest, [(below[-1], 1 - share), (above[0], share)]


def interpolated_shapes(one: Corrected, index: int) -> Distances:
    """Return distances interpolated between the known slices; the model's outside of them."""
    _, weights = one.weights(index)
    return sum((w * one.shapes[at] for at, w in weights), 0) if weights else one.drawn[index]


def interpolated_difference(one: Corrected, index: int) -> Distances:
    """Return the model's distances with the interpolated difference to the known ones."""
    _, weights = one.weights(index)
    return one.drawn[index] + sum((w * (one.shapes[at] - one.drawn[at]) for at, w in weights), 0)


def mixed(one: Corrected, index: int) -> Distances:
    """Return a mean of both plain rules, by the distance to the nearest known slice alone."""
    nearest, _ = one.weights(index)
    share = float(np.exp(-nearest / _MIX_MM))
    shapes, difference = interpolated_shapes(one, index), interpolated_difference(one, index)
    return share * shapes + (1 - share) * difference


def aligned_shapes(one: Corrected, index: int) -> Distances:
    """Return interpolated shapes, moved so that centroid and size change linearly."""
    _, weights = one.weights(index)
    if not weights or any(not (one.shapes[at] > 0).any() for at, _ in weights):
        return interpolated_shapes(one, index)
    centres = [np.argwhere(one.shapes[at] > 0).mean(axis=0) for at, _ in weights]
    sizes = [np.sqrt((one.shapes[at] > 0).sum()) for at, _ in weights]
    centre = sum(w * c for (_, w), c in zip(weights, centres, strict=True))
    size = sum(w * s for (_, w), s in zip(weights, sizes, strict=True))
    total = np.zeros_like(one.drawn[index])
    for (at, weight), own_centre, own_size in zip(weights, centres, sizes, strict=True):
        zoom = own_size / size
        moved = ndimage.affine_transform(
            one.shapes[at], [zoom, zoom], own_centre - zoom * centre, order=1, mode="nearest"
        )
        total += weight * moved / zoom
    return total


RULES: dict[str, Callable[[Corrected, int], Distances]] = {
    MODEL_ONLY: lambda one, index: one.drawn[index],
    SHAPES: interpolated_shapes,
    "interpolated shapes, centroid and size aligned": aligned_shapes,
    DIFFERENCE: interpolated_difference,
    "both, mixed by distance": mixed,
}


def proposed(one: Corrected, rule: Callable[[Corrected, int], Distances]) -> Labels:
    """Return the labels with a rule's outline in all slices that are not known."""
    labels = one.labels.copy()
    slices = np.moveaxis(labels, 2 - one.muscle.slice_axis, 0)
    for index in set(range(len(slices))) - set(one.muscle.slices):
        own = slices[index] == one.muscle.value
        slices[index][own] = 0
        slices[index][(rule(one, index) > 0) & (slices[index] == 0)] = one.muscle.value
    return labels


def carried(one: Corrected, *, sure: bool = False) -> Labels:
    """Return what the library proposes, with the model's uncertainty or without."""
    case = one.case
    uncertainty = None if sure else case.uncertainty
    return carry_corrections(one.labels, case.model, case.grid, [one.muscle], uncertainty).labels
