"""SimpleITK's readers, held to one line of error and silent otherwise."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from musclefm.errors import MuscleFMError
from musclefm.volumes.affine import check_spacing
from musclefm.volumes.checks import check_header_shape, colour_error, damaged_error, pick_volume
from musclefm.volumes.decoded import Decoded

# SimpleITK is not typed.
_toolkit: Any = sitk

# Of two threads that turn standard error away, the second would keep it so for good.
_silencing = threading.RLock()

READERS = {
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
}
"""ITK's reader for the end of a file's name."""


def read_itk(path: Path, what: str, volume: int | None) -> Decoded:
    """Read NRRD or MetaImage.

    Parameters
    ----------
    path : Path
        A file whose name ends as in :data:`READERS`.
    what : str
        What the image is called in messages.
    volume : int or None
        Which volume of a 4-D file, from 1.

    Raises
    ------
    MuscleFMError
        The file is damaged or of another format, has several volumes and none
        was chosen, is in colour, is 2-D, or has an impossible geometry.
    """
    reader = _reader(path, READERS[path.suffix.lower()])
    with silence():
        try:
            reader.ReadImageInformation()
            size = tuple(int(value) for value in reader.GetSize())
            shape, number, notes = _shape(reader, size, what, volume)
            if len(size) == 4:
                reader.SetExtractSize([*size[:3], 0])
                reader.SetExtractIndex([0, 0, 0, number])
            check_spacing(np.asarray(reader.GetSpacing()[:3]), what)
            image = reader.Execute()
        except RuntimeError as error:
            raise _told(error, what) from error
    array = _toolkit.GetArrayFromImage(image).astype(np.float32).reshape(shape)
    matrix = np.eye(4)
    cosines = np.reshape(image.GetDirection(), (3, 3))
    matrix[:3, :3] = cosines * np.asarray(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return Decoded(array, matrix, notes + _unplaced(reader, path, what))


def read_dicom_frames(path: Path, what: str) -> npt.NDArray[np.float32]:
    """Return all frames of a DICOM file, ``(frames, rows, columns)``, rescaled.

    Raises
    ------
    MuscleFMError
        The pixels are truncated, damaged, in colour or compressed in a way that
        is not read here.
    """
    reader = _reader(path, "GDCMImageIO")
    with silence():
        try:
            image = reader.Execute()
        except RuntimeError as error:
            raise MuscleFMError(
                f"a DICOM file of {what} is truncated or its compression is not read here",
                "export the series again, uncompressed",
            ) from error
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise colour_error(what)
    array: npt.NDArray[np.float32] = _toolkit.GetArrayFromImage(image).astype(np.float32)
    return array.reshape((-1, *array.shape[-2:]))


def _reader(path: Path, name: str) -> Any:
    # A named reader: left to itself ITK tries every format it knows.
    reader = _toolkit.ImageFileReader()
    reader.SetImageIO(name)
    reader.SetFileName(str(path))
    return reader


def _shape(
    reader: Any, size: tuple[int, ...], what: str, volume: int | None
) -> tuple[tuple[int, int, int], int, tuple[str, ...]]:
    """Return ``(K, J, I)``, which volume to read, from 0, and what to tell about it."""
    if reader.GetNumberOfComponents() > 1 or len(size) > 4:
        raise colour_error(what)
    if len(size) < 3:
        raise MuscleFMError(
            f"{what} is 2-D and so has no position in the patient",
            "save it as a volume of one slice",
        )
    if min(size) < 1:
        raise damaged_error(what)
    shape = (size[2], size[1], size[0])
    check_header_shape(shape, what)
    number, notes = pick_volume(size[3] if len(size) == 4 else 1, volume, what)
    return shape, number, notes


def _told(error: RuntimeError, what: str) -> MuscleFMError:
    # ITK's text holds the path, so only its subject is passed on.
    text = str(error)
    if "change spacing" in text or "_spacings" in text:
        return MuscleFMError(
            f"{what} has a spacing of zero or one that cannot be read",
            "correct its header or export it again",
        )
    if "determinant" in text:
        return MuscleFMError(f"{what} has parallel axes in its header", "export it again")
    return damaged_error(what)


def _unplaced(reader: Any, path: Path, what: str) -> tuple[str, ...]:
    if not READERS[path.suffix.lower()].startswith("Nrrd") or reader.HasMetaDataKey("NRRD_space"):
        return ()
    return (
        f"the header of {what} does not say how it lies in the patient:"
        " left and right may be swapped",
    )


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep the readers' chatter, which may hold a file's name, off standard error.

    ITK's warnings can be switched off; the C libraries below it write straight
    to the file descriptor, so that is turned away for the time.
    """
    warnings = _toolkit.ProcessObject
    with _silencing, contextlib.ExitStack() as stack:
        stack.callback(warnings.SetGlobalWarningDisplay, warnings.GetGlobalWarningDisplay())
        warnings.SetGlobalWarningDisplay(False)
        # A program without a console, as on Windows, has nothing to turn away.
        with contextlib.suppress(OSError):
            _turn_away(stack)
        yield


def _turn_away(stack: contextlib.ExitStack, descriptor: int = 2) -> None:
    if sys.stderr is not None:
        sys.stderr.flush()
    kept = os.dup(descriptor)
    stack.callback(os.close, kept)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), descriptor)
    stack.callback(os.dup2, kept, descriptor)
