"""A data set as MONAI reads it: NIfTI files and a ``datalist.json``.

The list has the keys of the Medical Segmentation Decathlon's ``dataset.json``
(http://medicaldecathlon.com), which ``monai.data.load_decathlon_datalist``
documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.exchange.training_case import TrainingCase, alike
from musclefm.labels.scheme import LabelScheme
from musclefm.labels.sided import IGNORE, value_names, without_sides
from musclefm.storage.atomic import atomic_text, staged_folder
from musclefm.volumes.writing import write_volume


def write_datalist(cases: Iterable[TrainingCase], folder: Path, *, sided: bool = False) -> Path:
    """Write a data set for MONAI.

    Cases are taken one at a time, so a generator keeps only one in memory.

    Parameters
    ----------
    cases : iterable of TrainingCase
        At least one; all with the same channels and label scheme.
    folder : Path
        New or empty; it appears as a whole.
    sided : bool
        Give left and right muscles labels of their own. Without, the same
        muscle of both sides has one label, as this project's networks learn it.

    Returns
    -------
    Path
        The ``datalist.json``. Each item of its ``training`` list has ``image``
        (a list, a file a channel), ``label`` and ``subject``; voxels to be
        ignored are 255.

    Raises
    ------
    MuscleFMError
        There is no case, the cases differ, or the folder cannot be written.
    """
    items: list[dict[str, object]] = []
    with staged_folder(folder) as staged:
        for case in alike(cases):
            images = {
                f"images/{case.key}-{name}.nii.gz": volume for name, volume in case.channels.items()
            }
            label = f"labels/{case.key}.nii.gz"
            array = case.labels.array if sided else without_sides(case.labels.array, case.scheme)
            for name, volume in (images | {label: case.labels.with_array(array)}).items():
                (staged / name).parent.mkdir(exist_ok=True)
                write_volume(volume, staged / name)
            items.append({"image": list(images), "label": label, "subject": case.subject})
        if not items:
            raise MuscleFMError("there is no case to export", "add or choose at least one")
        text = datalist_text(items, list(case.channels), case.scheme, sided=sided)
        atomic_text(staged / "datalist.json", text)
    return folder / "datalist.json"


def datalist_text(
    items: Sequence[Mapping[str, object]],
    channels: Sequence[str],
    scheme: LabelScheme,
    *,
    sided: bool,
) -> str:
    """Return the text of a ``datalist.json``.

    Parameters
    ----------
    items : sequence of mapping
        Of its ``training`` list, see :func:`write_datalist`; ``severity`` and ``fold``
        may stand beside.
    channels : sequence of str
        Their names, in the order of each item's images.
    scheme : LabelScheme
        Of the labels.
    sided : bool
        Whether the labels have sides.
    """
    names = value_names(scheme, sided=sided) | {IGNORE: "ignore"}
    document = {
        "name": "Thigh muscles on MR",
        "description": f"{scheme.title}; {'sided' if sided else 'both sides alike'}",
        "modality": {str(number): name for number, name in enumerate(channels)},
        "labels": {str(value): name for value, name in names.items()},
        "numTraining": len(items),
        "numTest": 0,
        "training": items,
        "test": [],
    }
    return json.dumps(document, indent=2) + "\n"
