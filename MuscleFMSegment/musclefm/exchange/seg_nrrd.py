"""Sided labels as a segmentation of 3D Slicer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from musclefm.anatomy.scheme import LabelScheme
from musclefm.exchange.sided_labels import IGNORE, check_sided_labels, without_sides
from musclefm.uncertainty.maps import LEFT, RIGHT
from musclefm.volumes.segmentation import write_segmentation
from musclefm.volumes.volume import Volume


def write_seg_nrrd(path: Path, labels: Volume, scheme: LabelScheme) -> None:
    """Write sided labels as ``.seg.nrrd``; see :func:`write_segmentation`.

    Parameters
    ----------
    path : Path
        Ends in ``.seg.nrrd``.
    labels : Volume
        ``(K, J, I) uint8``: sided values, see
        :meth:`LabelScheme.labels_of_sides`; voxels to be ignored are left out.
    scheme : LabelScheme
        Names, colours and codes.

    Raises
    ------
    MuscleFMError
        The labels are not the scheme's, or the file cannot be written.
    """
    check_sided_labels(labels.array, scheme)
    values = np.where(labels.array == IGNORE, np.uint8(0), labels.array)
    sides = np.where(values > len(scheme.labels), np.uint8(LEFT), np.uint8(RIGHT))
    write_segmentation(path, without_sides(values, scheme), sides, labels.grid, scheme)
