"""Folders of label maps of real thighs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import LabelScheme
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume


@dataclass(frozen=True)
class Anatomy:
    """A label map of both thighs.

    Attributes
    ----------
    subject : str
        Pseudonym: the file's name without its last ``_NNNN``.
    labelmap : Volume
        ``(K, J, I) uint8``.
    """

    subject: str
    labelmap: Volume


def load_anatomies(folder: Path, scheme: LabelScheme) -> list[Anatomy]:
    """Load every NIfTI label map of a folder, sorted by name.

    Raises
    ------
    MuscleFMError
        No label map in the folder, or one with labels outside the scheme.
    """
    paths = sorted(folder.glob("*.nii.gz"))
    if not paths:
        raise MuscleFMError(
            "no label maps (*.nii.gz) in the anatomies folder", "name a folder that holds some"
        )
    anatomies = []
    for path in paths:
        image = sitk.ReadImage(str(path))
        array = sitk.GetArrayFromImage(image)
        if array.max() >= scheme.class_count:
            raise MuscleFMError(
                f"a label map holds {int(array.max())}, beyond scheme '{scheme.name}'",
                "use label maps in the scheme's ids",
            )
        grid = Grid(array.shape, image.GetSpacing(), image.GetOrigin(), image.GetDirection())
        subject = re.sub(r"_\d{4}$", "", path.name.removesuffix(".nii.gz"))
        anatomies.append(Anatomy(subject, Volume(array.astype(np.uint8), grid)))
    return anatomies
