"""Which series of a folder is meant, and which of its images; and what else lies there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.volumes.dicom.defined_terms import shows_channel
from musclefm.volumes.dicom.frames import Scan
from musclefm.volumes.dicom.localizers import FEWEST, continues, is_plain, names_localizer
from musclefm.volumes.dicom.placed_stack import counted
from musclefm.volumes.dicom.stacks import Series, Stack, describe, find_series
from musclefm.volumes.formats.decoded import SeriesChoice, SeriesDescription

_LISTED = 8


def choose_series(
    scan: Scan, path: Path, choice: SeriesChoice, what: str
) -> tuple[Series, tuple[Series, ...]]:
    """Return the series that is meant, and all of them in the order of their numbers.

    Raises
    ------
    MuscleFMError
        There is none, or several and none was chosen.
    """
    found = find_series(scan.frames)
    if not found:
        raise _no_series(scan, path, what)
    number = choice.series
    if number is not None:
        if not 1 <= number <= len(found):
            raise MuscleFMError(
                f"{what} has no series {number}", f"choose one with --series 1 to {len(found)}"
            )
        return found[number - 1], found
    if path.is_file():
        for series in found:
            if any(frame.path == path for stack in series.stacks for frame in stack.frames):
                return series, found
        raise MuscleFMError(
            f"{what} is a DICOM file that cannot be read or has no position in the patient",
            "give another file of the series, or its folder",
        )
    likely = _likely(found, choice.channel)
    if len(likely) == 1:
        return likely[0], found
    listed = "; ".join(str(description) for description in describe_all(found)[:_LISTED])
    more = f"; and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    raise MuscleFMError(
        f"the folder of {what} holds {len(found)} series ({listed}{more})",
        "choose one with --series N",
    )


def describe_all(found: Iterable[Series]) -> tuple[SeriesDescription, ...]:
    """Describe series under the numbers by which they are chosen."""
    return tuple(describe(series, number) for number, series in enumerate(found, 1))


def what_was_left_out(
    scan: Scan, chosen: Series, found: Sequence[Series], path: Path, choice: SeriesChoice, what: str
) -> tuple[str, ...]:
    """Say what else lay there and was not read, a line each.

    Raises
    ------
    MuscleFMError
        Slices of the image are among it.
    """
    notes: tuple[str, ...] = ()
    lost = scan.unplaced.count(chosen.key[1])
    if lost:
        raise MuscleFMError(
            f"{counted(lost, 'slice')} of {what} without a position, spacing or rescaling in"
            " numbers, so volumes would come out too small",
            "export the series again, or take these files out of the folder",
        )
    if choice.series is None:
        beside = [series for series in found if series.key == chosen.key and series is not chosen]
        slices = sum(len(stack.frames) for series in beside for stack in series.stacks)
        if slices:
            notes += (
                f"{counted(slices, 'slice')} of another plane, size, thickness or distance in the"
                f" series of {what} left out: localizers, or further images",
            )
    if not path.is_dir():
        return notes
    if len(scan.unplaced) > lost:
        other = counted(len(scan.unplaced) - lost, "other DICOM image")
        notes += (f"{other} without a position in the patient left out of {what}",)
    others = len({series.key for series in found} - {chosen.key})
    if choice.series is None and others:
        other = f"{others} other series" if others > 1 else "another series"
        notes += (f"{other} in the folder of {what} (of another kind or a localizer) left out",)
    return notes


def choose_stack(series: Series, choice: SeriesChoice, what: str) -> tuple[Stack, tuple[str, ...]]:
    """Return the image that is meant, and what to tell about the choice.

    Raises
    ------
    MuscleFMError
        The chosen one is not there.
    """
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
    summary = f"{count} {series.kind} at each of {positions} positions of {what}"
    if number is None:
        return stack, (
            f"{summary}: the first, {stack.label}, was taken; choose another with --echo N",
        )
    return stack, (f"{summary}: number {number}, {stack.label}, was taken",)


def _likely(found: tuple[Series, ...], channel: str | None) -> tuple[Series, ...]:
    """Return the series that may be meant: MR, no localizers, of the channel if one says so."""

    def shows(series: Series) -> bool:
        return any(shows_channel(stack.frames[0].traits[0], channel) for stack in series.stacks)

    def is_localizer(series: Series) -> bool:
        return all(names_localizer(stack.frames[0]) for stack in series.stacks)

    mr = [series for series in found if series.stacks[0].frames[0].modality == "MR"] or list(found)
    images = [series for series in mr if not is_localizer(series)] or mr
    images = _without_planes(images)
    return tuple([series for series in images if shows(series)] or images)


def _without_planes(found: list[Series]) -> list[Series]:
    """Leave out localizers that only their planes tell: a few slices in others than the image.

    They have series of their own, or lie in that of a far larger image.
    """
    together: dict[tuple[int, str], list[Series]] = defaultdict(list)
    for series in found:
        together[series.key].append(series)
    images = []
    for members in together.values():
        most = max(series.slices for series in members)
        main = [series for series in members if 2 * series.slices > most]
        images.append(main if len(main) == 1 and _is_apart(main[0], members) else members)
    alone = [members for members in images if len({series.plane for series in members}) == 1]
    likely = [series for members in alone or images for series in members]
    large = [series for series in likely if series.slices >= FEWEST]
    other_planes = {series.plane for series in likely if series.slices < FEWEST}
    return large if len(large) == 1 and large[0].plane not in other_planes else likely


def _is_apart(image: Series, members: list[Series]) -> bool:
    """Tell whether no slice that is missing from an image may lie among the others."""
    row = image.stacks[0].frames
    others = [
        frame
        for series in members
        if series is not image
        for stack in series.stacks
        for frame in stack.frames
    ]
    whole = len(row) >= FEWEST and is_plain(row)
    return whole and not any(continues(row, other) for other in others)


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
