"""What a thigh is made of around its labelled muscles, slice by slice.

A label map knows muscles only. The femur, unlabelled muscles, fat between the
muscles, subcutaneous fat, skin and vessels are put where anatomy has them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import ConvexHull

from musclefm.demo.phantom.fields import smooth_field
from musclefm.labels.scheme import LabelScheme

Mask = npt.NDArray[np.bool_]

UNLABELLED_MUSCLE = 254
"""Value in :attr:`Tissues.muscle` of muscle that the scheme does not name."""

_FEW_LABELS = 7


@dataclass(frozen=True)
class Body:
    """What stays the same along a thigh.

    Attributes
    ----------
    fat_mm : float
        Mean thickness of the subcutaneous fat in mm.
    fat_turn : float
        Direction in radians in which it is thickest.
    fat_uneven : float
        How much thicker, relative.
    other_muscle : float
        Share of the large gaps between labels that are unlabelled muscle.
    septa : float
        Fat fraction of the thin layers between neighbouring muscles.
    """

    fat_mm: float
    fat_turn: float
    fat_uneven: float
    other_muscle: float
    septa: float

    @staticmethod
    def draw(rng: np.random.Generator) -> Body:
        """Draw a body."""
        return Body(
            fat_mm=float(np.clip(rng.lognormal(np.log(9.0), 0.6), 2.0, 40.0)),
            fat_turn=float(rng.uniform(-np.pi, np.pi)),
            fat_uneven=float(rng.uniform(0.0, 0.6)),
            other_muscle=float(rng.uniform(0.4, 1.0)),
            septa=float(rng.uniform(0.1, 0.9)),
        )


@dataclass(frozen=True)
class Tissues:
    """One slice of one thigh, ``(J, I)`` each.

    Attributes
    ----------
    muscle : ndarray
        ``uint8``: label id, ``UNLABELLED_MUSCLE``, or 0.
    body : ndarray
        ``bool``: inside the skin.
    skin, cortex, marrow, vessel : ndarray
        ``bool``.
    septa : ndarray
        ``float32`` in [0, 1]: fat in the thin layers around muscles.
    """

    muscle: npt.NDArray[np.uint8]
    body: Mask
    skin: Mask
    cortex: Mask
    marrow: Mask
    vessel: Mask
    septa: npt.NDArray[np.float32]


def femur_labels(scheme: LabelScheme) -> tuple[int, ...]:
    """Return the labels that lie against the femur's shaft."""
    return tuple(label.id for label in scheme.labels if label.abbreviation == "VI")


def build_tissues(
    labels: npt.NDArray[np.uint8],
    pixel_mm: float,
    body: Body,
    rng: np.random.Generator,
    *,
    femur_near: tuple[int, ...] = (4,),
    distal: bool = False,
    proximal: bool = False,
    adductors: bool = True,
) -> Tissues:
    """Complete a labelled slice of one thigh.

    Parameters
    ----------
    labels : ndarray
        ``(J, I) uint8``: muscles of one thigh, 0 elsewhere; not empty.
    pixel_mm : float
        Edge of the square pixels in mm.
    body : Body
        The thigh's constants.
    rng : numpy.random.Generator
        Source of randomness.
    femur_near : tuple of int
        Labels that lie against the femur (vastus intermedius).
    distal, proximal : bool
        Whether the slice lies at the knee's or the hip's end, where the bone
        is wide or the buttock begins.
    adductors : bool
        Whether large gaps may be unlabelled muscle, such as adductor longus
        and brevis in the proximal half; else they are fat, as atrophy leaves.
    """
    muscles = labels > 0
    compartment = _compartment(muscles)
    sparse = len(np.unique(labels)) <= _FEW_LABELS
    if sparse and (distal or proximal):
        end = "distal" if distal else "proximal"
        compartment |= _unlabelled_bulk(muscles, pixel_mm, end, rng)
    bone = _femur(labels, compartment, pixel_mm, femur_near, distal, rng)
    compartment |= bone
    gaps = compartment & ~muscles & ~bone
    muscle = labels.copy()
    vessel = np.zeros_like(bone)
    opened = ndimage.binary_opening(gaps, _disk(4.0 / pixel_mm))
    pockets, count = ndimage.label(opened)
    for pocket in range(1, count + 1):
        if adductors and rng.random() < body.other_muscle:
            muscle[pockets == pocket] = UNLABELLED_MUSCLE
    for _ in range(3):
        _add_vessel(vessel, gaps, pixel_mm, rng)
    muscle[vessel] = 0
    distance = ndimage.distance_transform_edt(~compartment) * pixel_mm
    rows, columns = np.nonzero(compartment)
    row, column = np.ogrid[: labels.shape[0], : labels.shape[1]]
    angle = np.arctan2(row - rows.mean(), column - columns.mean())
    fat = body.fat_mm * (1 + body.fat_uneven * np.cos(angle - body.fat_turn))
    if proximal:
        # The gluteus wraps the back of the thigh, outside the labelled muscles.
        gluteus = rng.uniform(8.0, 28.0) * np.clip(np.sin(angle), 0, 1)
        muscle[(distance > 0) & (distance < gluteus)] = UNLABELLED_MUSCLE
        fat = fat + gluteus
    inside = distance < fat
    skin = inside & ~ndimage.binary_erosion(inside, iterations=1)
    rim = np.zeros(labels.shape, np.float32)
    for axis in (0, 1):
        step = np.diff(muscle.astype(np.int16), axis=axis) != 0
        before = [slice(None), slice(None)]
        before[axis] = slice(0, -1)
        rim[tuple(before)] += step
    wander = 0.5 + 0.5 * np.clip(smooth_field(labels.shape, 20.0 / pixel_mm, rng), -1, 1)
    septa = np.clip(ndimage.gaussian_filter(rim, 0.55) * 1.6 * body.septa * wander, 0, 1)
    marrow = ndimage.binary_erosion(bone, _disk((2.0 if distal else 5.0) / pixel_mm))
    return Tissues(muscle, inside, skin, bone & ~marrow, marrow, vessel, septa.astype(np.float32))


def _disk(radius: float) -> Mask:
    reach = max(int(np.ceil(radius)), 1)
    row, column = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    disk: Mask = row**2 + column**2 <= max(radius, 1.0) ** 2
    return disk


def _compartment(muscles: Mask) -> Mask:
    """Return the region that the deep fascia encloses: the muscles' convex hull."""
    corners = np.argwhere(muscles)
    if np.ptp(corners[:, 0] - corners[:, 1]) == 0:
        # One pixel, or a diagonal of them: no hull around these has an area.
        return muscles.copy()
    corners = np.concatenate([corners - 0.5, corners + 0.5])
    hull = ConvexHull(corners)
    row, column = np.ogrid[: muscles.shape[0], : muscles.shape[1]]
    inside = np.ones(muscles.shape, bool)
    for a, b, c in hull.equations:
        inside &= a * row + b * column + c <= 0
    return inside


def _unlabelled_bulk(muscles: Mask, pixel_mm: float, end: str, rng: np.random.Generator) -> Mask:
    """Return the bulk of the leg at an end where few of its structures are labelled.

    Toward the hip the adductors, and at the knee the condyles, make up most of
    the section although the scheme names little of it.
    """
    rows, columns = np.nonzero(muscles)
    if end == "proximal":
        centre = (rows.mean() + rng.uniform(5, 25) / pixel_mm, columns.mean() + 20 / pixel_mm)
        radii = rng.uniform(55, 80, 2) / pixel_mm
    else:
        centre = (rows.mean() - rng.uniform(0, 20) / pixel_mm, columns.mean() - 8 / pixel_mm)
        radii = rng.uniform(42, 58, 2) / pixel_mm
    row, column = np.ogrid[: muscles.shape[0], : muscles.shape[1]]
    bulk: Mask = ((row - centre[0]) / radii[0]) ** 2 + ((column - centre[1]) / radii[1]) ** 2 <= 1
    return bulk


def _femur(
    labels: npt.NDArray[np.uint8],
    compartment: Mask,
    pixel_mm: float,
    near: tuple[int, ...],
    distal: bool,
    rng: np.random.Generator,
) -> Mask:
    """Return the femur: the roomiest gap beside the muscles that lie against it."""
    room = ndimage.distance_transform_edt((labels == 0) & compartment) * pixel_mm
    companions = np.isin(labels, near)
    if not companions.any():
        companions = labels > 0
    rows, columns = np.nonzero(companions)
    row, column = np.ogrid[: labels.shape[0], : labels.shape[1]]
    away = np.hypot(row - rows.mean(), column - columns.mean()) * pixel_mm
    centre = np.unravel_index(np.argmax(np.minimum(room, 14.0) - 0.25 * away), room.shape)
    wanted = rng.uniform(20.0, 36.0) if distal else rng.uniform(11.5, 15.0)
    radius = min(wanted, float(room[centre]) + 1.0)
    ellipse = np.hypot(row - centre[0], (column - centre[1]) / rng.uniform(0.9, 1.15)) * pixel_mm
    bone: Mask = (ellipse < radius) & (labels == 0)
    return bone


def _add_vessel(vessel: Mask, gaps: Mask, pixel_mm: float, rng: np.random.Generator) -> None:
    """Mark one vessel or nerve somewhere in the gaps."""
    places = np.flatnonzero(gaps)
    if len(places) == 0:
        return
    row, column = np.unravel_index(rng.choice(places), gaps.shape)
    disk = _disk(rng.uniform(1.5, 4.5) / pixel_mm)
    reach = disk.shape[0] // 2
    rows = slice(max(row - reach, 0), row + reach + 1)
    columns = slice(max(column - reach, 0), column + reach + 1)
    part = disk[rows.start - row + reach :, columns.start - column + reach :]
    room = vessel[rows, columns]
    room |= part[: room.shape[0], : room.shape[1]] & gaps[rows, columns]
