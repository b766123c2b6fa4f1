"""Zip files that anybody may have made: nothing in them leads out, or has no end."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from musclefm.errors import MuscleFMError
from musclefm.plain_text import figures
from musclefm.progress import Progress, ProgressEvent
from musclefm.storage.regular_file import open_regular

_CHUNK = 1 << 20
# Other ways of packing can ask for gigabytes before the first byte.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# A hundred thousand entries.
_LARGEST_LIST = 1 << 24

READ_ERRORS = (
    OSError,
    KeyError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the reader of zip files raises, whatever is in them."""


@contextlib.contextmanager
def open_zip(path: Path, largest_list: int, remedy: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip file whose list of entries takes at most so many bytes.

    Raises
    ------
    MuscleFMError
        It is none, or its list is longer.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = _ZipBytes(stack.enter_context(open_regular(path)), largest_list)
            archive = stack.enter_context(zipfile.ZipFile(file))
        except READ_ERRORS as error:
            raise MuscleFMError(f"'{path.name}' is no readable zip file", remedy) from error
        file.is_listed = True
        yield archive


def is_packed_plainly(archive: zipfile.ZipFile) -> bool:
    """Tell whether all entries are files of different names, packed in the common ways."""
    entries = archive.infolist()
    names = {entry.filename.casefold() for entry in entries}
    return len(names) == len(entries) and all(
        entry.compress_type in _COMPRESSIONS
        and not entry.flag_bits & _ENCRYPTED
        # Those of some makers say nothing of their kind.
        and stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
        for entry in entries
    )


def leads_out(archive: zipfile.ZipFile) -> bool:
    """Tell whether the path of an entry leads out of the folder that it is unpacked in."""
    paths = [_path(name) for name in archive.namelist()]
    return any(path.is_absolute() or ".." in path.parts or ":" in str(path) for path in paths)


def unpack(path: Path, folder: Path, progress: Progress) -> None:
    """Unpack all files of a zip file into an empty folder.

    Parameters
    ----------
    path : Path
        The zip file.
    folder : Path
        Made where it is not there.
    progress : Progress
        Called for each file.

    Raises
    ------
    MuscleFMError
        It is damaged, holds links or paths that lead out of it, or the disk is too full.
    """
    remedy = "download it again"
    with open_zip(path, _LARGEST_LIST, remedy) as archive:
        if leads_out(archive) or not is_packed_plainly(archive):
            raise MuscleFMError(
                f"'{path.name}' holds links, odd packing or paths that lead out of it",
                "get it from its authors",
            )
        folder.mkdir(parents=True, exist_ok=True)
        files = [entry for entry in archive.infolist() if not entry.is_dir()]
        needed, free = sum(x.file_size for x in files), shutil.disk_usage(folder).free
        if needed > free:
            raise MuscleFMError(
                f"'{path.name}' unpacked takes {figures(needed / 1e9)} GB, and"
                f" {figures(free / 1e9)} GB of the disk are free",
                "free some space",
            )
        for number, entry in enumerate(files):
            progress(ProgressEvent("unpack", number, len(files), "files"))
            target = folder / _path(entry.filename)
            # The reader gives no more bytes of a file than the list says, and checks them.
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, target.open("xb") as file:
                    shutil.copyfileobj(source, file, _CHUNK)
                    file.flush()
                    os.fsync(file.fileno())
            except READ_ERRORS as error:
                if isinstance(error, OSError):
                    raise
                raise MuscleFMError(f"'{path.name}' is damaged", remedy) from error


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


class _ZipBytes:
    """The bytes of a zip file; no more of them at once than a list of its entries may have.

    ``ZipFile`` reads that list as long as the file says it is, and makes an object of each.

    Attributes
    ----------
    is_listed : bool
        Whether the list was read: from then on any number of bytes is given.
    """

    def __init__(self, file: BinaryIO, largest_list: int) -> None:
        self.is_listed = False
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._file, self._most = file, largest_list + 1

    def read(self, size: int = -1) -> bytes:
        if self.is_listed:
            return self._file.read(size)
        content = self._file.read(self._most if size < 0 else min(size, self._most))
        if len(content) == self._most:
            raise zipfile.BadZipFile("the list of entries is too long")
        return content
