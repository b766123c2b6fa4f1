"""Reading NIfTI-1, with the checks that ITK's reader leaves out.

Measured with SimpleITK 2.5: a truncated file is filled up with zeros, NaN and
infinity become zero, a spacing of zero becomes one, and a slightly sheared
header is refused. None of this may pass unseen, so header and voxels are read
here; which of the two matrices of a header counts is ITK's rule, so that 3D
Slicer shows the image in the same place.

The format: https://nifti.nimh.nih.gov/nifti-1 (nifti1.h).
"""

from __future__ import annotations

import gzip
import io
import math
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.volumes.affine import check_spacing, largest_distance_mm
from musclefm.volumes.checks import (
    check_header_shape,
    colour_error,
    damaged_error,
    empty_error,
    pick_volume,
    truncated_error,
)
from musclefm.volumes.decoded import Decoded
from musclefm.volumes.nifti_header import DATATYPES, HEADER, HEADER_BYTES, LPS_OF_RAS

_COLOUR_OR_COMPLEX = {32, 128, 1792, 2048, 2304}
_MILLIMETRES = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_GZIP_MAGIC = b"\x1f\x8b"


def read_nifti(path: Path, what: str, volume: int | None) -> Decoded:
    """Read ``.nii`` or ``.nii.gz``.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What the image is called in messages.
    volume : int or None
        Which volume of a 4-D file, from 1.

    Raises
    ------
    MuscleFMError
        The file is no NIfTI-1 image, is truncated or damaged, has several
        volumes and none was chosen, is in colour, or has a spacing that is
        zero or negative.
    """
    try:
        with _opened(path) as stream:
            header = _header(stream, what)
            shape, volumes = _shape(header, what)
            number, notes = pick_volume(volumes, volume, what)
            array = _voxels(stream, header, shape, volumes, number, what)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged_error(what) from error
    matrix, told = _matrix(header, shape, what)
    return Decoded(array, matrix, notes + told)


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        zipped = file.read(2) == _GZIP_MAGIC
    return cast(BinaryIO, gzip.open(path, "rb")) if zipped else path.open("rb")


def _header(stream: BinaryIO, what: str) -> npt.NDArray[Any]:
    raw = stream.read(HEADER_BYTES)
    if not raw:
        raise empty_error(what)
    if len(raw) < HEADER_BYTES:
        raise damaged_error(what)
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        header = np.frombuffer(raw, HEADER.newbyteorder(order))[0]
        if header["sizeof_hdr"] == HEADER_BYTES and bytes(header["magic"]) == b"n+1":
            return cast("npt.NDArray[Any]", header)
    raise MuscleFMError(
        f"{what} is not a NIfTI-1 file, although its name says so",
        "save it again as .nii.gz, .nrrd or .mha",
    )


def _shape(header: npt.NDArray[Any], what: str) -> tuple[tuple[int, int, int], int]:
    """Return ``(K, J, I)`` and the number of volumes."""
    dimensions = int(header["dim"][0])
    if not 1 <= dimensions <= 7:
        raise damaged_error(what)
    sizes = [int(size) for size in header["dim"][1 : dimensions + 1]]
    if min(sizes) < 1:
        raise damaged_error(what)
    sizes += [1] * (7 - dimensions)
    if int(header["datatype"]) in _COLOUR_OR_COMPLEX or math.prod(sizes[4:]) > 1:
        raise colour_error(what)
    shape = (sizes[2], sizes[1], sizes[0])
    check_header_shape(shape, what)
    return shape, sizes[3]


def _voxels(
    stream: BinaryIO,
    header: npt.NDArray[Any],
    shape: tuple[int, int, int],
    volumes: int,
    number: int,
    what: str,
) -> npt.NDArray[np.float32]:
    """Read volume ``number`` (from 0), and make sure that all of the file is there."""
    kind = DATATYPES.get(int(header["datatype"]))
    offset = float(header["vox_offset"])
    if kind is None or not math.isfinite(offset) or offset < HEADER_BYTES:
        raise damaged_error(what)
    stored = np.dtype(kind).newbyteorder(header.dtype["sizeof_hdr"].byteorder)
    size = math.prod(shape) * stored.itemsize
    stream.seek(int(offset) + number * size)
    raw = stream.read(size)
    read = number * size + len(raw)
    # Reading on to the end also lets gzip check its sum over the whole file.
    while chunk := stream.read(io.DEFAULT_BUFFER_SIZE * 16):
        read += len(chunk)
    if len(raw) < size or read < size * volumes:
        raise truncated_error(what, min(read, len(raw) + number * size) / (size * volumes))
    array = np.frombuffer(raw, stored).reshape(shape)
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if (slope in (0.0, 1.0) and intercept == 0.0) or not math.isfinite(slope):
        return array.astype(np.float32)
    return (array * (slope or 1.0) + intercept).astype(np.float32)


def _matrix(
    header: npt.NDArray[Any], shape: tuple[int, int, int], what: str
) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Return the matrix from ``(i, j, k, 1)`` to LPS in mm, and what to tell about it."""
    unit = _MILLIMETRES.get(int(header["xyzt_units"]) & 7, 1.0)
    spacing = header["pixdim"][1:4].astype(np.float64) * unit
    check_spacing(spacing, what)
    has_qform = int(header["qform_code"]) > 0 and _is_finite(header["quatern"], header["qoffset"])
    has_sform = int(header["sform_code"]) > 0 and _is_finite(header["srow"])
    sform = np.eye(4)
    if has_sform:
        sform[:3] = header["srow"].astype(np.float64) * unit
        sform = LPS_OF_RAS @ sform
        if not has_qform or (header["sform_code"] == 1 and _is_rectangular(sform)):
            return sform, ()
    if not has_qform:
        return np.diag([*spacing, 1.0]), (
            f"the header of {what} does not say how it lies in the patient:"
            " left and right may be swapped",
        )
    qform = _qform(header, spacing, unit)
    apart = largest_distance_mm(qform, sform, shape) if has_sform else 0.0
    if apart < spacing.min():
        return qform, ()
    return qform, (
        f"the two positions in the header of {what} (sform and qform) are up to"
        f" {apart:.0f} mm apart: the qform was taken",
    )


def _is_finite(*fields: npt.NDArray[np.float32]) -> bool:
    return all(bool(np.isfinite(field).all()) for field in fields)


def _is_rectangular(matrix: npt.NDArray[np.float64]) -> bool:
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if not lengths.all():
        return False
    cosines = matrix[:3, :3] / lengths
    # ITK's own threshold lies between 1e-4 and 1e-3.
    return bool(np.abs(cosines.T @ cosines - np.eye(3)).max() < 5e-4)


def _qform(
    header: npt.NDArray[Any], spacing: npt.NDArray[np.float64], unit: float
) -> npt.NDArray[np.float64]:
    """Return the matrix of the header's quaternion to LPS in mm ("method 2" of nifti1.h)."""
    b, c, d = (float(value) for value in header["quatern"])
    a = math.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    matrix = np.eye(4)
    handed = -1.0 if header["pixdim"][0] < 0 else 1.0
    matrix[:3, :3] = rotation * spacing * (1.0, 1.0, handed)
    matrix[:3, 3] = header["qoffset"].astype(np.float64) * unit
    return LPS_OF_RAS @ matrix
