"""Reading MetaImage, ``.mha`` and ``.mhd``.

ITK's own reader takes the name of the file with the voxels for a format of C's
``printf``, and allocates what the header demands, so it never sees a file of
which nothing is known. What the fields mean, and that other fields are passed
over, is ITK's: https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.storage.regular_file import open_regular
from musclefm.volumes.affine import check_spacing
from musclefm.volumes.checks import (
    check_header_shape,
    colour_error,
    damaged_error,
    flat_error,
    pick_volume,
    unplaced_note,
    unscaled_note,
)
from musclefm.volumes.formats.byte_source import ByteSource
from musclefm.volumes.formats.decoded import Decoded
from musclefm.volumes.formats.stored_voxels import Layout, read_voxels, read_written_out
from musclefm.volumes.formats.text_header import elsewhere_error, open_beside, read_lines

_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2",
    "MET_INT": "i4", "MET_UINT": "u4", "MET_LONG": "i4", "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
_LAST = "ElementDataFile"
_MATRICES = ("TransformMatrix", "Orientation", "Rotation")
_ORIGINS = ("Offset", "Position", "Origin")
_SPACINGS = ("ElementSpacing", "ElementSize")
_BYTE_ORDERS = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
_MOST_AXES = 10


def read_metaimage(path: Path, what: str, volume: int | None, *, alone: bool = False) -> Decoded:
    """Read ``.mha``, or ``.mhd`` with its voxels in a plain file beside it.

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
        fields = _fields(file, what)
        layout = _layout(fields, what)
        number, notes = pick_volume(layout.volumes, volume, what)
        matrix, geometry_notes = _matrix(fields, what)
        data = fields[_LAST]
        if data.upper() != "LOCAL":
            if alone:
                raise elsewhere_error(what)
            file = stack.enter_context(open_beside(path, data, what))
        array, found = _voxels(file, fields, layout, number, what)
    return Decoded(array, matrix, notes + geometry_notes + found)


def _fields(file: BinaryIO, what: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in read_lines(file, what, last=_LAST):
        key, separator, value = re.sub("[=:]", "=", line, count=1).partition("=")
        if not separator and line.strip():
            raise _wrong_format_error(what)
        fields.setdefault(key.strip(), value.strip())
    if _LAST not in fields or fields.get("ObjectType", "Image") != "Image":
        raise _wrong_format_error(what)
    return fields


def _wrong_format_error(what: str) -> MuscleFMError:
    return MuscleFMError(
        f"{what} is damaged or incomplete, or not a MetaImage although its name says so",
        "copy it or export it again from its source",
    )


def _layout(fields: Mapping[str, str], what: str) -> Layout:
    axes = int(fields["NDims"])
    sizes = [int(size) for size in fields["DimSize"].split()]
    if not 1 <= axes <= _MOST_AXES or len(sizes) != axes or min(sizes) < 1:
        raise damaged_error(what)
    if axes > 4 or int(fields.get("ElementNumberOfChannels", "1")) != 1:
        raise colour_error(what)
    if axes < 3:
        raise flat_error(what)
    order = ">" if _is_true(_first(fields, _BYTE_ORDERS)) else "<"
    kind = np.dtype(order + _TYPES[fields["ElementType"]])
    shape = (sizes[2], sizes[1], sizes[0])
    check_header_shape(shape, what)
    return Layout(shape, kind, sizes[3] if axes == 4 else 1)


def _matrix(
    fields: Mapping[str, str], what: str
) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Return the matrix from ``(i, j, k, 1)`` to LPS in mm, and what to tell about it."""
    axes = int(fields["NDims"])
    notes = []
    cosines, origin, spacing = np.eye(axes), np.zeros(axes), np.ones(axes)
    if given := _first(fields, _MATRICES):
        # Each row of the field is the direction of an axis.
        cosines = _numbers(given, axes * axes).reshape(axes, axes).T
    else:
        notes.append(unplaced_note(what))
    if given := _first(fields, _ORIGINS):
        origin = _numbers(given, axes)
    if given := _first(fields, _SPACINGS):
        spacing = _numbers(given, axes)
    else:
        notes.append(unscaled_note(what))
    check_spacing(spacing[:3], what)
    matrix = np.eye(4)
    matrix[:3, :3] = cosines[:3, :3] * spacing[:3]
    matrix[:3, 3] = origin[:3]
    return matrix, tuple(notes)


def _voxels(
    file: BinaryIO, fields: Mapping[str, str], layout: Layout, number: int, what: str
) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    skipped = int(fields.get("HeaderSize", "0"))
    source = ByteSource(file, deflated=_is_true(fields.get("CompressedData")))
    if fields.get("BinaryData", "True").lower() == "false":
        if layout.volumes > 1:
            raise damaged_error(what)
        return read_written_out(source, layout, what), ()
    # -1 stands for voxels at the end of the file, whatever is before them.
    source.skip(skipped if skipped >= 0 else max(0, source.most - layout.total_bytes))
    return read_voxels(source, layout, number, what)


def _first(fields: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((fields[name] for name in names if fields.get(name)), None)


def _is_true(value: str | None) -> bool:
    return (value or "").lower()[:1] in ("t", "1")


def _numbers(text: str, count: int) -> npt.NDArray[np.float64]:
    values = np.array(text.split(), np.float64)
    if len(values) != count:
        raise ValueError(text)
    return values
