"""Reading maps that this library wrote: every value as it is, NaN and all-zero labels too."""

from __future__ import annotations

from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.volumes.affine import grid_of_affine
from musclefm.volumes.formats.names import read_image_file
from musclefm.volumes.volume import Volume


def read_stored(path: Path, what: str) -> Volume:
    """Read a map that :func:`musclefm.storage.atomic.write_volume` wrote.

    Unlike :func:`musclefm.volumes.reading.read_volume` it does not judge the
    values: labels may be empty, a fat fraction may be undefined. Voxels in a
    second file are refused: nothing would notice that they were replaced.

    Parameters
    ----------
    path : Path
        Ends in ``.nii``, ``.nii.gz``, ``.nrrd`` or ``.mha``.
    what : str
        What the map is called in messages, e.g. ``"the fat fraction"``.

    Returns
    -------
    Volume
        ``(K, J, I) float32``: exact for labels and region ids.

    Raises
    ------
    MuscleFMError
        The file is missing, damaged or cannot be read.
    """
    try:
        decoded = read_image_file(path, what, None, alone=True)
    except OSError as error:
        raise MuscleFMError(
            f"{what} cannot be opened ({error.strerror or 'input or output error'})",
            "check that the folder is whole and may be read",
        ) from error
    k, j, i = decoded.array.shape
    grid, _ = grid_of_affine(decoded.ijk_to_lps, (k, j, i), what)
    return Volume(decoded.array, grid)
