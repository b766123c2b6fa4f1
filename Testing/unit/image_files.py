"""Image files for tests: ITK images, edited headers, and how a bad one is refused."""

import re
import struct

import numpy as np
import pytest
import SimpleITK as sitk

from musclefm.errors import MuscleFMError
from musclefm.volumes.reading import read_volume

FORMATS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
ONE_FILE = (".nii", ".nii.gz", ".nrrd", ".mha")
PATIENT = "jane-doe"

# Where fields lie in a NIfTI-1 header, and their types (nifti1.h).
FIELDS = {
    "dim": (40, "8h"),
    "datatype": (70, "h"),
    "pixdim": (76, "8f"),
    "vox_offset": (108, "f"),
    "scl_slope": (112, "f"),
    "scl_inter": (116, "f"),
    "xyzt_units": (123, "B"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    "quatern": (256, "3f"),
    "qoffset": (268, "3f"),
    "srow": (280, "12f"),
}


def itk_image(volume):
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing)
    image.SetOrigin(volume.grid.origin)
    image.SetDirection(volume.grid.direction)
    return image


def edit_nifti(path, **fields):
    content = bytearray(path.read_bytes())
    for name, values in fields.items():
        offset, kind = FIELDS[name]
        struct.pack_into(f"<{kind}", content, offset, *np.atleast_1d(values))
    path.write_bytes(content)


def refusal(path, choice=None):
    """Return the one line that refuses an image, which never names the file."""
    with pytest.raises(MuscleFMError) as raised:
        read_volume(path, choice=choice)
    message = str(raised.value)
    assert "\n" not in message
    assert PATIENT not in message
    assert re.fullmatch(r"[^:]+.*: .{5,}", message)
    return message
