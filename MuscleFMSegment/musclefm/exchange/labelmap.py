"""Plain labelmaps of NIfTI, NRRD and MetaImage, and the table of what their values mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from musclefm.errors import MuscleFMError
from musclefm.exchange.external_labels import ExternalLabels, ExternalSegment, whole_numbers
from musclefm.labels.scheme import LabelScheme
from musclefm.labels.sided import IGNORE, check_sided_labels, value_names
from musclefm.storage.atomic import atomic_text
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

_MOST_VALUES = 255


def write_labelmap(path: Path, labels: Volume, scheme: LabelScheme) -> Path:
    """Write sided labels as NIfTI, NRRD or MetaImage, and beside it their names as JSON.

    The table is a mapping file that :func:`musclefm.labels.mapping.read_mapping`
    reads.

    Parameters
    ----------
    path : Path
        Ends in ``.nii.gz``, ``.nii``, ``.nrrd`` or ``.mha``.
    labels : Volume
        ``(K, J, I) uint8``: sided values, see
        :meth:`LabelScheme.labels_of_sides`; 255 marks voxels to be ignored.
    scheme : LabelScheme
        What the labels mean.

    Returns
    -------
    Path
        The table, e.g. ``labels.json`` for ``labels.nii.gz``.

    Raises
    ------
    MuscleFMError
        The labels are not the scheme's, or the files cannot be written.
    """
    check_sided_labels(labels.array, scheme)
    table = path.with_name(path.name.split(".")[0] + ".json")
    names = value_names(scheme, sided=True) | {IGNORE: "ignore"}
    texts = {str(value): name.replace("_", " ") for value, name in names.items() if value}
    write_volume(labels, path)
    atomic_text(table, json.dumps(texts, indent=2) + "\n")
    return table


def read_labelmap(path: Path, what: str) -> ExternalLabels:
    """Read a labelmap.

    Raises
    ------
    MuscleFMError
        It cannot be read, has values that are no whole numbers, too many of them for a
        labelmap, or no label at all.
    """
    volume = read_volume(path, what=what, labels=True).volume
    labels = volume.with_array(whole_numbers(volume.array, what))
    values = np.unique(labels.array).tolist()
    if len(values) > _MOST_VALUES:
        raise MuscleFMError(
            f"{what} has {len(values)} different values", "give a labelmap, not an image"
        )
    if values == [0]:
        raise MuscleFMError(f"{what} holds no label", "draw a muscle first, or give another file")
    return ExternalLabels(
        labels,
        tuple(ExternalSegment(value) for value in values if value),
        numbered=True,
    )
