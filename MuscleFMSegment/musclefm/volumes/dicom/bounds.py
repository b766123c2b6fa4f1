"""What a DICOM file may hold at most, checked element by element before it is parsed.

A parser takes as much memory as a length in the file claims and as deflated
content inflates to, and a level of its own stack for each nested sequence. Here
elements are only counted and passed over.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, NamedTuple

from pydicom.datadict import dictionary_VR
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from musclefm.volumes.dicom.element_bytes import ElementBytes, InflatedBytes, StoredBytes

_DEEPEST = 32
_MOST_ITEMS = 100_000
_MOST_ELEMENTS = 300_000
_LARGEST_HEADER = 128 << 20
_LARGEST_META = 1 << 20
_BEYOND_PIXELS = 64 << 20

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_TRANSFER_SYNTAX = 0x00020010
_ROWS, _COLUMNS, _FRAMES, _BITS = 0x00280010, 0x00280011, 0x00280008, 0x00280100
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_LONGEST_NUMBER = 16
_LONG_VRS = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)


class _Element(NamedTuple):
    tag: int
    vr: bytes
    length: int


class _Level(NamedTuple):
    """A sequence, or a data set in one, that is being passed through."""

    is_sequence: bool
    end: int | None
    implicit: bool


def check_bounds(file: BinaryIO, *, whole: bool) -> int | None:
    """Refuse a file that no scanner writes.

    Parameters
    ----------
    file : BinaryIO
        At any place, and left at any place.
    whole : bool
        Whether all of it is going to be read, rather than a few elements of the header.

    Returns
    -------
    int or None
        Where the pixels end, if they were passed: what lies behind is not checked.

    Raises
    ------
    ValueError
        Sequences are nested deeper than 32 levels, there are more than 100,000
        items or 300,000 elements, an element is longer than what is left of the
        file, the header is larger than 128 MB, it inflates to more than 256 MB, or
        there is 64 MB more behind the header than twice what its frames need.
    """
    file.seek(128)
    stored = StoredBytes(file, 132 if file.read(4) == b"DICM" else 0)
    syntax = _transfer_syntax(stored)
    deflated = syntax == DeflatedExplicitVRLittleEndian
    source = InflatedBytes(file, stored.at) if deflated else stored
    return _Passage(source, ">" if syntax == ExplicitVRBigEndian else "<", whole).run()


def _transfer_syntax(source: StoredBytes) -> str:
    """Return what the file meta states, and stop at the first element behind it."""
    syntax = ""
    implicit = not _is_vr(source.peek(6)[4:])
    while source.peek(2) == b"\x02\0":
        element = _next(source, "<", implicit)
        if element is None or element.length == _UNDEFINED or source.at > _LARGEST_META:
            raise ValueError("the file meta is damaged")
        if element.tag == _TRANSFER_SYNTAX and element.length <= 64:
            syntax = source.read(element.length).decode("latin-1").strip("\0 ")
        else:
            source.skip(element.length)
    return syntax


def _is_vr(code: bytes) -> bool:
    return len(code) == 2 and code.isalpha() and code.isupper()


def _next(source: ElementBytes, order: str, implicit: bool) -> _Element | None:
    """Return the head of the next element or item, or None at the end."""
    head = source.read(8)
    if len(head) < 8:
        return None
    group, number, length = struct.unpack(f"{order}HHI", head)
    tag, vr = group << 16 | number, head[4:6]
    if implicit or group == _ITEM >> 16 or not _is_vr(vr):
        return _Element(tag, b"", length)
    if vr not in _LONG_VRS:
        return _Element(tag, vr, struct.unpack(f"{order}H", head[6:])[0])
    rest = source.read(4)
    return _Element(tag, vr, struct.unpack(f"{order}I", rest)[0]) if len(rest) == 4 else None


def _is_sequence(tag: int) -> bool:
    try:
        return dictionary_VR(tag) == "SQ"
    except KeyError:
        return False


class _Passage:
    """A passage through all elements, with a stack of its own."""

    def __init__(self, source: ElementBytes, order: str, whole: bool) -> None:
        self._source = source
        self._order = order
        self._whole = whole
        self._levels = [_Level(False, None, not _is_vr(source.peek(6)[4:]))]
        self._numbers = {_ROWS: 0, _COLUMNS: 0, _FRAMES: 1, _BITS: 16}
        self._items = self._elements = 0

    def run(self) -> int | None:
        """Pass on to the pixels, or to their end where it is needed, and return that."""
        while self._levels:
            level = self._levels[-1]
            if level.end is not None and self._source.at >= level.end:
                self._levels.pop()
                continue
            element = _next(self._source, self._order, level.implicit or level.is_sequence)
            if element is None:
                break
            if level.is_sequence:
                self._enter_item(element, level)
            elif element.tag == _ITEM_END:
                self._levels.pop()
            elif len(self._levels) == 1 and element.tag in _PIXELS:
                return self._pass_pixels(element, level)
            else:
                self._pass(element, level)
                if self._whole and self._source.at > _LARGEST_HEADER:
                    raise ValueError("its header is too large")
        return None

    def _pass_pixels(self, element: _Element, level: _Level) -> int | None:
        self._check_size()
        # Inflated bytes were counted, so a parser finds no more than these.
        if not self._whole or isinstance(self._source, InflatedBytes):
            return None
        self._pass(element, level)
        return self._source.at

    def _enter_item(self, element: _Element, level: _Level) -> None:
        if element.tag == _SEQUENCE_END:
            self._levels.pop()
            return
        if element.tag != _ITEM:
            self._leave_damaged()
            return
        self._items += 1
        if self._items > _MOST_ITEMS:
            raise ValueError("there are too many items")
        implicit = level.implicit or not _is_vr(self._source.peek(6)[4:])
        self._levels.append(_Level(False, self._end(element.length), implicit))

    def _pass(self, element: _Element, level: _Level) -> None:
        """Pass over an element, or go into it where it is a sequence."""
        self._elements += 1
        if self._elements > _MOST_ELEMENTS:
            raise ValueError("there are too many elements")
        if self._holds_items(element):
            if sum(one.is_sequence for one in self._levels) == _DEEPEST:
                raise ValueError("sequences are nested too deep")
            implicit = level.implicit or element.vr == b"UN"
            self._levels.append(_Level(True, self._end(element.length), implicit))
        elif element.length == _UNDEFINED:
            self._pass_fragments()
        elif (
            len(self._levels) == 1
            and element.tag in self._numbers
            and element.length <= _LONGEST_NUMBER
        ):
            self._numbers[element.tag] = self._number(element)
        else:
            self._source.skip(element.length)

    def _holds_items(self, element: _Element) -> bool:
        if element.vr not in (b"", b"UN"):
            return element.vr == b"SQ"
        if _is_sequence(element.tag):
            return True
        item = struct.pack(f"{self._order}HH", _ITEM >> 16, _ITEM & 0xFFFF)
        return element.length == _UNDEFINED and self._source.peek(4) == item

    def _pass_fragments(self) -> None:
        while (head := _next(self._source, self._order, True)) and head.tag == _ITEM:
            self._source.skip(head.length)
        if head is None or head.tag != _SEQUENCE_END:
            raise ValueError("encapsulated content has no end")

    def _leave_damaged(self) -> None:
        """Go on behind the innermost sequence whose end is known: nobody may need what it holds."""
        while self._levels:
            level = self._levels.pop()
            if level.is_sequence and level.end is not None:
                self._source.skip(max(level.end - self._source.at, 0))
                return
        raise ValueError("a sequence is damaged")

    def _end(self, length: int) -> int | None:
        return None if length == _UNDEFINED else self._source.at + length

    def _number(self, element: _Element) -> int:
        value = self._source.read(element.length)
        if element.tag == _FRAMES:
            text = value.strip(b"\0 ")
            return int(text) if text.isdigit() else 1
        return int.from_bytes(value[:2], "little" if self._order == "<" else "big")

    def _check_size(self) -> None:
        rows, columns, frames, bits = self._numbers.values()
        left = self._source.left()
        if left > 2 * rows * columns * frames * bits // 8 + _BEYOND_PIXELS:
            raise ValueError("there is far more than the pixels need")
