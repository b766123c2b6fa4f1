"""Which reader a file takes, by the end of its name."""

from __future__ import annotations

from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.volumes.decoded import Decoded
from musclefm.volumes.metaimage import read_metaimage
from musclefm.volumes.nifti import read_nifti
from musclefm.volumes.nrrd import read_nrrd

FORMATS = (
    "NIfTI (.nii, .nii.gz, .img with .hdr), NRRD (.nrrd, .nhdr), MetaImage (.mha, .mhd)"
    " or a DICOM series"
)

_READERS = {
    (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz"): read_nifti,
    (".nrrd", ".nhdr"): read_nrrd,
    (".mha", ".mhd"): read_metaimage,
}
ENDINGS = tuple(ending for endings in _READERS for ending in endings)
"""How the name of an image's file may end, in small letters."""


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
            return reader(path, what, volume, alone=alone)
    raise MuscleFMError(f"{what} is of no format that is read here", f"give {FORMATS}")
