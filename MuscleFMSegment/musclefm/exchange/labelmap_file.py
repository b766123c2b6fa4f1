"""Labels as a plain labelmap, and a table of what its values mean."""

from __future__ import annotations

import json
from pathlib import Path

from musclefm.anatomy.scheme import LabelScheme
from musclefm.exchange.sided_labels import IGNORE, check_sided_labels, value_names
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import atomic_text, write_volume


def write_labelmap(path: Path, labels: Volume, scheme: LabelScheme) -> Path:
    """Write sided labels as NIfTI, NRRD or MetaImage, and beside it their names as JSON.

    The table is a mapping file that :func:`musclefm.exchange.label_mapping.read_mapping`
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
