"""Folders of label maps of real thighs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from musclefm.errors import MuscleFMError
from musclefm.labels.scheme import LabelScheme
from musclefm.volumes.affine import LARGEST_SPACING_MM
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import to_canonical
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


def labelled_slices(labelmap: Volume, pixel_mm: float, most: int | None = None) -> Volume:
    """Return the labelled slices of a label map, canonical, at another pixel size.

    Nearest neighbour; ``(K, J, I) uint8``. Of more than ``most`` slices every second is
    taken, or every third, and so on, as far as a scan may have gaps.
    """
    canonical, _ = to_canonical(labelmap)
    grid = canonical.grid
    chosen = np.flatnonzero(canonical.array.any(axis=(1, 2)))
    step = -(-len(chosen) // most) if most else 1
    step = max(min(step, int(LARGEST_SPACING_MM / grid.spacing[2])), 1)
    chosen = chosen[::step]
    rows, columns = (
        np.round(np.arange(0, count * spacing, pixel_mm) / spacing).astype(int).clip(max=count - 1)
        for count, spacing in ((grid.shape[1], grid.spacing[1]), (grid.shape[2], grid.spacing[0]))
    )
    array = canonical.array[np.ix_(chosen, rows, columns)]
    spacing = (pixel_mm, pixel_mm, grid.spacing[2] * step)
    return Volume(array, replace(grid, shape=array.shape, spacing=spacing))
