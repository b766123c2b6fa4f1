"""Remarks on the field of view: which thighs, how they lie, what lies beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.anatomy.thighs import Thighs
from musclefm.labels.scheme import LabelScheme, Side
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import CanonicalView

# Below this share of the slices that show two thighs the finding is unsure.
_SURE_VOTES = 0.4
# One thigh is as unsure where so many slices look like two.
_VOTES_FOR_TWO = 0.1
# A slice lies beyond the thigh where its share of muscle is below this much of the fullest
# slices', or, toward the hip, where the halves are joined over this much of their height.
_LEAST_MUSCLE = 0.6
_FULLEST_PERCENTILE = 90
_JOINED = 0.7
# Most slices of a stretch from an end have to say so.
_MOST = 0.75
_LEAST_SLICES = 4
# Few patients lie more level; a roll is news from here on.
_NEWS_DEGREES = 10.0
# Images on which volumes are measured are seldom sparser than this.
_SPARSE_MM = 12.0

PRONE = (
    "the slices seem to be turned by 180 degrees (a prone patient?): sides were found by"
    " the anatomy, against the image's orientation, so check them"
)
TURNED_AS_STORED = (
    "the model saw the slices turned by 180 degrees, as it is surer of them so (stored another"
    " way than it learned, or a prone patient?): sides follow the image's orientation, so check"
    " them"
)

MUSCLES_UPSIDE_DOWN = (
    "muscles of the front of the thigh lie behind those of its back (a prone patient?): nnU-Net"
    " sees slices either way, so they were not turned; sides follow the image's orientation, so"
    " check them"
)
_FRONT = {"rectus femoris", "vastus intermedius"}
_BACK = {"semitendinosus", "semimembranosus", "biceps femoris long head"}


@dataclass(frozen=True)
class FieldFindings:
    """What the field of view shows beside muscles.

    Attributes
    ----------
    notes : tuple of str
        Remarks for the reader, a line each.
    beyond_thigh : tuple of int
        Slices of pelvis or knee, as indices along the input's slice axis.
    """

    notes: tuple[str, ...]
    beyond_thigh: tuple[int, ...]


def field_findings(
    thighs: Thighs,
    sides: tuple[Side, ...],
    labels: npt.NDArray[np.uint8],
    view: CanonicalView,
) -> FieldFindings:
    """Look at what was found of the thighs, slice by slice.

    Parameters
    ----------
    thighs : Thighs
        As they were framed.
    sides : tuple of Side
        Of the thighs.
    labels : ndarray
        ``(K, J, I) uint8`` in canonical orientation.
    view : CanonicalView
        From the input to it.
    """
    grid = view.grid
    notes = list(_thigh_notes(thighs, sides)) if labels.any() else []
    count = grid.shape[0]
    beyond: list[int] = []
    for what, canonical in zip(("pelvis", "knee"), _ends(thighs, labels, grid), strict=True):
        stored = sorted(count - 1 - k if view.flips[0] else k for k in canonical)
        if stored:
            beyond.extend(stored)
            notes.append(
                f"the {what} seems to be in view in {slices_named(stored)} (along"
                f" {'kji'[view.axes[0]]}): volumes that count labels there are marked"
            )
    return FieldFindings(tuple(notes), tuple(sorted(beyond)))


def lie_upside_down(labels: npt.NDArray[np.uint8], scheme: LabelScheme) -> bool:
    """Tell whether muscles of the front of the thigh lie behind those of its back.

    Parameters
    ----------
    labels : ndarray
        ``(K, J, I) uint8`` in canonical orientation.
    scheme : LabelScheme
        What the labels mean.
    """
    places = np.arange(labels.shape[1])
    sums = []
    for names in (_FRONT, _BACK):
        ids = [label.id for label in scheme.labels if label.name in names]
        rows = np.isin(labels, ids).sum(axis=2)
        sums.append((rows.sum(axis=1), rows @ places))
    (front, at_front), (back, at_back) = sums
    # Slice by slice, for legs that run obliquely; a slice counts by its lesser number of voxels.
    shown = (front > 0) & (back > 0)
    behind = at_front[shown] / front[shown] - at_back[shown] / back[shown]
    return float(behind @ np.minimum(front, back)[shown]) > 0


def slices_named(slices: Sequence[int]) -> str:
    """Return ``"slice 3"`` or ``"slices 3 to 9"``."""
    if len(slices) == 1:
        return f"slice {slices[0]}"
    return f"slices {min(slices)} to {max(slices)}"


def sparse_note(grid: Grid, slice_axis: int) -> str:
    """Return what to say of slices that lie far apart, their thickness unknown; else nothing.

    Parameters
    ----------
    grid : Grid
        Of the input.
    slice_axis : int
        The array axis that runs along the leg.
    """
    step = grid.spacing[2 - slice_axis]
    if step <= _SPARSE_MM or grid.shape[slice_axis] < 2:
        return ""
    return f"slices lie {step:.3g} mm apart: if they are thinner, the volumes fill the gaps"


def _thigh_notes(thighs: Thighs, sides: tuple[Side, ...]) -> tuple[str, ...]:
    """Say how sure it is which thighs are seen and how they lie."""
    notes: tuple[str, ...] = ()
    if thighs.count == 1:
        unsure = ", although some slices look like two" if thighs.votes >= _VOTES_FOR_TWO else ""
        notes += (
            f"only one thigh was found{unsure}, taken for the {sides[0]} one: check its side",
        )
    elif thighs.votes < _SURE_VOTES:
        notes += ("it is unsure whether the image shows one thigh or two: check the sides",)
    turn = abs(thighs.turn_degrees)
    if turn > _NEWS_DEGREES:
        lie = "the thighs lie" if thighs.count == 2 else "the thigh seems to lie"
        notes += (f"{lie} rolled by {turn:.0f} degrees: seen as if level",)
    return notes


def _ends(thighs: Thighs, labels: npt.NDArray[np.uint8], grid: Grid) -> tuple[range, range]:
    """Return the canonical slices of the pelvis and of the knee."""
    count = grid.shape[0]
    areas = np.asarray(thighs.areas_mm2)
    if count < _LEAST_SLICES or areas.size != count or not labels.any():
        return range(0), range(0)
    pixel = grid.spacing[0] * grid.spacing[1]
    muscle = np.count_nonzero(labels, axis=(1, 2)) * pixel / np.maximum(areas, pixel)
    shown = areas > 0
    fullest = np.percentile(muscle[shown], _FULLEST_PERCENTILE) if shown.any() else 0.0
    scarce = shown & (muscle < _LEAST_MUSCLE * fullest)
    joined = np.asarray(thighs.contact) > _JOINED
    if thighs.count == 1:
        joined[:] = False
    middle = count // 2
    pelvis = _stretch((scarce | joined)[::-1], count - int(muscle.argmax()) - 1)
    knee = _stretch(scarce, min(int(muscle.argmax()), middle))
    return range(count - pelvis, count), range(knee)


def _stretch(beyond: npt.NDArray[np.bool_], at_most: int) -> int:
    """Return how many slices from the first on are, most of them, beyond the thigh."""
    shares = np.cumsum(beyond) / np.arange(1, len(beyond) + 1)
    ends = np.flatnonzero(beyond & (shares >= _MOST))
    ends = ends[ends < at_most]
    return int(ends[-1]) + 1 if ends.size else 0
