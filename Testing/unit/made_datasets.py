"""Small data sets in the layouts of the public ones, on a server of this computer."""

import io
import json
import zipfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from file_server import FileServer, serving
from made_dicom import write_enhanced
from made_training import GRID, LEFT, thighs

from musclefm.datasets.catalogue import find_dataset
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

SUBJECTS = 6
# Of the subjects in their order: early, moderate, severe, and so on.
FAT_FRACTIONS = (0.1, 0.4, 0.7)


def subject_name(number: int) -> str:
    return f"S{number:02d}"


def plain_labels(seed: int) -> np.ndarray:
    """Return the muscles of both thighs alike: 3 vastus lateralis, 7 gracilis of thigh-11."""
    labels = thighs(seed)[1]
    return np.where(labels > LEFT, labels - LEFT, labels)


def dixon(number: int) -> dict[str, Volume]:
    image, _ = thighs(number)
    fraction = FAT_FRACTIONS[number % 3]
    parts = {"water": image * (1 - fraction), "fat": image * fraction}
    parts |= {"in-phase": image, "out-of-phase": image * abs(1 - 2 * fraction) + 1}
    return {name: Volume(array.astype(np.float32), GRID) for name, array in parts.items()}


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write(volume: Volume | np.ndarray, path: Path) -> None:
    write_volume(volume if isinstance(volume, Volume) else Volume(volume, GRID), made(path))


def made_files(name: str, folder: Path, subjects: int = SUBJECTS) -> Path:
    """Write the files of a data set, of the channels that its layout asks for."""
    dataset = find_dataset(name)
    for number in range(subjects):
        subject, labels = subject_name(number), plain_labels(number)
        right = np.arange(GRID.shape[2]) < GRID.shape[2] // 2
        places = {"subject": subject, "part": "1"}
        if name == "nnunet-raw":
            severity = ("Healthy", "Moderate", "Severe")[number % 3]
            places |= {"split": "Test" if number >= 3 else "Train", "severity": severity}
            labels = np.select([labels == 3, labels == 7], [1, 6], 0)
        elif name == "kway":
            labels = np.select([labels == 3, labels == 7], [2, 7], 0) * right
        elif name == "sheffield":
            # A structure that is no muscle of the thigh, too.
            labels = np.select([labels == 3, labels == 7], [248, 110], 0) * right
            labels[1, 2, 3] = 55
        for channel, pattern in dataset.channels.items():
            place = folder / pattern.format(**places)
            if name == "sheffield":
                write_enhanced(made(place), {0.0: Volume(thighs(number)[0], GRID)})
            else:
                write(dixon(number)[channel], place)
        if name == "myosegmentum":
            for mask, mark in (("ROI_Quadriceps", labels == 3), ("ROI_Gracilis", labels == 7)):
                reference = dataset.reference.format(**places, mask=mask)
                write(mark.astype(np.uint8), folder / reference)
        elif name == "sheffield":
            grey = Volume(labels.astype(np.float32), GRID)
            write_enhanced(made(folder / dataset.reference.format(**places)), {0.0: grey})
        else:
            write(labels.astype(np.uint8), folder / dataset.reference.format(**places))
    return folder


def zipped(folder: Path, under: str = "") -> bytes:
    """Return a folder as a zip file, with a folder around it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, under + path.relative_to(folder).as_posix())
    return buffer.getvalue()


@contextmanager
def served(name: str, content: bytes, home: Path, **changes):
    """Have a data set of one archive lie on a server of this computer; yields the server."""
    with ExitStack() as stack:
        server = stack.enter_context(serving(FileServer(content)))
        document = find_dataset(name).model_dump()
        archive = document["archives"][0] | {"address": server.address}
        document |= {"archives": [archive], **changes}
        (home / "datasets").mkdir(parents=True, exist_ok=True)
        (home / "datasets" / f"{name}.json").write_text(json.dumps(document))
        yield server
