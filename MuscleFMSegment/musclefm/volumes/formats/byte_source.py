"""The bytes of voxels, stored or deflated, without taking more of a file than its header promised.

``gzip`` and ``zlib`` of Python are not used as they stand: the first reads the
name in a gzip header byte by byte, however long it is, and refuses a file with
anything behind its last member, which other programs read.
"""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

GZIP_MAGIC = b"\x1f\x8b"

_CHUNK = 1 << 20
# Deflate packs at most 258 bytes into 2 bits; see zlib's technical notes.
_LARGEST_RATIO = 1032
# How much is read on behind the voxels that are wanted: to see that the others of a
# 4-D file are there, and for a checksum at the end.
_MOST_OF_OTHERS = 1 << 30
_MOST_OF_TAIL = 1 << 20
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class ByteSource:
    """Bytes of an open file from where it stands.

    Parameters
    ----------
    file : BinaryIO
        A regular file.
    deflated : bool
        Whether it holds gzip or zlib data there.

    Attributes
    ----------
    most : int
        No more bytes than this can come, deduced from the file's size.
    """

    def __init__(self, file: BinaryIO, *, deflated: bool) -> None:
        position = file.tell()
        stored = file.seek(0, os.SEEK_END) - position
        file.seek(position)
        self._file = file
        self._inflater = _Inflater(file) if deflated else None
        self.most = (stored + 1) * _LARGEST_RATIO if deflated else stored

    def read_into(self, buffer: npt.NDArray[np.uint8]) -> int:
        """Fill a buffer ``(N,) uint8``, and return how many bytes there were.

        Raises
        ------
        EOFError, zlib.error
            The deflated data are cut off or damaged.
        """
        filled = 0
        while filled < len(buffer):
            piece = self.read(min(_CHUNK, len(buffer) - filled))
            if not piece:
                break
            buffer[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
            filled += len(piece)
        return filled

    def read_up_to(self, count: int) -> bytes:
        """Return ``count`` bytes, or all that are left; raises as :meth:`read_into`."""
        buffer = np.empty(count, np.uint8)
        return buffer[: self.read_into(buffer)].tobytes()

    def read(self, count: int) -> bytes:
        """Return some of the next ``count`` bytes, none at the end; raises as :meth:`read_into`."""
        return self._inflater.read(count) if self._inflater else self._file.read(count)

    def skip(self, count: int) -> int:
        """Pass over up to ``count`` bytes and return how many; raises as :meth:`read_into`."""
        if self._inflater is None:
            passed = min(count, self._left())
            self._file.seek(passed, os.SEEK_CUR)
            return passed
        passed = 0
        while passed < count and (piece := self.read(min(_CHUNK, count - passed))):
            passed += len(piece)
        return passed

    def finish(self, others: int) -> tuple[int, bool]:
        """Read on behind the voxels that were wanted, within bounds.

        It lets a checksum be compared. What follows the last member of a gzip
        file is no harm.

        Parameters
        ----------
        others : int
            How many bytes the header promises.

        Returns
        -------
        tuple of int and bool
            How many of them are there, all where that takes too long to see;
            and whether far more follows than was promised.

        Raises
        ------
        EOFError, zlib.error
            The deflated data are cut off or damaged.
        """
        if self._inflater is None:
            return min(others, self._left()), False
        looked = min(others, _MOST_OF_OTHERS)
        found = self.skip(looked)
        if found < looked:
            return found, False
        return others, self._inflater.read_tail(_MOST_OF_TAIL) > _MOST_OF_TAIL

    def _left(self) -> int:
        position = self._file.tell()
        left = self._file.seek(0, os.SEEK_END) - position
        self._file.seek(position)
        return left


class _Inflater:
    """Inflates one or several gzip members, or one zlib stream."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._packed = b""
        self._member = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._members = 1

    def read(self, count: int) -> bytes:
        while True:
            if self._member.eof and not self._next_member():
                return b""
            self._packed = self._packed or self._file.read(_CHUNK)
            if not self._packed:
                raise EOFError
            inflated = self._member.decompress(self._packed, count)
            self._packed = self._member.unconsumed_tail or self._member.unused_data
            if inflated:
                return inflated

    def read_tail(self, most: int) -> int:
        """Return how many bytes more there are, a little more than ``most`` at most."""
        members = self._members
        count = 0
        try:
            while count <= most and (piece := self.read(_CHUNK)):
                count += len(piece)
        except (EOFError, zlib.error):
            # A member that holds no voxels may be whatever it is.
            if self._members == members:
                raise
        return count

    def _next_member(self) -> bool:
        if len(self._packed) < len(GZIP_MAGIC):
            self._packed += self._file.read(_CHUNK)
        if not self._packed.startswith(GZIP_MAGIC):
            return False
        self._member = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._members += 1
        return True
