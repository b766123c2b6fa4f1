"""Stored pixels of DICOM files, before rescaling.

Uncompressed pixels are read here. Compressed ones are decoded by a C library,
which a damaged file can crash: it works in a process of its own, on a copy
that holds nothing but the pixels.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.encaps import generate_frames
from pydicom.uid import (
    MRImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    generate_uid,
)

from musclefm.errors import MuscleFMError
from musclefm.volumes.checks import check_header_shape, colour_error
from musclefm.volumes.dicom.codestreams import check_frame
from musclefm.volumes.dicom.files import read_header

_NEAR_TOP = 0.9
_WORD = 16
_SECONDS = 300
_KEPT = (
    "Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "NumberOfFrames", "PixelData",
)  # fmt: skip
_BYTES_PER_PIXEL_BYTE = 8
_BYTES_OF_DECODER = 256 << 20
# The content of a slice, air and all, never packs that well.
_SMALL, _BEST_PACKED = 64 << 20, 1000
_DECODE = """
import sys, numpy, psutil, SimpleITK
if hasattr(psutil, "RLIMIT_AS"):
    process = psutil.Process()
    _, hard = process.rlimit(psutil.RLIMIT_AS)
    most = process.memory_info().vms + int(sys.argv[3])
    most = most if hard == psutil.RLIM_INFINITY else min(most, hard)
    process.rlimit(psutil.RLIMIT_AS, (most, hard))
reader = SimpleITK.ImageFileReader()
reader.SetImageIO("GDCMImageIO")
reader.SetFileName(sys.argv[1])
numpy.save(sys.argv[2], SimpleITK.GetArrayFromImage(reader.Execute()))
"""


@dataclass(frozen=True)
class StoredPixels:
    """Pixels as a file stores them.

    Attributes
    ----------
    array : ndarray
        ``(frames, rows, columns)`` of integers, or float.
    inverted : bool
        Whether the lowest value is white (MONOCHROME1).
    lowest, highest : float
        The range that the stored bits can hold.
    padding : tuple of float or None
        Lowest and highest stored value that stand for no image at all.
    """

    array: npt.NDArray[np.generic]
    inverted: bool
    lowest: float
    highest: float
    padding: tuple[float, float] | None = None

    def is_padding(self, array: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Mark those of some stored values that are padding."""
        if self.padding is None:
            return np.zeros(array.shape, bool)
        least, most = self.padding
        return np.asarray((array >= least) & (array <= most))


def read_stored(path: Path, what: str) -> StoredPixels:
    """Read all frames of a DICOM file.

    Raises
    ------
    MuscleFMError
        The pixels are truncated, damaged, in colour or compressed in a way that
        is not read here.
    """
    try:
        with warnings.catch_warnings():
            # pydicom warns of odd values and cites them.
            warnings.simplefilter("ignore")
            header = read_header(path)
            if int(header.get("SamplesPerPixel") or 1) > 1:
                raise colour_error(what)
            stored = _stored(header, what)
    except (MuscleFMError, MemoryError):
        raise
    except Exception as error:  # of damaged pixels, pydicom raises whatever comes
        raise MuscleFMError(
            f"a DICOM file of {what} is truncated or its compression is not read here",
            "export the series again, uncompressed",
        ) from error
    return stored


def pixel_digests(path: Path) -> tuple[str, ...]:
    """Return the hash of each frame's stored pixels; none where they cannot be read."""
    try:
        array = read_stored(path, "a slice").array
    except MuscleFMError:
        return ()
    return tuple(hashlib.sha256(frame.tobytes()).hexdigest() for frame in array)


def upright(
    array: npt.NDArray[np.float32], stored: StoredPixels, brightest: float
) -> npt.NDArray[np.float32]:
    """Return intensities that rise with brightness, from those of MONOCHROME1.

    Parameters
    ----------
    array : ndarray
        ``(J, I) float32``, a frame of ``stored``.
    stored : StoredPixels
        What the file holds.
    brightest : float
        The highest stored value of the whole image. It stands for air where the
        stored range is far wider than the image, else the range's own end does.
    """
    if not stored.inverted:
        return array
    width = stored.highest - stored.lowest
    full = brightest - stored.lowest >= _NEAR_TOP * width
    return np.float32(stored.highest if full else brightest) - array


def _stored(header: pydicom.FileDataset, what: str) -> StoredPixels:
    inverted = header.get("PhotometricInterpretation") == "MONOCHROME1"
    compressed = header.file_meta.TransferSyntaxUID.is_compressed
    deflated = header.file_meta.TransferSyntaxUID.is_deflated
    array = _decoded(header, what) if compressed and not deflated else header.pixel_array
    array = array.reshape((-1, int(header.Rows), int(header.Columns)))
    if array.dtype.kind == "f":
        least, most = float(array.min()), float(array.max())
        return StoredPixels(array, inverted, least, most, _padding(header, "FloatPixelPadding"))
    bits = int(header.BitsStored)
    unused = 8 * array.dtype.itemsize - bits
    if unused > 0 and not compressed:
        # Above the stored bits old files keep overlays.
        shift = max(int(header.HighBit) + 1 - bits, 0)
        array = np.right_shift(np.left_shift(array, unused - shift), unused)
    signed = bool(header.PixelRepresentation)
    lowest = -float(2 ** (bits - 1)) if signed else 0.0
    padding = _padding(header, "PixelPadding")
    return StoredPixels(array, inverted, lowest, lowest + 2.0**bits - 1, padding)


def _padding(header: pydicom.FileDataset, names: str) -> tuple[float, float] | None:
    """Return the stored values between which all is padding (PS3.3 C.7.5.1.1.2)."""
    ends = [
        _padding_value(header, value)
        for name in (f"{names}Value", f"{names}RangeLimit")
        if (value := header.get(name)) is not None
    ]
    known = [value for value in ends if value is not None]
    return (min(known), max(known)) if known and len(known) == len(ends) else None


def _padding_value(header: pydicom.FileDataset, value: Any) -> float | None:
    """Return a value of padding, of which files may state neither type nor sign as they should."""
    if isinstance(value, bytes):
        order: Literal["little", "big"] = "little" if header.original_encoding[1] else "big"
        value = int.from_bytes(value[:2], order)
    if isinstance(value, int) and header.get("BitsAllocated") == _WORD:
        signed = bool(header.get("PixelRepresentation"))
        word = value % (1 << _WORD)
        value = word - (1 << _WORD) if signed and word >> (_WORD - 1) else word
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _decoded(header: pydicom.FileDataset, what: str) -> npt.NDArray[np.generic]:
    """Return the pixels of compressed frames that may be what the file says of them."""
    rows, columns, bits = int(header.Rows), int(header.Columns), int(header.BitsAllocated)
    frames = int(header.get("NumberOfFrames") or 1)
    packed, frame_bytes = len(header.PixelData), rows * columns * bits // 8
    if frame_bytes * frames > max(_SMALL, _BEST_PACKED * packed):
        raise ValueError("it unpacks beyond any use")
    check_header_shape((frames, rows, columns), what)
    for data in generate_frames(header.PixelData, number_of_frames=frames):
        check_frame(data, rows, columns, frame_bytes)
    return _in_child(header, frame_bytes * frames)


def _python() -> str:
    """Return a Python to start: the running program may be Slicer, of which one is enough."""
    found = shutil.which("PythonSlicer") or sys.executable or ""
    if "python" not in Path(found).name.lower():
        raise MuscleFMError(
            "compressed DICOM images are read in another Python, and none was found",
            "start the library with Python, or convert the series first",
        )
    return found


def _in_child(header: pydicom.FileDataset, pixel_bytes: int) -> npt.NDArray[np.generic]:
    bare = pydicom.Dataset()
    for name in _KEPT:
        if name in header:
            bare[name] = header[name]
    frames = int(header.get("NumberOfFrames") or 1)
    bare.SOPClassUID = (
        MRImageStorage if frames == 1 else MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    )
    bare.SOPInstanceUID = generate_uid()
    bare.PhotometricInterpretation = "MONOCHROME2"
    bare.file_meta = pydicom.dataset.FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = header.file_meta.TransferSyntaxUID
    python = _python()
    memory = _BYTES_OF_DECODER + _BYTES_PER_PIXEL_BYTE * pixel_bytes
    with tempfile.TemporaryDirectory() as folder:
        copy, decoded = Path(folder) / "pixels.dcm", Path(folder) / "pixels.npy"
        bare.save_as(copy, enforce_file_format=True)
        subprocess.run(
            [python, "-c", _DECODE, str(copy), str(decoded), str(memory)],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=_SECONDS,
        )  # fmt: skip
        array: npt.NDArray[np.generic] = np.load(decoded, allow_pickle=False)
    return array
