"""Reading an image of any supported format into a checked volume."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musclefm.errors import MuscleFMError
from musclefm.progress import Progress, silent
from musclefm.volumes.affine import grid_of_affine
from musclefm.volumes.checks import (
    check_size,
    checked_intensities,
    empty_error,
    looks_like_ct,
)
from musclefm.volumes.dicom.files import is_dicom
from musclefm.volumes.dicom.series import read_dicom
from musclefm.volumes.formats.decoded import Decoded, SeriesChoice, SeriesDescription
from musclefm.volumes.formats.names import FORMATS, read_image_file
from musclefm.volumes.orientation import to_canonical
from musclefm.volumes.volume import Volume


@dataclass(frozen=True)
class ReadVolume:
    """An image that was read, and what to tell about it.

    Attributes
    ----------
    volume : Volume
        ``(K, J, I) float32`` on the grid of the file.
    notes : tuple of str
        What the user should know, a line each.
    modality : str
        DICOM's code, e.g. ``"MR"``; empty where the file does not say.
    sha256 : str
        Of voxels and geometry, see :func:`volume_sha256`.
    series : tuple of SeriesDescription
        All series of the DICOM folder; empty for other formats.
    has_gaps : bool
        Whether the slices are known to be much thinner than they lie apart.
    """

    volume: Volume
    notes: tuple[str, ...]
    modality: str
    sha256: str
    series: tuple[SeriesDescription, ...]
    has_gaps: bool


def read_volume(
    path: Path,
    *,
    choice: SeriesChoice | None = None,
    what: str = "the image",
    labels: bool = False,
    progress: Progress = silent,
) -> ReadVolume:
    """Read NIfTI, NRRD, MetaImage, or a DICOM folder or file.

    Parameters
    ----------
    path : Path
        A file or a folder. Of a DICOM file the series is read that it belongs to.
    choice : SeriesChoice, optional
        Which series or echo to take where there are several.
    what : str
        What the image is called in messages, e.g. ``"the fat image"``.
    labels : bool
        Whether the voxels are labels: they are then returned as they are, where in
        images NaN outside the body becomes 0.
    progress : Progress
        Called while many DICOM files are read.

    Raises
    ------
    MuscleFMError
        The image is missing, empty, damaged, of an unknown format, or not a
        single greyscale volume with a geometry; see also ``volumes.checks``.
    """
    choice = choice or SeriesChoice()
    try:
        decoded, series = _decode(path, what, choice, progress)
    except OSError as error:
        raise MuscleFMError(
            f"{what} cannot be opened ({error.strerror or 'input or output error'})",
            "check its access rights and the disk that it is on",
        ) from error
    return judged_volume(decoded, what, series, labels=labels)


def judged_volume(
    decoded: Decoded,
    what: str,
    series: tuple[SeriesDescription, ...] = (),
    *,
    labels: bool = False,
) -> ReadVolume:
    """Judge voxels and geometry, wherever they came from.

    Parameters
    ----------
    decoded : Decoded
        As a file or a program states them.
    what : str
        What the image is called in messages.
    series : tuple of SeriesDescription
        All series of the DICOM folder.
    labels : bool
        As of :func:`read_volume`.

    Raises
    ------
    MuscleFMError
        They are no image, see ``volumes.checks`` and ``volumes.affine``.
    """
    shape = decoded.array.shape
    check_size(shape, what)
    grid, grid_notes = grid_of_affine(decoded.ijk_to_lps, (shape[0], shape[1], shape[2]), what)
    volume = Volume(np.ascontiguousarray(decoded.array), grid)
    if not labels:
        volume = checked_intensities(volume, what)
    return ReadVolume(
        volume=volume,
        notes=decoded.notes + grid_notes + _unexpected_modality(decoded, what),
        modality=decoded.modality,
        sha256=volume_sha256(volume),
        series=series,
        has_gaps=decoded.has_gaps,
    )


def volume_sha256(volume: Volume) -> str:
    """Return the hash of a volume's voxels and geometry, whatever file it came from.

    It is taken over the shape (int64), the 4 x 4 matrix to LPS (float64, mm)
    and the voxels (float32), all little-endian in array order.
    """
    digest = hashlib.sha256()
    digest.update(np.asarray(volume.array.shape, "<i8").tobytes())
    digest.update(np.asarray(volume.grid.ijk_to_lps, "<f8").tobytes())
    digest.update(np.ascontiguousarray(volume.array, "<f4").data)
    return digest.hexdigest()


def voxels_sha256(volume: Volume) -> str:
    """Return the hash of a volume's voxels alone, in whatever order of axes they are stored.

    It is taken over the canonical shape (int64) and voxels (float32), little-endian.
    """
    voxels = np.ascontiguousarray(to_canonical(volume)[0].array, "<f4")
    digest = hashlib.sha256(np.asarray(voxels.shape, "<i8").tobytes())
    digest.update(voxels.data)
    return digest.hexdigest()


def _decode(
    path: Path, what: str, choice: SeriesChoice, progress: Progress
) -> tuple[Decoded, tuple[SeriesDescription, ...]]:
    if path.is_dir():
        return read_dicom(path, what, choice, progress)
    if not path.exists():
        raise MuscleFMError(f"{what} does not exist", "check the path")
    if not path.is_file():
        raise MuscleFMError(f"{what} is neither a file nor a folder", f"give {FORMATS}")
    if path.stat().st_size == 0:
        raise empty_error(what)
    if is_dicom(path):
        return read_dicom(path, what, choice, progress)
    if choice.series is not None:
        raise MuscleFMError(f"{what} is not a DICOM series", "leave out --series")
    if path.suffix.lower() in (".dcm", ".ima"):
        raise MuscleFMError(
            f"{what} is not a DICOM file, although its name says so", f"give {FORMATS}"
        )
    return read_image_file(path, what, choice.echo), ()


def _unexpected_modality(decoded: Decoded, what: str) -> tuple[str, ...]:
    modality = decoded.modality
    if not modality and looks_like_ct(decoded.array):
        modality = "CT"
    if modality in ("", "MR"):
        return ()
    kind = "looks like CT" if not decoded.modality else f"is {modality}"
    return (f"{what} {kind}, while the models know only MR: expect poor labels",)
