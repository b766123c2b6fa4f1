"""Reading NRRD, ``.nrrd`` and ``.nhdr``.

The header is parsed by pynrrd; what it names is opened, and the voxels are
read, within bounds here. What the axes mean is ITK's, so that 3D Slicer shows
the image in the same place.

The format: https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import nrrd
import numpy as np

from musclefm.errors import MuscleFMError
from musclefm.storage.regular_file import open_regular
from musclefm.volumes.checks import (
    check_header_shape,
    colour_error,
    damaged_error,
    flat_error,
    pick_volume,
)
from musclefm.volumes.formats.byte_source import ByteSource
from musclefm.volumes.formats.decoded import Decoded
from musclefm.volumes.formats.nrrd_geometry import matrix_of
from musclefm.volumes.formats.stored_voxels import Layout, read_voxels, read_written_out
from musclefm.volumes.formats.text_header import elsewhere_error, open_beside, read_line, read_lines

_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": (
        "longlong", "long long", "long long int", "signed long long", "signed long long int",
        "int64", "int64_t",
    ),
    "u8": (
        "ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t",
    ),
    "f4": ("float",),
    "f8": ("double",),
}  # fmt: skip
_KINDS = {name: kind for kind, names in _TYPES.items() for name in names}
_MAGIC = ("NRRD00.01", "NRRD0001", "NRRD0002", "NRRD0003", "NRRD0004", "NRRD0005")
_DEFLATED = ("gzip", "gz")
_WRITTEN_OUT = ("ascii", "text", "txt")
_SEVERAL_VOLUMES = ("time", "list")


def read_nrrd(path: Path, what: str, volume: int | None, *, alone: bool = False) -> Decoded:
    """Read ``.nrrd``, or ``.nhdr`` with its voxels in a plain file beside it.

    Parameters
    ----------
    path : Path
        The file with the header.
    what : str
        What the image is called in messages.
    volume : int or None
        Which volume of a 4-D file, from 1.
    alone : bool
        Whether voxels in a second file are refused.

    Raises
    ------
    MuscleFMError
        The file is damaged or of another format, has several volumes and none
        was chosen, is in colour, is 2-D, or has an impossible geometry.
    """
    with ExitStack() as stack:
        file = stack.enter_context(open_regular(path))
        fields = read_nrrd_header(file, what)
        if "block" in str(fields.get("type")):
            raise colour_error(what)
        layout, axes = _layout(fields, what)
        number, notes = pick_volume(layout.volumes, volume, what)
        matrix, geometry_notes = matrix_of(fields, axes, what)
        data = fields.get("data file", fields.get("datafile"))
        if data is not None:
            if alone:
                raise elsewhere_error(what)
            file = stack.enter_context(open_beside(path, data, what))
        source = _source(file, fields, layout, what)
        if str(fields["encoding"]).lower() in _WRITTEN_OUT:
            if layout.volumes > 1:
                raise colour_error(what)
            return Decoded(read_written_out(source, layout, what), matrix, notes + geometry_notes)
        array, found = read_voxels(source, layout, number, what)
    return Decoded(array, matrix, notes + geometry_notes + found)


def holds_no_voxels(file: BinaryIO) -> bool:
    """Tell whether a file is a header only, whose voxels are in another file.

    Parameters
    ----------
    file : BinaryIO
        At its first byte.
    """
    try:
        fields = read_nrrd_header(file, "")
    # It is damaged, which whoever reads its voxels will notice.
    except (EOFError, MuscleFMError):
        return False
    return bool({"data file", "datafile"} & set(fields))


def read_nrrd_header(file: BinaryIO, what: str) -> Mapping[str, Any]:
    """Return the fields and the key/value pairs of a header as pynrrd parses them.

    Names and values of key/value pairs are UTF-8.

    Parameters
    ----------
    file : BinaryIO
        At its first byte; then at what follows the header.
    what : str
        What the image is called in messages.

    Raises
    ------
    MuscleFMError
        The header is damaged, too long, or not that of an NRRD file.
    EOFError
        There is none.
    """
    magic = read_line(file, what).strip()
    if magic not in _MAGIC:
        raise damaged_error(what)
    lines = read_lines(file, what)
    try:
        # Older versions of the format are parts of this one.
        with np.errstate(all="ignore"):
            fields: Mapping[str, Any] = nrrd.read_header(iter((_MAGIC[-1], *lines)))
    # Of a damaged header, pynrrd raises whatever comes.
    except Exception as error:
        raise damaged_error(what) from error
    return fields


def _layout(fields: Mapping[str, Any], what: str) -> tuple[Layout, list[int]]:
    """Return how the voxels are stored, and which axes of the file are I, J and K."""
    sizes = [int(size) for size in fields["sizes"]]
    if len(sizes) != fields["dimension"] or min(sizes) < 1:
        raise damaged_error(what)
    others = _axes_of_values(fields, len(sizes))
    axes = [axis for axis in range(len(sizes)) if axis not in others]
    for axis in others:
        if sizes[axis] > 1 and (len(others) > 1 or _is_of_parts(fields, axis)):
            raise colour_error(what)
    if len(axes) < 3:
        raise flat_error(what)
    if len(axes) > 3 or (others and others[0] not in (0, 3)):
        raise colour_error(what)
    shape = (sizes[axes[2]], sizes[axes[1]], sizes[axes[0]])
    check_header_shape(shape, what)
    volumes = sizes[others[0]] if others else 1
    return Layout(shape, _kind(fields, what), volumes, bool(others) and others[0] == 0), axes


def _axes_of_values(fields: Mapping[str, Any], count: int) -> list[int]:
    """Return the axes that are none of space."""
    kinds = [kind.lower() for kind in fields.get("kinds", ())]
    directions = fields.get("space directions")
    found = [
        axis for axis, kind in enumerate(kinds) if kind not in ("domain", "space", "none", "???")
    ]
    if not found and count > 3 and directions is not None:
        found = [axis for axis, vector in enumerate(directions) if np.isnan(vector).any()]
    if not found and count == 4:
        found = [3]
    return found


def _is_of_parts(fields: Mapping[str, Any], axis: int) -> bool:
    """Tell whether an axis holds the parts of one value, as colours, and no volumes."""
    kinds = fields.get("kinds", ())
    kind = kinds[axis].lower() if axis < len(kinds) else "none"
    return kind not in (*_SEVERAL_VOLUMES, "domain", "space", "none", "???")


def _kind(fields: Mapping[str, Any], what: str) -> np.dtype[Any]:
    kind = _KINDS[str(fields["type"]).lower()]
    if kind in ("i1", "u1") or str(fields["encoding"]).lower() in _WRITTEN_OUT:
        return np.dtype(kind)
    order = {"little": "<", "big": ">"}.get(str(fields.get("endian")).lower())
    if order is None:
        raise MuscleFMError(
            f"the header of {what} does not say in which order bytes are stored (endian)",
            "add it to the header or export the image again",
        )
    return np.dtype(order + kind)


def _source(file: BinaryIO, fields: Mapping[str, Any], layout: Layout, what: str) -> ByteSource:
    """Return the bytes of the voxels, at the first of them."""
    encoding = str(fields["encoding"]).lower()
    lines = int(fields.get("line skip", fields.get("lineskip", 0)))
    skipped = int(fields.get("byte skip", fields.get("byteskip", 0)))
    if lines < 0 or skipped < -1:
        raise damaged_error(what)
    for _ in range(lines):
        read_line(file, what)
    if encoding == "hex":
        file = _of_hexadecimal(file, layout)
    elif encoding not in ("raw", *_DEFLATED, *_WRITTEN_OUT):
        raise MuscleFMError(
            f"the voxels of {what} are packed in a way that is not read here",
            "save it again with the encoding raw or gzip",
        )
    source = ByteSource(file, deflated=encoding in _DEFLATED)
    # -1 stands for voxels at the end of the file, whatever is before them.
    if skipped >= 0:
        source.skip(skipped)
    elif encoding == "raw":
        source.skip(max(0, source.most - layout.total_bytes))
    return source


def _of_hexadecimal(file: BinaryIO, layout: Layout) -> BinaryIO:
    # With a line's end after every other digit it is not longer.
    digits = file.read(4 * layout.total_bytes)
    return io.BytesIO(bytes.fromhex(digits.decode("ascii")))
