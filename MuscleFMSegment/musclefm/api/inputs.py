"""Images as a researcher has them: paths, arrays, SimpleITK images, volumes, or some by channel."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.progress import Progress, silent
from musclefm.volumes.channels import Channels, check_channel_names, judged_channels
from musclefm.volumes.checks import colour_error
from musclefm.volumes.formats.decoded import Decoded, SeriesChoice
from musclefm.volumes.reading import ReadVolume, judged_volume, read_volume
from musclefm.volumes.volume import Volume

if TYPE_CHECKING:
    import SimpleITK

ImageInput: TypeAlias = "str | os.PathLike[str] | npt.NDArray[Any] | Volume | SimpleITK.Image"

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_GIVE_AFFINE = "give affine=, the 4 x 4 matrix from voxel indices (i, j, k, 1) to RAS in mm"


def by_channel(image: ImageInput | Mapping[str, ImageInput]) -> dict[str, ImageInput]:
    """Return the images by channel; one alone is ``"image"``.

    Raises
    ------
    MuscleFMError
        A channel's name is not known.
    """
    images = cast(
        "dict[str, ImageInput]", dict(image) if isinstance(image, Mapping) else {"image": image}
    )
    check_channel_names(images)
    return images


def paths_in(images: Mapping[str, ImageInput]) -> list[Path]:
    """Return those of some images that are files or folders."""
    return [Path(image) for image in images.values() if isinstance(image, str | os.PathLike)]


def read_inputs(
    images: Mapping[str, ImageInput],
    affine: npt.ArrayLike | None = None,
    series: int | None = None,
    echo: int | None = None,
    progress: Progress = silent,
) -> Channels:
    """Read and judge the images of one scan.

    Parameters
    ----------
    images : mapping of str to image
        By names of ``volumes.channels.CHANNEL_NAMES``.
    affine : array_like, optional
        ``(4, 4)`` from ``(i, j, k, 1)`` to RAS in mm, of images that are arrays.
    series, echo : int, optional
        Which one to take, from 1, of images that are paths.
    progress : Progress
        Called while many DICOM files are read.

    Raises
    ------
    MuscleFMError
        An image is not a single greyscale volume with a geometry, cannot be read, or lies
        on another grid than the others.
    TypeError
        It is none of these types.
    """
    read = {}
    for name, image in images.items():
        what = "the image" if name == "image" else f"the {name} image"
        if isinstance(image, str | os.PathLike):
            if not os.fspath(image):
                raise MuscleFMError(f"{what} has an empty path", "name a file or folder")
            choice = SeriesChoice(series=series, echo=echo, channel=name)
            read[name] = read_volume(Path(image), choice=choice, what=what, progress=progress)
        else:
            read[name] = _judged(image, affine, what)
    return judged_channels(read)


def _judged(image: Any, affine: npt.ArrayLike | None, what: str) -> ReadVolume:
    if isinstance(image, Volume):
        array, to_lps = image.array, image.grid.ijk_to_lps
    elif type(image).__module__.partition(".")[0] == "SimpleITK":
        array, to_lps = _of_simpleitk(image, what)
    elif hasattr(image, "__array__") or isinstance(image, list | tuple):
        array, to_lps = np.asarray(image), _RAS_TO_LPS @ _matrix(affine, what)
    else:
        raise TypeError(
            f"{what} is a {type(image).__name__}: give a path, an array (K, J, I) with an affine,"
            " a SimpleITK image, or a musclefm.Volume"
        )
    if array.dtype.kind == "c":
        raise colour_error(what)
    if array.dtype.kind not in "biuf":
        raise MuscleFMError(f"{what} holds {array.dtype}", "give an array of real numbers")
    if array.ndim != 3:
        raise MuscleFMError(
            f"{what} is an array of {array.ndim} axes", "give a single volume, axes (K, J, I)"
        )
    # Numbers beyond float32 become infinite, which is refused.
    with np.errstate(over="ignore"):
        return judged_volume(Decoded(array.astype(np.float32), to_lps), what)


def _matrix(affine: npt.ArrayLike | None, what: str) -> npt.NDArray[np.float64]:
    if affine is None:
        raise MuscleFMError(
            f"{what} is an array, which does not say where it lies in the patient", _GIVE_AFFINE
        )
    matrix = np.asarray(affine, np.float64)
    if matrix.shape != (4, 4) or not np.array_equal(matrix[3], [0, 0, 0, 1]):
        raise MuscleFMError("the affine is not a 4 x 4 matrix with last row 0 0 0 1", _GIVE_AFFINE)
    return matrix


def _of_simpleitk(
    image: SimpleITK.Image, what: str
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    import SimpleITK

    if image.GetNumberOfComponentsPerPixel() > 1:
        raise colour_error(what)
    array = SimpleITK.GetArrayViewFromImage(image)
    to_lps = np.eye(4)
    if image.GetDimension() == 3:
        to_lps[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
        to_lps[:3, 3] = image.GetOrigin()
    return array, to_lps
