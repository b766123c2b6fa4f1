"""Volumes as the bytes of a file.

They are encoded here and not by ITK because its NIfTI writer reports success
on a full disk (measured with SimpleITK 2.5), and a writer that is given bytes
can put them in place whole or not at all.

The formats: https://nifti.nimh.nih.gov/nifti-1 (nifti1.h),
https://teem.sourceforge.net/nrrd/format.html and
https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.nifti1 import Nifti1Header
from nibabel.quaternions import mat2quat

from musclefm.errors import MuscleFMError
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

# Level 9 takes several times as long for a few percent less.
_COMPRESSION = 6
# Of deflate with gzip's header, in which zlib leaves the time out.
_GZIP_BITS = 31
_SAMPLE_BYTES = 1 << 20
_ROOM_FOR_TIME = 1.05
_NIFTI_OFFSET = 352
_MILLIMETRES = 2
_SCANNER_ANATOMY = 1
_NRRD_TYPES = {
    "u1": "uint8", "i1": "int8", "u2": "uint16", "i2": "int16", "u4": "uint32", "i4": "int32",
    "u8": "uint64", "i8": "int64", "f4": "float", "f8": "double",
}  # fmt: skip
_META_TYPES = {
    "u1": "MET_UCHAR", "i1": "MET_CHAR", "u2": "MET_USHORT", "i2": "MET_SHORT", "u4": "MET_UINT",
    "i4": "MET_INT", "u8": "MET_ULONG_LONG", "i8": "MET_LONG_LONG", "f4": "MET_FLOAT",
    "f8": "MET_DOUBLE",
}  # fmt: skip


def encode_volume(volume: Volume, name: str, level: int = _COMPRESSION) -> bytes:
    """Return the bytes of a file for a volume, by the end of the file's name.

    Parameters
    ----------
    volume : Volume
        ``(K, J, I)`` of bool (stored as uint8), an integer type, float32 or
        float64.
    name : str
        Ends in ``.nii``, ``.nii.gz``, ``.nrrd`` or ``.mha``.
    level : int
        Of compression: 1 is several times as fast as the default on float32 intensities,
        for files that are about an eighth larger.

    Raises
    ------
    MuscleFMError
        The name ends otherwise.
    """
    array = np.ascontiguousarray(volume.array)
    if array.dtype == bool:
        array = array.astype(np.uint8)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    ending = name.lower()
    if ending.endswith(".nii"):
        return _nifti(array, volume.grid)
    if ending.endswith(".nii.gz"):
        return _gzipped(_nifti(array, volume.grid), array.dtype, level)
    if ending.endswith(".nrrd"):
        return _nrrd(array, volume.grid, level)
    if ending.endswith(".mha"):
        return _metaimage(array, volume.grid, level)
    raise MuscleFMError(
        "a volume cannot be written under a name that ends like this",
        "let it end in .nii.gz, .nii, .nrrd or .mha",
    )


def _nifti(array: npt.NDArray[Any], grid: Grid) -> bytes:
    header = Nifti1Header(endianness="<")
    ras = grid.ijk_to_ras
    handed = 1.0 if np.linalg.det(ras[:3, :3]) > 0 else -1.0
    rotation = ras[:3, :3] / np.asarray(grid.spacing) * (1.0, 1.0, handed)
    header["dim"] = (3, *grid.shape[::-1], 1, 1, 1, 1)
    header.set_data_dtype(array.dtype)
    header["pixdim"] = (handed, *grid.spacing, 0, 0, 0, 0)
    header["vox_offset"] = _NIFTI_OFFSET
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["xyzt_units"] = _MILLIMETRES
    header["qform_code"] = header["sform_code"] = _SCANNER_ANATOMY
    header["quatern_b"], header["quatern_c"], header["quatern_d"] = mat2quat(rotation)[1:]
    for row, axis in enumerate("xyz"):
        header[f"qoffset_{axis}"] = ras[row, 3]
        header[f"srow_{axis}"] = ras[row]
    return header.binaryblock.ljust(_NIFTI_OFFSET, b"\0") + array.tobytes()


def _nrrd(array: npt.NDArray[Any], grid: Grid, level: int) -> bytes:
    return nrrd_header(array, grid, "gzip") + _gzipped(array.tobytes(), array.dtype, level)


def nrrd_header(array: npt.NDArray[Any], grid: Grid, encoding: str) -> bytes:
    """Return what stands before the voxels ``(K, J, I)`` of a NRRD file, ``raw`` or ``gzip``."""
    matrix = grid.ijk_to_lps
    vectors = [f"({_numbers(matrix[:3, column], ',')})" for column in range(4)]
    header = (
        "NRRD0004\n"
        f"type: {_NRRD_TYPES[array.dtype.str[1:]]}\n"
        "dimension: 3\n"
        "space: left-posterior-superior\n"
        f"sizes: {_numbers(grid.shape[::-1])}\n"
        f"space directions: {' '.join(vectors[:3])}\n"
        "kinds: domain domain domain\n"
        "endian: little\n"
        f"encoding: {encoding}\n"
        f"space origin: {vectors[3]}\n\n"
    )
    return header.encode()


def _gzipped(content: bytes, dtype: np.dtype[Any], level: int) -> bytes:
    """Return a gzip file; where numbers hardly repeat but for runs of one, nothing else is sought.

    Maps of float32 then take a third of the time and one percent more room.
    """
    strategy = zlib.Z_DEFAULT_STRATEGY
    if dtype.kind == "f":
        middle = content[len(content) // 2 :][:_SAMPLE_BYTES]
        plain, runs = (len(_deflated(middle, level, each)) for each in (strategy, zlib.Z_RLE))
        strategy = zlib.Z_RLE if runs <= _ROOM_FOR_TIME * plain else strategy
    return _deflated(content, level, strategy)


def _deflated(content: bytes, level: int, strategy: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP_BITS, strategy=strategy)
    return packer.compress(content) + packer.flush()


def _metaimage(array: npt.NDArray[Any], grid: Grid, level: int) -> bytes:
    packed = zlib.compress(array.tobytes(), level)
    columns = np.reshape(grid.direction, (3, 3)).T.ravel()
    header = (
        "ObjectType = Image\n"
        "NDims = 3\n"
        "BinaryData = True\n"
        "BinaryDataByteOrderMSB = False\n"
        "CompressedData = True\n"
        f"CompressedDataSize = {len(packed)}\n"
        f"TransformMatrix = {_numbers(columns)}\n"
        f"Offset = {_numbers(grid.origin)}\n"
        "CenterOfRotation = 0 0 0\n"
        f"ElementSpacing = {_numbers(grid.spacing)}\n"
        f"DimSize = {_numbers(grid.shape[::-1])}\n"
        f"ElementType = {_META_TYPES[array.dtype.str[1:]]}\n"
        "ElementDataFile = LOCAL\n"
    )
    return header.encode() + packed


def _numbers(values: Iterable[float], separator: str = " ") -> str:
    return separator.join(repr(value) for value in np.asarray(list(values)).tolist())
