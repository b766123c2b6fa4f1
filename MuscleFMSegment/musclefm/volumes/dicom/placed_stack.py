"""The slices of an image on the regular grid that they lie on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.plain_text import figures
from musclefm.volumes.dicom.slice_positions import RegularSlices, regular_slices
from musclefm.volumes.dicom.stacks import Stack

# Slices farther apart than this many times their thickness leave gaps worth telling of.
_GAP = 1.5


@dataclass(frozen=True)
class PlacedStack:
    """The slices of an image and the regular grid that they lie on.

    Attributes
    ----------
    stack : Stack
        The slices.
    shape : tuple of int
        ``(K, J, I)``, with slots for slices that are missing.
    slots : tuple of int
        Where on axis K each slice of the stack lies.
    ijk_to_lps : ndarray
        ``(4, 4)``, homogeneous ``(i, j, k, 1)`` to LPS in mm.
    notes : tuple of str
        What the user should know of the slices, a line each.
    has_gaps : bool
        Whether the slices are known to be much thinner than they lie apart.
    """

    stack: Stack
    shape: tuple[int, int, int]
    slots: tuple[int, ...]
    ijk_to_lps: npt.NDArray[np.float64]
    notes: tuple[str, ...]
    has_gaps: bool


def place_stack(stack: Stack, what: str) -> PlacedStack:
    """Find where the slices of an image lie.

    Raises
    ------
    MuscleFMError
        They make no regular grid.
    """
    first = stack.frames[0]
    grid, step, notes = _slices(stack, what)
    matrix = np.eye(4)
    matrix[:3, 0] = np.asarray(first.orientation[:3]) * first.spacing[0]
    matrix[:3, 1] = np.asarray(first.orientation[3:]) * first.spacing[1]
    matrix[:3, 2] = first.normal * step
    matrix[:3, 3] = first.position
    has_gaps = 0 < first.slice_mm * _GAP < step
    if has_gaps:
        notes += (
            f"slices of {what} are {figures(first.slice_mm)} mm thick and lie"
            f" {figures(step)} mm apart: volumes take in the gaps between them",
        )
    shape = (grid.count, *first.shape)
    return PlacedStack(stack, shape, grid.slots, matrix, notes, has_gaps)


def _slices(stack: Stack, what: str) -> tuple[RegularSlices, float, tuple[str, ...]]:
    """Return the slots of the slices, the step in mm, and what to tell about them."""
    first = stack.frames[0]
    if len(stack.frames) == 1:
        if first.thickness > 0:
            return RegularSlices((0,), first.thickness, 0.0), first.thickness, ()
        note = f"the only slice of {what} states no thickness: 1 mm is assumed, so is every volume"
        return RegularSlices((0,), 1.0, 0.0), 1.0, (note,)
    offsets = np.array([frame.position for frame in stack.frames]) - first.position
    along = offsets @ first.normal
    aside = np.linalg.norm(offsets - np.outer(along, first.normal), axis=1).max()
    if aside > max(first.spacing):
        raise MuscleFMError(
            f"the slices of {what} are shifted against one another by up to {figures(aside)} mm",
            "resample the series to a rectangular grid, or give the parts of it as series",
        )
    grid = regular_slices(along, what)
    notes: tuple[str, ...] = ()
    if grid.missing:
        numbers = ", ".join(str(slot + 1) for slot in grid.missing)
        notes += (
            f"of {grid.count} slices of {what} {counted(len(grid.missing), 'slice')} missing"
            f" (number {numbers}) and left empty, so volumes come out too small",
        )
    if grid.off_mm > 0.01 * grid.step_mm:
        notes += (f"slices of {what} lie up to {figures(grid.off_mm)} mm off even distances",)
    return grid, grid.step_mm, notes


def counted(number: int, thing: str) -> str:
    """Return e.g. ``"1 slice"`` or ``"3 slices"``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
