"""The bytes of a DICOM data set one after the other, as stored or inflated as they are needed."""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO, Protocol

_MOST_INFLATED = 256 << 20
_PIECE = 1 << 16


class ElementBytes(Protocol):
    """Bytes that are read, looked at or passed over.

    Attributes
    ----------
    at : int
        How many of them were read or passed over, or lie before the first.
    """

    at: int

    def peek(self, count: int) -> bytes:
        """Return the next few bytes, fewer at the end, and stay before them."""

    def read(self, count: int) -> bytes:
        """Return the next few bytes, fewer at the end."""

    def skip(self, count: int) -> None:
        """Pass over bytes; ValueError if they are more than there are."""

    def left(self) -> int:
        """Return how many bytes there are to the end; nothing else is asked after that."""


class StoredBytes:
    """The bytes of a file from a place on."""

    def __init__(self, file: BinaryIO, at: int) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self.at = at
        file.seek(at)

    def peek(self, count: int) -> bytes:
        found = self._file.read(count)
        self._file.seek(-len(found), os.SEEK_CUR)
        return found

    def read(self, count: int) -> bytes:
        found = self._file.read(count)
        self.at += len(found)
        return found

    def skip(self, count: int) -> None:
        if count > self.left():
            raise ValueError("an element is longer than the file")
        self.at += count
        self._file.seek(count, os.SEEK_CUR)

    def left(self) -> int:
        return self._size - self.at


class InflatedBytes:
    """What a file inflates to from a place on; ValueError beyond 256 MB."""

    def __init__(self, file: BinaryIO, at: int) -> None:
        file.seek(at)
        self._file = file
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._ready = b""
        self._total = 0
        self.at = 0

    def peek(self, count: int) -> bytes:
        while len(self._ready) < count and (piece := self._piece()):
            self._ready += piece
        return self._ready[:count]

    def read(self, count: int) -> bytes:
        found = self.peek(count)
        self._ready = self._ready[len(found) :]
        self.at += len(found)
        return found

    def skip(self, count: int) -> None:
        while count > 0:
            found = self.read(min(count, _PIECE))
            if not found:
                raise ValueError("an element is longer than the file")
            count -= len(found)

    def left(self) -> int:
        left = len(self._ready)
        while piece := self._piece():
            left += len(piece)
        return left

    def _piece(self) -> bytes:
        """Return some more bytes, or none at the end."""
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._file.read(_PIECE)
            piece = self._inflater.decompress(packed, _PIECE)
            if not (packed or piece):
                break
            self._total += len(piece)
            if self._total > _MOST_INFLATED:
                raise ValueError("it inflates beyond any use")
            if piece:
                return piece
        return b""
