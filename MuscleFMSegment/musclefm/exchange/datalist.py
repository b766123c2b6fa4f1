"""A data set as MONAI reads it: NIfTI files and a ``datalist.json``.

The list has the keys of the Medical Segmentation Decathlon's ``dataset.json``
(http://medicaldecathlon.com), which ``monai.data.load_decathlon_datalist``
documents; ``test`` holds cases as ``training`` does. What else this project notes
there is said by :class:`DataList`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from musclefm.errors import MuscleFMError
from musclefm.exchange.training_case import TrainingCase, alike
from musclefm.labels.scheme import LabelScheme
from musclefm.labels.sided import IGNORE, value_names, without_sides
from musclefm.storage.atomic import atomic_text, staged_folder
from musclefm.storage.regular_file import read_regular
from musclefm.volumes.channels import CHANNEL_NAMES
from musclefm.volumes.writing import write_volume

DATA_LIST_FILE = "datalist.json"

# A hundred thousand cases.
_LARGEST_LIST = 64 << 20

Item = dict[str, object]
"""A case as the list has it."""

TEST = "test"
"""Split of the cases that are not learned from."""


class ListedCase(BaseModel):
    """A case of a list; files are relative to it.

    Attributes
    ----------
    image : str or list of str
        A file, or one for each channel.
    label : str
        Labels on the voxels of the image.
    subject : str or None
        The same for all cases of a person.
    severity : str or None
        Of the fatty infiltration, see ``severity_rule`` of the list.
    split : str or None
        ``"test"`` for a case that is not learned from; cases of the list ``test`` are so.
    """

    image: str | list[str]
    label: str
    subject: str | None = None
    severity: str | None = None
    split: str | None = None


class DataList(BaseModel):
    """A list of cases.

    Attributes
    ----------
    description : str
        What it holds.
    modality, labels : dict of str to str
        Channels by number, label names by value.
    training, test : list of ListedCase
        The cases, see :meth:`cases`.
    annotated : list of str or None
        Muscles that the labels would show if they were there, as ``labels`` calls them;
        None for all. Others may lie in the background.
    merged : list of list of str
        Muscles that have the label of one of them, as the reference has one label for all.
    severity_rule : str
        What the severities follow from.
    """

    description: str = ""
    modality: dict[str, str]
    labels: dict[str, str]
    training: list[ListedCase]
    test: list[ListedCase] = []
    annotated: list[str] | None = None
    merged: list[list[str]] = []
    severity_rule: str = ""

    def cases(self) -> list[ListedCase]:
        """Return all cases, each with its split."""
        return self.training + [x.model_copy(update={"split": TEST}) for x in self.test]

    def is_sided(self, scheme: LabelScheme) -> bool:
        """Tell whether the labels have sides.

        Raises
        ------
        MuscleFMError
            They are not the scheme's.
        """
        for sided in (False, True):
            names = value_names(scheme, sided=sided) | {IGNORE: "ignore"}
            labels = self.labels.items()
            if all(names.get(int(v) if v.isdigit() else -1) == name for v, name in labels):
                return sided
        raise MuscleFMError(
            f"the data list has labels of another scheme than the model's, '{scheme.name}'",
            "train a model of the same scheme",
        )

    def channel_names(self) -> list[str]:
        """Return the channels in the order of a case's images.

        Raises
        ------
        MuscleFMError
            One is unknown.
        """
        names = [self.modality[n] for n in sorted(self.modality, key=lambda n: n.zfill(3))]
        if len(names) == 1 and names[0] not in CHANNEL_NAMES:
            return ["image"]
        if not names or not set(names) <= set(CHANNEL_NAMES):
            raise MuscleFMError(
                "the data list has channels of unknown names",
                f"call each modality one of {', '.join(CHANNEL_NAMES)}",
            )
        return names

    def images(self, case: ListedCase, folder: Path) -> dict[str, Path]:
        """Return the images of a case that are there, by channel, from the list's folder."""
        files = [case.image] if isinstance(case.image, str) else case.image
        numbers = sorted(self.modality, key=lambda n: n.zfill(3))
        named = zip((self.modality[n] for n in numbers), files, strict=False)
        return {name: folder / file for name, file in named if (folder / file).is_file()}

    def merged_muscles(self, scheme: LabelScheme) -> tuple[frozenset[int], ...]:
        """Return the ids of muscles that the labels do not tell apart."""
        return tuple(_ids(group, scheme) for group in self.merged)

    def annotated_muscles(self, scheme: LabelScheme) -> frozenset[int]:
        """Return the ids of muscles that are never background, merged ones included."""
        if self.annotated is None:
            return frozenset(label.id for label in scheme.labels)
        return _ids(self.annotated, scheme).union(*self.merged_muscles(scheme))

    def unlearnable(self, scheme: LabelScheme) -> list[str]:
        """Return the muscles of a scheme that no label shows alone."""
        learned = self.annotated_muscles(scheme).difference(*self.merged_muscles(scheme))
        return [label.name for label in scheme.labels if label.id not in learned]


def read_datalist(file: Path) -> DataList:
    """Read a data list.

    Raises
    ------
    MuscleFMError
        It cannot be read.
    """
    try:
        return DataList.model_validate_json(read_regular(file, _LARGEST_LIST))
    except OSError as error:
        raise MuscleFMError(
            f"the data list cannot be read ({error.strerror or 'input or output error'})",
            "check its access rights, or write it again",
        ) from error
    except ValidationError as error:
        raise MuscleFMError(
            f"the data list cannot be understood ({error.error_count()} faults)",
            "write it with 'musclefm corrections export --format monai'",
        ) from error


def write_datalist(
    cases: Iterable[TrainingCase],
    folder: Path,
    *,
    sided: bool = False,
    finish: Callable[[list[Item]], Item] | None = None,
) -> Path:
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
    finish : callable, optional
        Given the items of all cases, once all are written: what else the list says.

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
    items: list[Item] = []
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
        further = finish(items) if finish else {}
        text = datalist_text(items, list(case.channels), case.scheme, sided=sided, further=further)
        atomic_text(staged / DATA_LIST_FILE, text)
    return folder / DATA_LIST_FILE


def datalist_text(
    items: Sequence[Mapping[str, object]],
    channels: Sequence[str],
    scheme: LabelScheme,
    *,
    sided: bool,
    further: Mapping[str, object] | None = None,
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
    further : mapping, optional
        What else it says; goes before what it says by default.
    """
    names = value_names(scheme, sided=sided) | {IGNORE: "ignore"}
    document: Item = {
        "name": "Thigh muscles on MR",
        "description": f"{scheme.title}; {'sided' if sided else 'both sides alike'}",
        "modality": {str(number): name for number, name in enumerate(channels)},
        "labels": {str(value): name for value, name in names.items()},
        "numTraining": len(items),
        "numTest": 0,
        "training": items,
        "test": [],
    }
    return json.dumps(document | dict(further or {}), indent=2) + "\n"


def _ids(names: Collection[str], scheme: LabelScheme) -> frozenset[int]:
    """Return the ids of those muscles that a scheme has."""
    known = {name: value for value, name in value_names(scheme, sided=False).items()}
    return frozenset(known[name] for name in names if known.get(name))
