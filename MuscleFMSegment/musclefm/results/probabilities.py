"""Probabilities of all classes as a file, in the form that nnU-Net writes them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.storage.regular_file import open_regular
from musclefm.uncertainty.maps import ClassProbabilities

_MEAN, _UNTEMPERED = "probabilities", "untempered"
_BYTES_PER_VALUE = 8
_HEADER = 4096


def write_probabilities(probabilities: ClassProbabilities, path: Path) -> None:
    """Write probabilities as packed float16; the same give the same file, byte for byte.

    Parameters
    ----------
    probabilities : ClassProbabilities
        ``probabilities`` and, where there is a temperature, ``untempered`` in the file.
    path : Path
        Ends in ``.npz``.
    """
    arrays = {_MEAN: probabilities.mean, _UNTEMPERED: probabilities.untempered}
    # NumPy's own would write the time into it.
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            if array is not None:
                entry = zipfile.ZipInfo(f"{name}.npy")
                entry.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(entry, "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array.astype(np.float16), allow_pickle=False)


def read_probabilities(path: Path, shape: tuple[int, ...]) -> ClassProbabilities:
    """Read probabilities that :func:`write_probabilities` or nnU-Net wrote.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        ``(C, K, J, I)`` as they have to be.

    Raises
    ------
    MuscleFMError
        The file is damaged, holds something else, or probabilities of another shape.
    """
    largest = int(np.prod(shape)) * _BYTES_PER_VALUE + _HEADER
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            found = {
                name: _read(archive, f"{name}.npy", largest)
                for name in (_MEAN, _UNTEMPERED)
                if f"{name}.npy" in archive.namelist()
            }
        mean = found[_MEAN]
        if any(array.shape != shape or array.dtype.kind != "f" for array in found.values()):
            raise ValueError(f"their shape is {mean.shape}, not {shape}")
    except KeyError as error:
        raise _unreadable("they are not in the file") from error
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "the file is damaged"
        raise _unreadable(reason) from error
    return ClassProbabilities(mean, found.get(_UNTEMPERED))


def _read(archive: zipfile.ZipFile, name: str, largest: int) -> npt.NDArray[Any]:
    if archive.getinfo(name).file_size > largest:
        raise ValueError("they are of more voxels or classes than the segmentation")
    with archive.open(name) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _unreadable(reason: str) -> MuscleFMError:
    return MuscleFMError(
        f"the probabilities cannot be read ({reason})",
        "give those of this segmentation, as 'musclefm segment --save-probabilities' or nnU-Net"
        " writes them, or remove the file",
    )
