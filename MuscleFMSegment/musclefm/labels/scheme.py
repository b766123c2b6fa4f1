"""Label schemes: which muscles there are, as data."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from musclefm.errors import MuscleFMError
from musclefm.plain_text import printable
from musclefm.storage.regular_file import is_file, read_regular
from musclefm.storage.resources import resource_folder
from musclefm.storage.user_data import user_data_folder

# Of an unknown scheme in a message.
_LONGEST_NAME = 60
# A hundred times what the shipped ones take.
_LARGEST_FILE = 1 << 20


class Code(BaseModel):
    """A coded entry as in DICOM: ``(value, scheme designator, meaning)``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: str
    scheme: str
    meaning: str


class Label(BaseModel):
    """One structure of a scheme.

    Attributes
    ----------
    id : int
        Its value in a labelmap and its channel in a network's output, from 1.
    name : str
        In full, lower case, e.g. ``"vastus lateralis"``.
    abbreviation : str
        For tables, e.g. ``"VL"``.
    colour : tuple of int
        sRGB, 0 to 255.
    code : Code
        SNOMED CT, or the private scheme ``99MUSCLEFM``.
    medial_lateral : float
        Where it typically lies, from -1 (medial) to 1 (lateral): tells the
        side of a thigh that is alone in the image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int = Field(ge=1, le=127)
    name: str
    abbreviation: str
    colour: tuple[int, int, int]
    code: Code
    medial_lateral: float = Field(ge=-1.0, le=1.0)


class LabelScheme(BaseModel):
    """An ordered set of labels; background is 0 and not listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    source: str
    # A uint8 labelmap holds every label of both sides, and 255 to be ignored.
    labels: tuple[Label, ...] = Field(min_length=1, max_length=127)

    @model_validator(mode="after")
    def _ids_are_consecutive(self) -> LabelScheme:
        if [label.id for label in self.labels] != list(range(1, len(self.labels) + 1)):
            raise ValueError("label ids must run from 1 without gaps, in order")
        return self

    @property
    def class_count(self) -> int:
        """Number of classes with background."""
        return len(self.labels) + 1

    def label(self, label_id: int) -> Label:
        """Return the label of an id from 1."""
        return self.labels[label_id - 1]

    def labels_of_sides(self) -> dict[int, tuple[Side, Label]]:
        """Return the sided segment values: right keeps the id, left adds the label count.

        A labelmap with sides holds ``id`` for the patient's right and
        ``id + len(labels)`` for the left.
        """
        count = len(self.labels)
        right: dict[int, tuple[Side, Label]] = {x.id: ("right", x) for x in self.labels}
        left: dict[int, tuple[Side, Label]] = {x.id + count: ("left", x) for x in self.labels}
        return right | left


Side = Literal["left", "right"]
"""The patient's side, never the viewer's."""

SIDES: tuple[Side, Side] = ("right", "left")


def segment_name(side: Side, label: Label) -> str:
    """Return the name in full, e.g. ``"Left vastus lateralis"``."""
    return f"{side.capitalize()} {label.name}"


def load_scheme(name: str) -> LabelScheme:
    """Load a scheme by its name: a shipped one, e.g. ``"thigh-11"``, or one of the user's.

    The user's are JSON files of the same kind in the folder ``label-schemes`` of the
    user's data; a shipped one goes before one of the same name.

    Raises
    ------
    MuscleFMError
        No such scheme, or its file is damaged.
    """
    shipped, own = resource_folder() / "LabelSchemes", user_data_folder() / "label-schemes"
    for folder in (shipped, own):
        path = folder / f"{name}.json"
        # A name is no path that leads elsewhere.
        if path.parent == folder and is_file(path):
            remedy = "correct the file" if folder == own else "install musclefm again"
            return _read_scheme(path, remedy)
    known = ", ".join(sorted({p.stem for folder in (shipped, own) for p in folder.glob("*.json")}))
    raise MuscleFMError(
        f"unknown label scheme '{printable(name, _LONGEST_NAME)}'", f"use one of {known}"
    )


@lru_cache
def _read_scheme(path: Path, remedy: str) -> LabelScheme:
    try:
        scheme = LabelScheme.model_validate_json(read_regular(path, _LARGEST_FILE))
    except OSError as error:
        raise MuscleFMError(
            f"label scheme '{path.stem}' cannot be read ({error.strerror or 'input error'})", remedy
        ) from error
    except ValidationError as error:
        raise MuscleFMError(
            f"label scheme '{path.stem}' is damaged ({error.error_count()} faults)", remedy
        ) from error
    if scheme.name != path.stem:
        raise MuscleFMError(f"label scheme '{path.stem}' calls itself '{scheme.name}'", remedy)
    return scheme
