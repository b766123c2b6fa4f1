"""Which scans a folder holds: one case an image, a DICOM folder, or a folder of Dixon channels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.pipeline.worklist_index import INDEX_FILE
from musclefm.progress import Progress, ProgressEvent, silent
from musclefm.results.files import PROVENANCE_FILE
from musclefm.volumes.channels import CHANNEL_NAMES
from musclefm.volumes.dicom.files import DEEPEST, is_dicom
from musclefm.volumes.formats.decoded import SeriesChoice
from musclefm.volumes.reading import FORMATS

_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".img", ".img.gz")
_REPORTED_FILES = 10_000
# What marks a folder as results of this library.
_RESULTS = {INDEX_FILE, PROVENANCE_FILE}


@dataclass(frozen=True)
class OpinionFiles:
    """Labels of another program for a case, where some were asked for.

    Attributes
    ----------
    labels : Path or None
        The file; None where there is none for this case.
    mapping : Path or None
        As of :func:`musclefm.evaluation.second_opinion.read_second_opinion`.
    """

    labels: Path | None
    mapping: Path | None = None


@dataclass(frozen=True)
class CaseFiles:
    """A scan on the disk.

    Attributes
    ----------
    path : Path
        The image, or the folder that holds the case.
    channels : mapping of str to Path
        A file or folder for each channel, by names of ``CHANNEL_NAMES``.
    choice : SeriesChoice
        Which series and echo of them to take.
    opinion : OpinionFiles or None
        The second opinion that is asked for.
    """

    path: Path
    channels: Mapping[str, Path]
    choice: SeriesChoice = field(default_factory=SeriesChoice)
    opinion: OpinionFiles | None = None


def find_cases(folder: Path, progress: Progress = silent) -> tuple[CaseFiles, ...]:
    """Find all scans of a folder and the folders below it.

    An image file is a case, and so is a folder that holds DICOM files. A folder
    in which files or folders are named as Dixon channels, e.g. ``water.nii.gz``
    and ``fat.nii.gz``, is one case of these; other images in it are not looked
    at. Segmentations (``.seg.nrrd``), hidden files, results of this library,
    linked folders and those more than 64 levels down are passed over.

    Parameters
    ----------
    folder : Path
        Where to look.
    progress : Progress
        Called as stage ``"find"`` after every 10,000 files and folders.

    Returns
    -------
    tuple of CaseFiles
        By name, numbers by value.

    Raises
    ------
    MuscleFMError
        The folder cannot be read or holds no scan.
    """
    try:
        cases = tuple(_cases(folder, progress))
    except OSError as error:
        raise MuscleFMError(
            f"the folder of scans cannot be read ({error.strerror or 'input or output error'})",
            "check that it is there and its access rights",
        ) from error
    if not cases:
        raise MuscleFMError("the folder holds no scan", f"give a folder of {FORMATS}")
    return cases


def _cases(folder: Path, progress: Progress) -> Iterator[CaseFiles]:
    searched = 0
    waiting = [(folder, 0)]
    while waiting:
        here, depth = waiting.pop()
        entries = []
        for entry in here.iterdir():
            searched += 1
            if searched % _REPORTED_FILES == 0:
                progress(ProgressEvent("find", searched, 0, f"{searched} files searched for scans"))
            if not entry.name.startswith("."):
                entries.append(entry)
        cases, below = _cases_of(here, sorted(entries, key=_by_name))
        yield from cases
        if depth < DEEPEST:
            waiting += [(each, depth + 1) for each in reversed(below)]


def _cases_of(folder: Path, entries: list[Path]) -> tuple[list[CaseFiles], list[Path]]:
    """Return the cases that lie in a folder itself, and the folders in which others may lie."""
    if _RESULTS & {entry.name for entry in entries}:
        return [], []
    channels = {name: entry for entry in entries if (name := _channel_name(entry))}
    images = [entry for entry in entries if _is_image(entry)]
    folders = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
    if channels:
        case = CaseFiles(folder, channels)
        return [case], [below for below in folders if below not in channels.values()]
    cases = [CaseFiles(image, {"image": image}) for image in images]
    if any(is_dicom(entry) for entry in entries if entry.name != "DICOMDIR"):
        # Reading it takes in the folders below.
        return [CaseFiles(folder, {"image": folder}), *cases], []
    return cases, folders


def _by_name(path: Path) -> list[tuple[int, str]]:
    parts = re.findall(r"\d+|\D+", path.name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _is_image(path: Path) -> bool:
    name = path.name.lower()
    return name.endswith(_ENDINGS) and not name.endswith(".seg.nrrd") and path.is_file()


def _channel_name(path: Path) -> str:
    """Return the Dixon channel that a file or folder is named after, or nothing."""
    if not path.is_dir() and not _is_image(path):
        return ""
    name = path.name.lower()
    ending = next((ending for ending in _ENDINGS if name.endswith(ending)), "")
    name = name.removesuffix(ending).replace("_", "-")
    return name if name in CHANNEL_NAMES[1:] else ""
