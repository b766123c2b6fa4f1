"""A raw data set of nnU-Net, version 2.

Its layout: documentation/dataset_format.md and documentation/ignore_label.md
of https://github.com/MIC-DKFZ/nnUNet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from musclefm.errors import MuscleFMError
from musclefm.exchange.training_case import TrainingCase, alike
from musclefm.labels.sided import IGNORE, value_names, without_sides
from musclefm.storage.atomic import atomic_text, staged_folder
from musclefm.volumes.writing import write_volume

_ENDING = ".nii.gz"


def write_nnunet(
    cases: Iterable[TrainingCase],
    folder: Path,
    *,
    dataset_id: int = 700,
    name: str = "ThighMuscles",
    sided: bool = False,
) -> Path:
    """Write ``DatasetNNN_Name`` with images, labels and ``dataset.json``.

    Voxels to be ignored get the label that nnU-Net keeps for it, the highest.
    Cases are taken one at a time, so a generator keeps only one in memory.

    Parameters
    ----------
    cases : iterable of TrainingCase
        At least one; all with the same channels and label scheme.
    folder : Path
        In which the data set's folder is made, e.g. ``nnUNet_raw``.
    dataset_id : int
        From 1 to 999.
    name : str
        Letters and digits.
    sided : bool
        Give left and right muscles labels of their own: then train without
        mirroring. Without, the same muscle of both sides has one label.

    Returns
    -------
    Path
        The data set's folder.

    Raises
    ------
    MuscleFMError
        There is no case, the cases differ, id or name are not as above, or the
        folder cannot be written or is there already.
    """
    if not 1 <= dataset_id <= 999 or not re.fullmatch("[A-Za-z0-9]+", name):
        raise MuscleFMError(
            f"nnU-Net takes no data set {dataset_id} called '{name}'",
            "give a number from 1 to 999 and a name of letters and digits",
        )
    final = folder / f"Dataset{dataset_id:03d}_{name}"
    count = 0
    with staged_folder(final) as staged:
        (staged / "imagesTr").mkdir()
        (staged / "labelsTr").mkdir()
        for case in alike(cases):
            count += 1
            for number, image in enumerate(case.channels.values()):
                write_volume(image, staged / "imagesTr" / f"{case.key}_{number:04d}{_ENDING}")
            array = case.labels.array if sided else without_sides(case.labels.array, case.scheme)
            names = value_names(case.scheme, sided=sided)
            array = np.where(array == IGNORE, np.uint8(len(names)), array)
            write_volume(
                case.labels.with_array(array), staged / "labelsTr" / f"{case.key}{_ENDING}"
            )
        if not count:
            raise MuscleFMError("there is no case to export", "add or choose at least one")
        document = {
            "channel_names": {str(number): name for number, name in enumerate(case.channels)},
            "labels": {text: value for value, text in names.items()} | {"ignore": len(names)},
            "numTraining": count,
            "file_ending": _ENDING,
        }
        atomic_text(staged / "dataset.json", json.dumps(document, indent=2) + "\n")
    return final
