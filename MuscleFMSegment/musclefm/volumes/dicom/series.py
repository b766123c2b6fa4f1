"""Reading a DICOM folder or file: which series, which image of it, which slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.volumes.checks import check_header_shape, colour_error
from musclefm.volumes.dicom.defined_terms import LOCALIZER_TERMS, shows_channel
from musclefm.volumes.dicom.files import files_below
from musclefm.volumes.dicom.frames import Frame, Scan, scan_files
from musclefm.volumes.dicom.pixels import StoredPixels, read_stored, upright
from musclefm.volumes.dicom.placed_stack import PlacedStack, counted, place_stack
from musclefm.volumes.dicom.stacks import Series, Stack, describe, find_series
from musclefm.volumes.formats.decoded import Decoded, SeriesChoice, SeriesDescription

_LISTED = 8


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
        images at the same place the first is taken, with a note.

    Raises
    ------
    MuscleFMError
        There is no series, or several and none was chosen; or its slices make
        no regular grid, are in colour or cannot be decoded.
    """
    scan = _scan(path)
    series, descriptions = _find(scan, path, choice, what)
    stack, notes = _chosen_stack(series, choice, what)
    notes += _left_out(scan, series, len(descriptions), choice, path, what)
    decoded = _decode(stack, what)
    if series.duplicates:
        notes += (f"{counted(series.duplicates, 'duplicate slice')} of {what} left out",)
    if scan.unread:
        notes += (f"{counted(scan.unread, 'DICOM file')} that cannot be read left out",)
    notes += decoded.notes + _unexpected_body_part(stack.frames[0].body_part, what)
    return (
        replace(decoded, notes=notes, modality=stack.frames[0].modality),
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
    return place_stack(_chosen_stack(series, choice, what)[0], what)


def list_series(path: Path) -> tuple[SeriesDescription, ...]:
    """Describe the series that a DICOM folder (or the folder of a file) holds."""
    found = find_series(_scan(path).frames)
    return tuple(describe(series, number) for number, series in enumerate(found, 1))


def _scan(path: Path) -> Scan:
    if path.is_dir():
        return scan_files(files_below(path))
    return scan_files(sorted(file for file in path.parent.iterdir() if file.is_file()))


def _no_series(scan: Scan, path: Path, what: str) -> MuscleFMError:
    if scan.unread:
        files = "the DICOM file" if scan.unread == 1 else f"each of the {scan.unread} DICOM files"
        return MuscleFMError(
            f"{files} of {what} is damaged or larger than any scanner writes",
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
    return _chosen_series(found, descriptions, path, choice, what), descriptions


def _chosen_series(
    found: tuple[Series, ...],
    descriptions: tuple[SeriesDescription, ...],
    path: Path,
    choice: SeriesChoice,
    what: str,
) -> Series:
    number = choice.series
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
    likely = _likely(found, choice.channel)
    if len(likely) == 1:
        return likely[0]
    listed = "; ".join(str(description) for description in descriptions[:_LISTED])
    more = f"; and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    raise MuscleFMError(
        f"the folder of {what} holds {len(found)} series ({listed}{more})",
        "choose one with --series N",
    )


def _likely(found: tuple[Series, ...], channel: str | None) -> tuple[Series, ...]:
    """Return the series that may be meant: MR, no localizers, of the channel if one says so."""

    def kinds(series: Series) -> list[str]:
        return [str(stack.frames[0].traits[0] or "") for stack in series.stacks]

    for fits in (
        lambda series: series.stacks[0].frames[0].modality == "MR",
        lambda series: not all(LOCALIZER_TERMS & set(kind.split()) for kind in kinds(series)),
        lambda series: any(shows_channel(kind, channel) for kind in kinds(series)),
    ):
        found = tuple(series for series in found if fits(series)) or found
    return found


def _left_out(
    scan: Scan, series: Series, count: int, choice: SeriesChoice, path: Path, what: str
) -> tuple[str, ...]:
    """Say what else lay there and was not read; refuse slices that should have been."""
    notes: tuple[str, ...] = ()
    uid = series.stacks[0].frames[0].series[1]
    lost = scan.unplaced.count(uid)
    if lost:
        raise MuscleFMError(
            f"{counted(lost, 'slice')} of {what} without a position or spacing, so volumes would"
            " come out too small",
            "export the series again, or take these files out of the folder",
        )
    if path.is_dir() and len(scan.unplaced) > lost:
        other = counted(len(scan.unplaced) - lost, "other DICOM image")
        notes += (f"{other} without a position in the patient left out of {what}",)
    if path.is_dir() and choice.series is None and count > 1:
        other = f"{count - 1} other series" if count > 2 else "another series"
        notes += (f"{other} in the folder of {what} (of another kind or a localizer) left out",)
    return notes


def _chosen_stack(series: Series, choice: SeriesChoice, what: str) -> tuple[Stack, tuple[str, ...]]:
    number = choice.echo
    count = len(series.stacks)
    if number is not None and not 1 <= number <= count:
        raise MuscleFMError(
            f"{what} has no number {number} among {counted(count, 'image')} of the same place",
            f"choose one with --echo 1 to {count}",
        )
    named = [
        stack for stack in series.stacks if shows_channel(stack.frames[0].traits[0], choice.channel)
    ]
    if number is None and count > 1 and len(named) == 1:
        return named[0], (
            f"of {counted(count, 'image')} in the series, {what} is {named[0].label}",
        )
    stack = series.stacks[(number or 1) - 1]
    if count == 1:
        return stack, ()
    positions = len(series.stacks[0].frames)
    found = f"{count} {series.kind} at each of {positions} positions of {what}"
    if number is None:
        return stack, (
            f"{found}: the first, {stack.label}, was taken; choose another with --echo N",
        )
    return stack, (f"{found}: number {number}, {stack.label}, was taken",)


def _decode(stack: Stack, what: str) -> Decoded:
    if stack.frames[0].samples > 1:
        raise colour_error(what)
    placed = place_stack(stack, what)
    check_header_shape(placed.shape, what)
    pixels = _pixels(stack.frames, what)
    array = np.full(placed.shape, pixels.min(), dtype=np.float32)
    array[list(placed.slots)] = pixels
    return Decoded(array, placed.ijk_to_lps, placed.notes, has_gaps=placed.has_gaps)


def _pixels(frames: tuple[Frame, ...], what: str) -> npt.NDArray[np.float32]:
    """Return the frames' intensities, ``(len(frames), J, I)``, each file read once."""
    slices: dict[str, tuple[npt.NDArray[np.float32], StoredPixels]] = {}
    for path in dict.fromkeys(frame.path for frame in frames):
        stored = read_stored(path, what)
        for frame in frames:
            if frame.path == path:
                cut = _slice(stored.array, frame, what).astype(np.float32)
                slices[frame.identity] = cut, replace(stored, array=stored.array[:0])
    brightest = max(float(cut.max()) for cut, _ in slices.values())
    array = np.empty((len(frames), *frames[0].shape), dtype=np.float32)
    for k, frame in enumerate(frames):
        slope, intercept = frame.rescale
        cut, stored = slices.pop(frame.identity)
        array[k] = upright(cut, stored, brightest) * np.float32(slope) + np.float32(intercept)
    return array


def _slice(stored: npt.NDArray[np.generic], frame: Frame, what: str) -> npt.NDArray[np.generic]:
    if not frame.tiles:
        if frame.index >= len(stored):
            raise MuscleFMError(
                f"a DICOM file of {what} holds fewer frames than its header describes",
                "export the series again",
            )
        return np.asarray(stored[frame.index])
    row, column = divmod(frame.index, frame.tiles)
    j, i = frame.shape
    return np.asarray(stored[0, row * j : (row + 1) * j, column * i : (column + 1) * i])


def _unexpected_body_part(body_part: str, what: str) -> tuple[str, ...]:
    if body_part in ("", "THIGH"):
        return ()
    named = "another body part" if body_part == "another" else f"the body part {body_part}"
    return (f"the header of {what} names {named}: make sure it shows thighs",)
