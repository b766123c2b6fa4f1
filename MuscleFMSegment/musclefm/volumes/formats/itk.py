"""SimpleITK's reader of DICOM, held to one line of error and silent otherwise."""

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
from musclefm.volumes.checks import colour_error

# SimpleITK is not typed.
_toolkit: Any = sitk

# Of two threads that turn standard error away, the second would keep it so for good.
_silencing = threading.RLock()


def read_dicom_frames(path: Path, what: str) -> npt.NDArray[np.float32]:
    """Return all frames of a DICOM file, ``(frames, rows, columns)``, rescaled.

    Raises
    ------
    MuscleFMError
        The pixels are truncated, damaged, in colour or compressed in a way that
        is not read here.
    """
    # A named reader: left to itself ITK tries every format it knows.
    reader = _toolkit.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
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
