"""Headers in lines of text, as NRRD and MetaImage have them, and the file that they may name.

Whoever made the file may have meant harm: the header is read within bounds, and
it opens no other file than a plain one beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from musclefm.errors import MuscleFMError
from musclefm.storage.regular_file import NotRegularFileError, open_regular
from musclefm.volumes.checks import damaged_error

# Of diffusion images with all DICOM tags the largest known take a tenth of it.
LARGEST_HEADER = 4 << 20
MOST_LINES = 20_000


def read_line(file: BinaryIO, what: str) -> str:
    """Return the next line of a header without its end.

    Raises
    ------
    EOFError
        There is none.
    MuscleFMError
        The header has become too long.
    """
    line = file.readline(LARGEST_HEADER)
    if not line:
        raise EOFError
    if file.tell() > LARGEST_HEADER:
        raise MuscleFMError(
            f"the header of {what} is longer than {LARGEST_HEADER >> 20} MB",
            "save it again without the other data in its header",
        )
    return line.decode("utf-8", "replace").rstrip("\r\n")


def read_lines(file: BinaryIO, what: str, last: str | None = None) -> list[str]:
    """Return the lines of a header up to an empty one, or through one that begins with ``last``.

    Raises
    ------
    MuscleFMError
        The header is too long, or has too many lines.
    """
    lines: list[str] = []
    while True:
        try:
            line = read_line(file, what)
        except EOFError:
            return lines
        if last is None and not line.strip():
            return lines
        lines.append(line)
        if last is not None and line.startswith(last):
            return lines
        if len(lines) > MOST_LINES:
            raise MuscleFMError(
                f"the header of {what} has more than {MOST_LINES} lines",
                "save it again without the other data in its header",
            )


def open_beside(header: Path, name: str, what: str) -> BinaryIO:
    """Open the file with the voxels, which a header names.

    Raises
    ------
    MuscleFMError
        It is no plain file in the folder of the header: a path, a list, a
        pattern, a link, a FIFO, a device; or it is missing.
    """
    plain = name.removeprefix("./")
    if not plain or plain in (".", "..") or set(plain) & set("/\\:\0"):
        raise elsewhere_error(what)
    try:
        return open_regular(header.parent / plain, links=False)
    except NotRegularFileError as error:
        raise elsewhere_error(what) from error
    except FileNotFoundError as error:
        raise damaged_error(what) from error


def elsewhere_error(what: str) -> MuscleFMError:
    """Return the error for voxels that are not where they may be."""
    return MuscleFMError(
        f"the voxels of {what} are not in this file nor in one plain file beside it",
        "save it as one file, .nii.gz, .nrrd or .mha",
    )
