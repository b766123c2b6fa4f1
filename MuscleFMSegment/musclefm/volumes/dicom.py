"""Reading a DICOM folder or file: which series, which image of it, which slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.plain_text import figures
from musclefm.volumes.checks import check_header_shape, colour_error
from musclefm.volumes.decoded import Decoded, SeriesChoice, SeriesDescription
from musclefm.volumes.dicom_frames import Frame, Scan, scan_files
from musclefm.volumes.dicom_stacks import Series, Stack, describe, find_series
from musclefm.volumes.itk import read_dicom_frames
from musclefm.volumes.slice_positions import RegularSlices, regular_slices

_LISTED = 8
# Slices farther apart than this many times their thickness leave gaps.
_GAP = 1.5
_THIGH_WORDS = ("THIGH", "LEG", "FEMUR", "EXTREMITY", "EXTREMITIES", "HAMSTRING", "QUADRICEPS")


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
    """

    stack: Stack
    shape: tuple[int, int, int]
    slots: tuple[int, ...]
    ijk_to_lps: npt.NDArray[np.float64]
    notes: tuple[str, ...]


def read_dicom(
    path: Path, what: str, choice: SeriesChoice
) -> tuple[Decoded, tuple[SeriesDescription, ...]]:
    """Read one image of a DICOM series, and describe all series that are there.

    Parameters
    ----------
    path : Path
        A folder, searched with all folders below it; or a file, which stands
        for the series in its folder to which it belongs.
    what : str
        What the image is called in messages.
    choice : SeriesChoice
        Without a choice a folder must hold a single series, and of several
        images at the same place the first is taken and told.

    Raises
    ------
    MuscleFMError
        There is no series, or several and none was chosen; or its slices make
        no regular grid, are in colour or cannot be decoded.
    """
    scan = _scan(path)
    series, descriptions = _find(scan, path, choice, what)
    stack, notes = _chosen_stack(series, choice.echo, what)
    decoded = _decode(stack, what)
    if series.duplicates:
        notes += (f"{_count(series.duplicates, 'duplicate slice')} of {what} left out",)
    if scan.unread:
        notes += (f"{_count(scan.unread, 'DICOM file')} that cannot be read left out",)
    notes += decoded.notes + _unexpected_body_part(stack.frames[0].body_part, what)
    return (
        Decoded(decoded.array, decoded.ijk_to_lps, notes, stack.frames[0].modality),
        descriptions,
    )


def find_stack(where: Path | Sequence[Path], what: str, choice: SeriesChoice) -> PlacedStack:
    """Find the slices that :func:`read_dicom` reads, without their pixels.

    Parameters
    ----------
    where : Path or sequence of Path
        As for :func:`read_dicom`; or the files of the image, if they are known.
    what : str
        What the image is called in messages.
    choice : SeriesChoice
        As for :func:`read_dicom`.

    Raises
    ------
    MuscleFMError
        As of :func:`read_dicom`, but for the pixels.
    """
    if isinstance(where, Path):
        scan, path = _scan(where), where
    else:
        scan, path = scan_files(sorted(where)), where[0]
    series, _ = _find(scan, path, choice, what)
    return _place(_chosen_stack(series, choice.echo, what)[0], what)


def list_series(path: Path) -> tuple[SeriesDescription, ...]:
    """Describe the series that a DICOM folder (or the folder of a file) holds."""
    found = find_series(_scan(path).frames)
    return tuple(describe(series, number) for number, series in enumerate(found, 1))


def _scan(path: Path) -> Scan:
    candidates = path.rglob("*") if path.is_dir() else path.parent.iterdir()
    return scan_files(sorted(file for file in candidates if file.is_file()))


def _no_series(scan: Scan, path: Path, what: str) -> MuscleFMError:
    if scan.unread:
        return MuscleFMError(
            f"none of the {_count(scan.unread, 'DICOM file')} of {what} can be read",
            "export the series again, with its private attributes if it is a Siemens mosaic",
        )
    if scan.unplaced:
        return MuscleFMError(
            f"the DICOM images of {what} have no position in the patient",
            "give the series as the scanner made it, not a screen capture",
        )
    if path.is_dir():
        return MuscleFMError(
            f"the folder given for {what} holds no DICOM series",
            "give the folder with the DICOM files, or a NIfTI, NRRD or MHA file",
        )
    return MuscleFMError(f"{what} is a DICOM file without an image", "give a series of images")


def _find(
    scan: Scan, path: Path, choice: SeriesChoice, what: str
) -> tuple[Series, tuple[SeriesDescription, ...]]:
    found = find_series(scan.frames)
    descriptions = tuple(describe(series, number) for number, series in enumerate(found, 1))
    if not found:
        raise _no_series(scan, path, what)
    return _chosen_series(found, descriptions, path, choice.series, what), descriptions


def _chosen_series(
    found: tuple[Series, ...],
    descriptions: tuple[SeriesDescription, ...],
    path: Path,
    number: int | None,
    what: str,
) -> Series:
    if number is not None:
        if not 1 <= number <= len(found):
            raise MuscleFMError(
                f"{what} has no series {number}", f"choose one with --series 1 to {len(found)}"
            )
        return found[number - 1]
    if path.is_file():
        for series in found:
            if any(frame.path == path for stack in series.stacks for frame in stack.frames):
                return series
        raise MuscleFMError(
            f"{what} is a DICOM file that cannot be read or has no position in the patient",
            "give another file of the series, or its folder",
        )
    if len(found) == 1:
        return found[0]
    listed = "; ".join(str(description) for description in descriptions[:_LISTED])
    more = f"; and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    raise MuscleFMError(
        f"the folder of {what} holds {len(found)} series ({listed}{more})",
        "choose one with --series N",
    )


def _chosen_stack(series: Series, number: int | None, what: str) -> tuple[Stack, tuple[str, ...]]:
    count = len(series.stacks)
    if number is not None and not 1 <= number <= count:
        raise MuscleFMError(
            f"{what} has no number {number} among {_count(count, 'image')} of the same place",
            f"choose one with --echo 1 to {count}",
        )
    stack = series.stacks[(number or 1) - 1]
    if count == 1:
        return stack, ()
    positions = len(series.stacks[0].frames)
    told = f"{count} {series.kind} at each of {positions} positions of {what}"
    if number is None:
        return stack, (
            f"{told}: the first, {stack.label}, was taken; choose another with --echo N",
        )
    return stack, (f"{told}: number {number}, {stack.label}, was taken",)


def _decode(stack: Stack, what: str) -> Decoded:
    if stack.frames[0].samples > 1:
        raise colour_error(what)
    placed = _place(stack, what)
    check_header_shape(placed.shape, what)
    pixels = _pixels(stack.frames, what)
    array = np.full(placed.shape, pixels.min(), dtype=np.float32)
    array[list(placed.slots)] = pixels
    return Decoded(array, placed.ijk_to_lps, placed.notes)


def _place(stack: Stack, what: str) -> PlacedStack:
    first = stack.frames[0]
    grid, step, notes = _slices(stack, what)
    matrix = np.eye(4)
    matrix[:3, 0] = np.asarray(first.orientation[:3]) * first.spacing[0]
    matrix[:3, 1] = np.asarray(first.orientation[3:]) * first.spacing[1]
    matrix[:3, 2] = first.normal * step
    matrix[:3, 3] = first.position
    return PlacedStack(stack, (grid.count, *first.shape), grid.slots, matrix, notes)


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
            f"of {grid.count} slices of {what} {_count(len(grid.missing), 'slice')} missing"
            f" (number {numbers}) and left empty, so volumes come out too small",
        )
    if 0 < first.own_thickness * _GAP < grid.step_mm:
        notes += (
            f"slices of {what} are {figures(first.own_thickness)} mm thick and"
            f" {figures(grid.step_mm)} mm apart: the volumes fill the gaps",
        )
    if grid.off_mm > 0.01 * grid.step_mm:
        notes += (f"slices of {what} lie up to {figures(grid.off_mm)} mm off even distances",)
    return grid, grid.step_mm, notes


def _pixels(frames: tuple[Frame, ...], what: str) -> npt.NDArray[np.float32]:
    """Return the frames' intensities, ``(len(frames), J, I)``, each file read once."""
    slices: dict[str, npt.NDArray[np.float32]] = {}
    for path in dict.fromkeys(frame.path for frame in frames):
        stored = read_dicom_frames(path, what)
        for frame in frames:
            if frame.path == path:
                slices[frame.identity] = _slice(stored, frame)
    return np.stack([slices[frame.identity] for frame in frames])


def _slice(stored: npt.NDArray[np.float32], frame: Frame) -> npt.NDArray[np.float32]:
    if not frame.tiles:
        return np.asarray(stored[frame.index])
    row, column = divmod(frame.index, frame.tiles)
    j, i = frame.shape
    return np.asarray(stored[0, row * j : (row + 1) * j, column * i : (column + 1) * i])


def _unexpected_body_part(body_part: str, what: str) -> tuple[str, ...]:
    if not body_part or any(word in body_part for word in _THIGH_WORDS):
        return ()
    return (f"the header of {what} names the body part {body_part}: make sure it shows thighs",)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
