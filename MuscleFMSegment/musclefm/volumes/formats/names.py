"""Which reader a file takes, by the end of its name."""

from __future__ import annotations

import zlib
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.volumes.checks import damaged_error
from musclefm.volumes.formats.decoded import Decoded
from musclefm.volumes.formats.metaimage import read_metaimage
from musclefm.volumes.formats.nifti import read_nifti
from musclefm.volumes.formats.nrrd import read_nrrd

FORMATS = (
    "NIfTI (.nii, .nii.gz, .img with .hdr), NRRD (.nrrd, .nhdr), MetaImage (.mha, .mhd)"
    " or a DICOM series"
)

_READERS = {
    (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz"): read_nifti,
    (".nrrd", ".nhdr"): read_nrrd,
    (".mha", ".mhd"): read_metaimage,
}
# What a reader stumbles over in a header: fields that are missing, are no numbers or
# too large ones; and in voxels that are packed and cut off or changed.
_OF_DAMAGE = (ArithmeticError, EOFError, LookupError, TypeError, ValueError, zlib.error)


def read_image_file(path: Path, what: str, volume: int | None, *, alone: bool = False) -> Decoded:
    """Read NIfTI, NRRD or MetaImage.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What the image is called in messages.
    volume : int or None
        Which volume of a 4-D file, from 1.
    alone : bool
        Whether voxels in a second file are refused.

    Raises
    ------
    MuscleFMError
        The name ends otherwise, or the file is not what it should be.
    OSError
        It cannot be opened.
    """
    for endings, reader in _READERS.items():
        if path.name.lower().endswith(endings):
            try:
                return reader(path, what, volume, alone=alone)
            except _OF_DAMAGE as error:
                raise damaged_error(what) from error
    raise MuscleFMError(f"{what} is of no format that is read here", f"give {FORMATS}")
