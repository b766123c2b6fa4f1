"""What compressed frames state of themselves, read before a decoder takes memory for it."""

from __future__ import annotations

import struct

# Start of frame of JPEG, but for the codes of its tables, and of JPEG-LS.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD9)) | {0x01, 0xFF}
_JPEG = b"\xff\xd8"
_JPEG_2000 = b"\xff\x4f\xff\x51"
_JPEG_2000_FILE = b"\0\0\0\x0cjP  "
# A run of 128 equal bytes is coded in 2.
_RUN_LENGTH_AT_MOST = 64


def check_frame(data: bytes, rows: int, columns: int, frame_bytes: int) -> None:
    """Refuse a compressed frame of another size than the file says.

    Parameters
    ----------
    data : bytes
        JPEG, JPEG-LS, JPEG 2000 or run-length coded.
    rows, columns : int
        What the file says.
    frame_bytes : int
        What the frame takes without compression.

    Raises
    ------
    ValueError
        It has more or fewer rows or columns, or several values a pixel.
    """
    if data[:2] == _JPEG:
        found = _jpeg_size(data)
    elif data[:4] == _JPEG_2000:
        found = _jpeg_2000_size(data)
    elif data[:8] == _JPEG_2000_FILE:
        found = _jpeg_2000_size(data[max(data.find(_JPEG_2000), 0) :])
    elif frame_bytes > _RUN_LENGTH_AT_MOST * len(data):
        raise ValueError("too short for a frame")
    else:
        return
    if found != (rows, columns, 1):
        raise ValueError("a frame of another size")


def _jpeg_size(data: bytes) -> tuple[int, int, int]:
    """Return rows, columns and values a pixel."""
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAME_MARKERS:
            rows, columns, values = struct.unpack_from(">HHB", data, at + 5)
            return rows, columns, values
        at += 1 if marker == 0xFF else 2
        if marker not in _WITHOUT_LENGTH:
            at += max(struct.unpack_from(">H", data, at)[0], 2)
    raise ValueError("a JPEG frame that does not say its size")


def _jpeg_2000_size(data: bytes) -> tuple[int, int, int]:
    if len(data) < 42:
        raise ValueError("a JPEG 2000 frame that does not say its size")
    right, bottom, left, top = struct.unpack_from(">4I", data, 8)
    return bottom - top, right - left, struct.unpack_from(">H", data, 40)[0]
