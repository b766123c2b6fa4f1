"""Writing an image: NIfTI, NRRD or MetaImage, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from musclefm.storage.atomic import atomic_bytes
from musclefm.volumes.formats.encoding import encode_volume
from musclefm.volumes.volume import Volume


def write_volume(volume: Volume, path: Path) -> None:
    """Write a volume as NIfTI, NRRD or MetaImage, by the end of the name.

    The grid is kept: oblique, flipped and left-handed alike. NIfTI stores its
    matrix in float32, the other two every digit. The same volume always gives
    the same bytes.

    Parameters
    ----------
    volume : Volume
        ``(K, J, I)`` of bool, an integer type or float32/float64.
    path : Path
        Ends in ``.nii``, ``.nii.gz``, ``.nrrd`` or ``.mha``.

    Raises
    ------
    MuscleFMError
        The name ends otherwise, or the file cannot be written; nothing is left
        behind then.
    """
    atomic_bytes(path, encode_volume(volume, path.name))
