"""Where the thighs lie in an image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from musclefm.anatomy.body import Body, find_body, in_plane_parts
from musclefm.anatomy.separation import Separation, separate
from musclefm.anatomy.signal import cleaned, signal_box
from musclefm.volumes.volume import Volume

# A slice shows two thighs where the whole is wider than high and has halves of
# comparable area, either with a valley between them or wider than any one thigh.
_WIDE_TO_HIGH = 1.4
_LEAST_BALANCE = 0.35
_VALLEY = 0.65
_WIDE_MM = 200.0
# One thigh never looks like two in as many of its slices; two do in more even
# where one of them shows in half of the slices only.
_LEAST_VOTES = 0.25
# Below this a roll is hardly more than the error of its measurement, and left as it is. The
# answer of the networks to the same legs changes by percents of Dice from some 5 degrees on.
_LEVEL_DEGREES = 2.5


@dataclass(frozen=True)
class Thighs:
    """The thighs of a volume in canonical orientation.

    Attributes
    ----------
    count : int
        1 or 2.
    membership : ndarray
        ``(K, J, I) uint8``: the thigh, from 1, that each voxel belongs to,
        outside the body too. With two, thigh 1 is the patient's right one.
    centres : ndarray
        ``(count, K, 2) float64``: centroid of the thigh in each slice as
        ``(row, column)`` in voxels; filled from neighbouring slices where the
        slice shows nothing.
    turn_degrees : float
        How the patient lies turned about the axis of the slices: the direction
        from the patient's right to the left, from that of the columns toward
        larger rows. 0 where nearly level.
    votes : float
        Share of the slices that show two thighs.
    contact : tuple of float
        For each slice, how high the body is where the two halves meet, as a
        share of the height of the lower half: 0 apart, about 1 in the pelvis.
    areas_mm2 : tuple of float
        For each slice, the area of the body.
    """

    count: int
    membership: npt.NDArray[np.uint8]
    centres: npt.NDArray[np.float64]
    turn_degrees: float = 0.0
    votes: float = 1.0
    contact: tuple[float, ...] = ()
    areas_mm2: tuple[float, ...] = ()


def find_thighs(image: Volume, signal: npt.NDArray[np.float32] | None = None) -> Thighs:
    """Find one or two thighs in a volume in canonical orientation.

    Works on a coarse mask of the body. Where nothing is found (noise, an empty
    image) there is one thigh, centred in the image.

    Parameters
    ----------
    image : Volume
        ``(K, J, I)`` intensities of any MR contrast, canonical (see
        :func:`musclefm.volumes.orientation.to_canonical`). Voxels that are not
        finite count as air.
    signal : ndarray, optional
        What :func:`musclefm.anatomy.signal.cleaned` makes of it, where that is known.
    """
    signal = cleaned(image.array) if signal is None else signal
    # What lies around the signal, and how far, is a matter of storage: the search must not
    # depend on it.
    box = signal_box(signal)
    if signal[box].shape == signal.shape:
        return _find_within(image, signal)
    origin = image.grid.ijk_to_lps @ (box[2].start, box[1].start, box[0].start, 1)
    array = image.array[box]
    grid = replace(image.grid, shape=array.shape, origin=tuple(origin[:3].tolist()))
    # Its range is that within the box.
    found = _find_within(Volume(array, grid), cleaned(array))
    around = [
        (place.start, size - place.stop) for place, size in zip(box, image.array.shape, strict=True)
    ]
    corner = (box[1].start, box[2].start)
    return replace(
        found,
        membership=np.pad(found.membership, around, mode="edge"),
        centres=np.pad(found.centres + corner, ((0, 0), around[0], (0, 0)), mode="edge"),
        contact=tuple(np.pad(found.contact, around[0]).tolist()),
        areas_mm2=tuple(np.pad(found.areas_mm2, around[0]).tolist()),
    )


def _find_within(image: Volume, signal: npt.NDArray[np.float32]) -> Thighs:
    """Find thighs in a volume that shows some signal at each of its edges, or none at all."""
    body = find_body(image, signal)
    separation = separate(body)
    slices, rows, columns = image.grid.shape
    votes, contact = _look_of_two(body, separation)
    pixels = body.outline.sum(axis=(1, 2)) * body.spacing[0] * body.spacing[1]
    areas = tuple(pixels.tolist())
    if votes < _LEAST_VOTES:
        centres = _centres(body.outline, body, image)[None]
        return Thighs(
            1, np.ones((slices, rows, columns), np.uint8), centres, 0.0, votes, contact, areas
        )
    step_i, step_j, _ = image.grid.spacing
    membership = separation.beyond(rows, columns, (step_j, step_i)).astype(np.uint8) + np.uint8(1)
    _, coarse_rows, coarse_columns = body.outline.shape
    beyond = separation.beyond(coarse_rows, coarse_columns, body.spacing[:2])
    halves = (body.outline & ~beyond, body.outline & beyond)
    centres = np.stack([_centres(half, body, image) for half in halves])
    return Thighs(2, membership, centres, _roll(centres, (step_j, step_i)), votes, contact, areas)


def _roll(centres: npt.NDArray[np.float64], pixel_mm: tuple[float, float]) -> float:
    """Return the roll of two thighs in degrees from their centres, 0 where nearly level."""
    across = np.median((centres[1] - centres[0]) * pixel_mm, axis=0)
    degrees = float(np.degrees(np.arctan2(across[0], across[1])))
    return degrees if abs(degrees) > _LEVEL_DEGREES else 0.0


def _look_of_two(body: Body, separation: Separation) -> tuple[float, tuple[float, ...]]:
    """Let the slices vote whether the surface parts two thighs or cuts one.

    Returns
    -------
    votes : float
        Share of the slices that show two.
    contact : tuple of float
        See :class:`Thighs`.
    """
    slices, rows, _ = body.outline.shape
    step_j, step_i, _ = body.spacing
    k, j, i = np.nonzero(body.outline)
    lines = separation.lines_mm(rows, step_j)
    offset = np.floor(((i + 0.5) * step_i - lines[k, j]) / step_i).astype(np.int64)
    reach = int(np.abs(offset).max(initial=0)) + 2
    profile = np.bincount(k * 2 * reach + offset + reach, minlength=slices * 2 * reach)
    profile = profile.reshape(slices, 2, reach)
    areas = profile.sum(axis=2)
    shown = areas.sum(axis=1) > 0
    if not shown.any():
        return 0.0, (0.0,) * slices
    balanced = areas.min(axis=1) >= _LEAST_BALANCE * areas.max(axis=1)
    at_surface = (profile[:, 0, -1] + profile[:, 1, 0]) / 2
    contact = at_surface / np.maximum(profile.max(axis=2).min(axis=1), 1)
    parted = contact <= _VALLEY
    # Along the row of thighs and across it, however the patient is rolled. A surface has
    # room to lean otherwise in a wide gap: what lies on its sides tells there.
    column_mm, row_mm = i * step_i, j * step_j
    half = 2 * k + (offset >= 0)
    voxels = np.maximum(areas, 1)
    rightward, downward = (
        np.diff(np.bincount(half, at, minlength=2 * slices).reshape(slices, 2) / voxels)[:, 0]
        for at in (column_mm, row_mm)
    )
    apart = parted & (areas.min(axis=1) > 0)
    roll = np.where(apart, np.arctan2(-downward, rightward), np.arctan(separation.lean))[k]
    width = _extent(k, column_mm * np.cos(roll) - row_mm * np.sin(roll), slices) + step_i
    height = _extent(k, column_mm * np.sin(roll) + row_mm * np.cos(roll), slices) + step_j
    two = balanced & (width > _WIDE_TO_HIGH * height) & (parted | (width > _WIDE_MM))
    return float(two[shown].mean()), tuple(contact.tolist())


def _extent(
    k: npt.NDArray[np.int64], position: npt.NDArray[np.float64], slices: int
) -> npt.NDArray[np.float64]:
    """Return how far the positions of each slice's voxels reach, ``(slices,)``."""
    first, last = np.full(slices, np.inf), np.full(slices, -np.inf)
    np.minimum.at(first, k, position)
    np.maximum.at(last, k, position)
    return np.asarray(np.where(last >= first, last - first, 0.0))


def _centres(mask: npt.NDArray[np.bool_], body: Body, image: Volume) -> npt.NDArray[np.float64]:
    """Return the centroid of the largest part of each slice, ``(K, 2)`` in voxels."""
    slices, rows, columns = image.grid.shape
    parts, areas, part_slices = in_plane_parts(mask)
    largest = np.zeros(slices, np.int64)
    ascending = np.argsort(areas, kind="stable")
    largest[part_slices[ascending]] = ascending
    shown = areas[largest] > 0
    if not shown.any():
        return np.tile([(rows - 1) / 2, (columns - 1) / 2], (slices, 1))
    _, j, i = np.nonzero(mask)
    members = parts[mask]
    centres = np.empty((slices, 2))
    for axis, (position, factor) in enumerate(zip((j, i), body.factors, strict=True)):
        sums = np.bincount(members, weights=position, minlength=areas.size)
        coarse = sums[largest[shown]] / areas[largest[shown]]
        voxels = (coarse + 0.5) * factor - 0.5
        centres[:, axis] = np.interp(np.arange(slices), np.nonzero(shown)[0], voxels)
    return centres
