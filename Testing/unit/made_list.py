"""A data list of thighs that a tiny network learns in a second."""

import json
from pathlib import Path

from made_training import GRID, LEFT, thighs

from musclefm.evaluation.cohort.severity import SEVERITIES
from musclefm.labels.scheme import load_scheme
from musclefm.labels.sided import value_names
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

SCHEME = load_scheme("thigh-11")


def made_list(folder: Path, subjects: int) -> Path:
    """Write a list of as many subjects, their severities in turn, and return its file."""
    folder.mkdir()
    items = []
    for number in range(subjects):
        image, labels = thighs(number)
        plain = labels - LEFT * (labels > LEFT)
        write_volume(Volume(image, GRID), folder / f"{number}.nii.gz")
        write_volume(Volume(plain, GRID), folder / f"{number}-labels.nii.gz")
        items.append(
            {
                "image": f"{number}.nii.gz",
                "label": f"{number}-labels.nii.gz",
                "subject": f"person-{number}",
                "severity": SEVERITIES[number % 3],
            }
        )
    names = {str(value): name for value, name in value_names(SCHEME, sided=False).items()}
    document = {"modality": {"0": "image"}, "labels": names, "training": items}
    file = folder / "datalist.json"
    file.write_text(json.dumps(document))
    return file
