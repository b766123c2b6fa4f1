"""Reading a DICOM folder or file: which series, which image of it, which slices."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.progress import Progress, followed, silent
from musclefm.volumes.checks import check_header_shape, colour_error
from musclefm.volumes.dicom.choosing import (
    choose_series,
    choose_stack,
    describe_all,
    what_was_left_out,
)
from musclefm.volumes.dicom.files import files_below
from musclefm.volumes.dicom.frames import Frame, Scan, scan_files
from musclefm.volumes.dicom.pixels import StoredPixels, read_stored, upright
from musclefm.volumes.dicom.placed_stack import PlacedStack, counted, place_stack
from musclefm.volumes.dicom.stacks import find_series
from musclefm.volumes.formats.decoded import Decoded, SeriesChoice, SeriesDescription


def read_dicom(
    path: Path, what: str, choice: SeriesChoice, progress: Progress = silent
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
    progress : Progress
        Called for every hundred files.

    Raises
    ------
    MuscleFMError
        There is no series, or several and none was chosen; or its slices make
        no regular grid, are in colour or cannot be decoded.
    """
    scan = _scan(path, progress)
    series, found = choose_series(scan, path, choice, what)
    stack, notes = choose_stack(series, choice, what)
    notes += what_was_left_out(scan, series, found, path, choice, what)
    decoded = _decode(place_stack(stack, what), what, progress)
    if series.duplicates:
        notes += (f"{counted(series.duplicates, 'duplicate slice')} of {what} left out",)
    if scan.unread:
        notes += (f"{counted(scan.unread, 'DICOM file')} that cannot be read left out",)
    notes += decoded.notes + _unexpected_body_part(stack.frames[0].body_part, what)
    return (
        replace(decoded, notes=notes, modality=stack.frames[0].modality),
        describe_all(found),
    )


def find_stack(
    where: Path | Sequence[Path],
    what: str,
    choice: SeriesChoice,
    is_meant: Callable[[Decoded], bool] | None = None,
) -> PlacedStack:
    """Find the slices that :func:`read_dicom` reads.

    Parameters
    ----------
    where : Path or sequence of Path
        As for :func:`read_dicom`; or the files of the image, if they are known.
    what : str
        What the image is called in messages.
    choice : SeriesChoice
        As for :func:`read_dicom`.
    is_meant : callable, optional
        Tells whether an image is the one that is looked for. Where ``choice``
        leaves several, it is asked of each; the pixels are read only for that.

    Raises
    ------
    MuscleFMError
        As of :func:`read_dicom`; or none of several images is the one.
    """
    if isinstance(where, Path):
        scan, path = _scan(where), where
    else:
        scan, path = scan_files(sorted(where)), where[0]
    searched = is_meant if choice.echo is None else None
    if searched and (meant := _meant_stack(scan, path, choice, what, searched)):
        return meant
    series, _ = choose_series(scan, path, choice, what)
    if searched and len(series.stacks) > 1:
        for stack in series.stacks:
            if any(frame.path == path for frame in stack.frames):
                return place_stack(stack, what)
        raise MuscleFMError(
            f"none of the {len(series.stacks)} {series.kind} in the series is known to be {what}",
            "choose it with --echo N",
        )
    return place_stack(choose_stack(series, choice, what)[0], what)


def _meant_stack(
    scan: Scan, path: Path, choice: SeriesChoice, what: str, is_meant: Callable[[Decoded], bool]
) -> PlacedStack | None:
    """Return the image that is looked for, if it is among several."""
    if choice.series is not None or path.is_file():
        stacks = choose_series(scan, path, choice, what)[0].stacks
    else:
        stacks = tuple(stack for series in find_series(scan.frames) for stack in series.stacks)
    for stack in stacks if len(stacks) > 1 else ():
        # Another image may be none that can be read.
        with contextlib.suppress(MuscleFMError):
            placed = place_stack(stack, what)
            if is_meant(_decode(placed, what)):
                return placed
    return None


def list_series(path: Path) -> tuple[SeriesDescription, ...]:
    """Describe the series that a DICOM folder (or the folder of a file) holds."""
    return describe_all(find_series(_scan(path).frames))


def _scan(path: Path, progress: Progress = silent) -> Scan:
    if path.is_dir():
        files = files_below(path)
    else:
        files = sorted(file for file in path.parent.iterdir() if file.is_file())
    return scan_files(files, progress)


def _decode(placed: PlacedStack, what: str, progress: Progress = silent) -> Decoded:
    if placed.stack.frames[0].samples > 1:
        raise colour_error(what)
    check_header_shape(placed.shape, what)
    pixels = _pixels(placed.stack.frames, what, progress)
    array = np.full(placed.shape, pixels.min(), dtype=np.float32)
    array[list(placed.slots)] = pixels
    return Decoded(array, placed.ijk_to_lps, placed.notes, has_gaps=placed.has_gaps)


def _pixels(
    frames: tuple[Frame, ...], what: str, progress: Progress = silent
) -> npt.NDArray[np.float32]:
    """Return the frames' intensities, ``(len(frames), J, I)``, each file read once.

    Padding, which is no image whatever its value, becomes the lowest intensity.
    """
    in_file: dict[Path, list[int]] = defaultdict(list)
    for k, frame in enumerate(frames):
        in_file[frame.path].append(k)
    array = np.empty((len(frames), *frames[0].shape), dtype=np.float32)
    padding = np.zeros(array.shape, bool)
    encodings: dict[int, StoredPixels] = {}
    for path in followed(list(in_file), "reading the slices", progress):
        stored = read_stored(path, what)
        for k in in_file[path]:
            cut = _slice(stored.array, frames[k], what)
            array[k], padding[k] = cut, stored.is_padding(cut)
            encodings[k] = replace(stored, array=stored.array[:0])
    if padding.all():
        padding[:] = False
    brightest = float(array.max(where=~padding, initial=-np.inf))
    for k, frame in enumerate(frames):
        slope, intercept = frame.rescale
        upright_slice = upright(array[k], encodings[k], brightest)
        array[k] = upright_slice * np.float32(slope) + np.float32(intercept)
    array[padding] = array.min(where=~padding, initial=np.inf)
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
