"""Labels between the slices of a leg that was labelled every few centimetres.

Every muscle's signed distance is interpolated along the leg after its two
sections are shifted onto each other, so that a thin muscle that runs obliquely
does not vanish halfway; a muscle that only one of two slices shows tapers off.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.demo.phantom.legs import Labels, Leg

_STEP_MM = 3.0
_PIXEL_MM = 1.2
# Slits between muscles that moved apart, in pixels, are closed.
_SLIT_PX = 0.75
_MARGIN_PX = 4

Distances = npt.NDArray[np.float32]


def densely_labelled(leg: Leg) -> Leg:
    """Return a leg with slices about every 3 mm and pixels of at least 1.2 mm."""
    depth, height, width = leg.spacing_mm
    steps = max(_PIXEL_MM, height), max(_PIXEL_MM, width)
    rows, columns = (
        np.round(np.arange(0, count * edge, step) / edge).astype(int).clip(max=count - 1)
        for count, edge, step in zip(leg.labels.shape[1:], (height, width), steps, strict=True)
    )
    labels = leg.labels[:, rows[:, None], columns]
    parts = max(round(depth / _STEP_MM), 1)
    dense = [labels[:1]]
    for lower, upper in pairwise(labels):
        dense += [_between(lower, upper, parts), upper[None]]
    return Leg(np.concatenate(dense), (depth / parts, steps[0], steps[1]), leg.subject)


def _between(lower: Labels, upper: Labels, parts: int) -> Labels:
    """Return the sections ``(parts - 1, J, I)`` between two."""
    shares = np.arange(1, parts) / parts
    labels = np.zeros((len(shares), *lower.shape), np.uint8)
    inmost = np.full(labels.shape, -_SLIT_PX, np.float32)
    for label in np.union1d(lower[lower > 0], upper[upper > 0]):
        faces = [face == label for face in (lower, upper)]
        box = tuple(
            slice(max(found.min() - _MARGIN_PX, 0), found.max() + 1 + _MARGIN_PX)
            for found in (np.flatnonzero((faces[0] | faces[1]).any(axis=axis)) for axis in (1, 0))
        )
        for place, distance in enumerate(_morphed(faces[0][box], faces[1][box], shares)):
            room, depth = labels[place][box], inmost[place][box]
            deeper = distance > depth
            room[deeper] = label
            depth[deeper] = distance[deeper]
    return labels


def _morphed(
    lower: npt.NDArray[np.bool_], upper: npt.NDArray[np.bool_], shares: npt.NDArray[np.float64]
) -> list[Distances]:
    """Return one muscle's signed distances in pixels, at shares of the way up."""
    if not (lower.any() and upper.any()):
        present = lower if lower.any() else upper
        distance = _signed_distance(present)
        depth = distance.max()
        missing = shares if lower.any() else 1 - shares
        # It ends halfway, give or take, as muscles end between slices.
        return [distance - 1.6 * share * depth for share in missing]
    distances = [_signed_distance(mask) for mask in (lower, upper)]
    centres = [np.array(ndimage.center_of_mass(mask)) for mask in (lower, upper)]
    way = centres[1] - centres[0]
    return [
        (1 - share) * ndimage.shift(distances[0], share * way, order=1, mode="nearest")
        + share * ndimage.shift(distances[1], (share - 1) * way, order=1, mode="nearest")
        for share in shares
    ]


def _signed_distance(mask: npt.NDArray[np.bool_]) -> Distances:
    """Return the distance to the border in pixels, positive inside."""
    inside = ndimage.distance_transform_edt(mask)
    outside = ndimage.distance_transform_edt(~mask)
    return (inside - outside).astype(np.float32)
