"""A data set as MONAI reads it: NIfTI files and a ``datalist.json``.

The list has the keys of the Medical Segmentation Decathlon's ``dataset.json``
(http://medicaldecathlon.com), which ``monai.data.load_decathlon_datalist``
documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.exchange.training_case import TrainingCase, alike
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
        names = value_names(case.scheme, sided=sided) | {IGNORE: "ignore"}
        document = {
            "name": "Thigh muscles on MR",
            "description": f"{case.scheme.title}; {'sided' if sided else 'both sides alike'}",
            "modality": {str(number): name for number, name in enumerate(case.channels)},
            "labels": {str(value): name for value, name in names.items()},
            "numTraining": len(items),
            "numTest": 0,
            "training": items,
            "test": [],
        }
        atomic_text(staged / "datalist.json", json.dumps(document, indent=2) + "\n")
    return folder / "datalist.json"
