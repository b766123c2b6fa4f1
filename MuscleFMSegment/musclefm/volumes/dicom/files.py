"""Opening DICOM files: with or without preamble and file meta, and within bounds."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from musclefm.errors import MuscleFMError
from musclefm.storage.regular_file import open_regular
from musclefm.volumes.dicom.bounds import check_bounds

DEEPEST = 64
"""How many levels down a folder is searched: links and mistakes make endless ones."""

_MOST_FILES = 100_000
_LONGEST_FIRST = 1024
_FIRST_VRS = {b"UL", b"CS", b"UI", b"OB", b"DA", b"TM", b"SH", b"LO"}


def is_dicom(path: Path) -> bool:
    """Tell whether a file begins as DICOM files do, with or without the preamble."""
    try:
        with open_regular(path) as file:
            begin = file.read(132)
    except OSError:
        return False
    return begin[128:] == b"DICM" or _begins_with_element(begin)


def read_header(path: Path, **options: Any) -> pydicom.FileDataset:
    """Read a DICOM file as ``pydicom.dcmread``, which may lack its preamble and meta.

    Raises
    ------
    ValueError
        It holds more than any header and image can need, see :func:`check_bounds`.
    """
    with open_regular(path) as file:
        end = check_bounds(file, whole="specific_tags" not in options)
        file.seek(0)
        part = file if end is None else _Beginning(file, end)
        header = pydicom.dcmread(part, force=True, **options)
    if "TransferSyntaxUID" not in header.file_meta:
        implicit, little = header.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return header


class _Beginning:
    """The bytes of a file before a place, which a parser takes for all of it."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file = file
        self._end = end
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int = -1) -> bytes:
        left = max(self._end - self.tell(), 0)
        return self._file.read(left if count < 0 else min(count, left))


def files_below(folder: Path) -> list[Path]:
    """Return the files in a folder and those below it, sorted, links to folders not followed.

    Folders more than 64 levels down are passed over: no archive has them.

    Raises
    ------
    MuscleFMError
        There are more than 100,000 files.
    OSError
        The folder itself cannot be read.
    """
    found: list[Path] = []
    waiting = [(folder, 0)]
    while waiting:
        here, depth = waiting.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if depth < DEEPEST:
                            waiting.append((Path(entry.path), depth + 1))
                    elif Path(entry.path).is_file():
                        found.append(Path(entry.path))
                    if len(found) > _MOST_FILES:
                        raise MuscleFMError(
                            f"the folder holds more than {_MOST_FILES} files",
                            "give the folder of one scan",
                        )
        except OSError:
            # A folder that the user may not read is none of the scan, unless it is all there is.
            if here == folder:
                raise
    return sorted(found)


def _begins_with_element(begin: bytes) -> bool:
    """Tell whether the first bytes are an element of group 2 or 8, explicit or implicit."""
    if len(begin) < 16:
        return False
    group, element = struct.unpack_from("<HH", begin)
    if group not in (0x0002, 0x0008) or element > 0x0070:
        return False
    (length,) = struct.unpack_from("<I", begin, 4)
    return begin[4:6] in _FIRST_VRS or (length % 2 == 0 and 0 < length <= _LONGEST_FIRST)
