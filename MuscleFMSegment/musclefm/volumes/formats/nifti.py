"""Reading NIfTI-1 and NIfTI-2, in one file or as a pair, with the checks that ITK's reader omits.

Measured with SimpleITK 2.5: a truncated file is filled up with zeros, NaN and
infinity become zero, a spacing of zero becomes one, and a slightly sheared
header is refused. None of this may pass unseen, so the voxels are read here;
where they lie is ITK's rule, so that 3D Slicer shows the image in the same place.

The formats: https://nifti.nimh.nih.gov/nifti-1 (nifti1.h) and
https://nifti.nimh.nih.gov/nifti-2 (nifti2.h).
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from nibabel.analyze import AnalyzeHeader
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

from musclefm.errors import MuscleFMError
from musclefm.storage.regular_file import open_regular
from musclefm.volumes.checks import (
    check_header_shape,
    colour_error,
    damaged_error,
    empty_error,
    pick_volume,
)
from musclefm.volumes.formats.byte_source import GZIP_MAGIC, ByteSource
from musclefm.volumes.formats.decoded import Decoded
from musclefm.volumes.formats.nifti_geometry import matrix_of
from musclefm.volumes.formats.stored_voxels import Layout, read_voxels
from musclefm.volumes.formats.text_header import elsewhere_error, open_beside

_LARGEST_HEADER = 540
_HEADERS = {348: Nifti1Header, 540: Nifti2Header}
_PAIR_MAGIC = (b"ni1", b"ni2")
_SINGLE_MAGIC = (b"n+1", b"n+2")
_ANALYZE_MAGIC = b""
_COLOUR_OR_COMPLEX = {32, 128, 1792, 2048, 2304}
_OTHER_HALF = {".hdr": ".img", ".img": ".hdr", ".HDR": ".IMG", ".IMG": ".HDR"}


def read_nifti(path: Path, what: str, volume: int | None, *, alone: bool = False) -> Decoded:
    """Read ``.nii`` or ``.nii.gz``, or ``.hdr`` and ``.img``, of which either is given.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What the image is called in messages.
    volume : int or None
        Which volume of a 4-D file, from 1.
    alone : bool
        Whether a pair is refused.

    Raises
    ------
    MuscleFMError
        The file is no NIfTI image, is truncated or damaged, has several volumes
        and none was chosen, is in colour, or has a spacing that is zero or
        negative and no position that tells a better one.
    """
    halves = _halves(path)
    if halves and alone:
        raise elsewhere_error(what)
    with ExitStack() as stack:

        def opened(half: str) -> BinaryIO:
            named = half == path.name
            file = open_regular(path) if named else open_beside(path, half, what)
            return stack.enter_context(file)

        file = opened(halves[0] if halves else path.name)
        source = _source(file)
        header = _header(source.read_up_to(_LARGEST_HEADER), bool(halves), what)
        layout = _layout(header, what)
        number, notes = pick_volume(layout.volumes, volume, what)
        matrix, geometry_notes = matrix_of(header, layout.shape, what)
        # The voxels begin where the header says, counted from the first byte.
        source = _source(opened(halves[1]) if halves else file)
        _go_to_voxels(source, header, bool(halves), what)
        array, found = read_voxels(source, layout, number, what, _scaling(header))
    return Decoded(array, matrix, notes + geometry_notes + found)


def _halves(path: Path) -> tuple[str, str] | None:
    """Return the names of header and voxels of a pair."""
    zipped = path.suffix if path.suffix.lower() == ".gz" else ""
    stem, half = path.name.removesuffix(zipped), Path(path.name.removesuffix(zipped)).suffix
    if half not in _OTHER_HALF:
        return None
    other = f"{stem.removesuffix(half)}{_OTHER_HALF[half]}{zipped}"
    return (path.name, other) if half.lower() == ".hdr" else (other, path.name)


def _source(file: BinaryIO) -> ByteSource:
    file.seek(0)
    zipped = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    return ByteSource(file, deflated=zipped)


def _header(raw: bytes, pair: bool, what: str) -> AnalyzeHeader:
    if not raw:
        raise empty_error(what)
    sizes = [int.from_bytes(raw[:4], order, signed=True) for order in ("little", "big")]
    size = next((size for size in sizes if size in _HEADERS), None)
    if size is None:
        raise _wrong_format_error(what)
    if len(raw) < size:
        raise damaged_error(what)
    order = "<" if size == sizes[0] else ">"
    header = _HEADERS[size](raw[:size], endianness=order, check=False)
    magic = header["magic"].item()
    if magic in (_PAIR_MAGIC if pair else _SINGLE_MAGIC):
        return header
    if pair and size == AnalyzeHeader.sizeof_hdr and magic == _ANALYZE_MAGIC:
        return AnalyzeHeader(raw[:size], endianness=order, check=False)
    raise _wrong_format_error(what)


def _wrong_format_error(what: str) -> MuscleFMError:
    return MuscleFMError(
        f"{what} is not a NIfTI file, although its name says so",
        "save it again as .nii.gz, .nrrd or .mha",
    )


def _layout(header: AnalyzeHeader, what: str) -> Layout:
    dimensions = int(header["dim"][0])
    if not 1 <= dimensions <= 7:
        raise damaged_error(what)
    sizes = [int(size) for size in header["dim"][1 : dimensions + 1]]
    if min(sizes) < 1:
        raise damaged_error(what)
    sizes += [1] * (7 - dimensions)
    if int(header["datatype"]) in _COLOUR_OR_COMPLEX or math.prod(sizes[4:]) > 1:
        raise colour_error(what)
    kind = header.get_data_dtype()
    if kind.kind not in "iuf":
        raise damaged_error(what)
    shape = (sizes[2], sizes[1], sizes[0])
    check_header_shape(shape, what)
    return Layout(shape, kind, sizes[3])


def _go_to_voxels(source: ByteSource, header: AnalyzeHeader, pair: bool, what: str) -> None:
    offset = float(header["vox_offset"])
    least = 0 if pair else header.sizeof_hdr
    # NaN is within no bounds.
    if not least <= offset <= source.most:
        raise damaged_error(what)
    if source.skip(int(offset)) < int(offset):
        raise damaged_error(what)


def _scaling(header: AnalyzeHeader) -> tuple[float, float]:
    if not isinstance(header, Nifti1Header):
        return 1.0, 0.0
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    # As ITK does: a slope of zero is none, and what is no number says nothing.
    if not math.isfinite(slope):
        return 1.0, 0.0
    return slope or 1.0, intercept if math.isfinite(intercept) else 0.0
