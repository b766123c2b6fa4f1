"""The plan of a benchmark: a JSON file that says what is compared, on what, at which budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from musclefm.defaults import DEFAULT_SCHEME
from musclefm.errors import MuscleFMError
from musclefm.storage.regular_file import read_regular
from musclefm.volumes.channels import check_channel_names

_LARGEST_PLAN = 1 << 20
_ROW_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
# An epoch ends with a look at the fold and a state on the disk: what a kill costs at most.
_EPOCHS_OF_STEPS = 10


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Renderings(_Strict):
    """Rendered cases in place of a data list.

    Attributes
    ----------
    renderings : int
        Persons, the three severities in turn.
    seed, slices, pixel_mm
        See :class:`musclefm.demo.cohort.CohortRecipe`.
    """

    renderings: int = Field(ge=4, le=3000)
    seed: int = 0
    slices: int = 26
    pixel_mm: float = 2.0


class SystemEntry(_Strict):
    """One system of a plan.

    Attributes
    ----------
    system : str
        Key of :data:`musclefm.benchmark.systems.SYSTEMS`.
    name : str
        Of its folder; by default that of the system.
    start : str or None
        A model by name or folder that it is trained from, or ``"scratch"``; None for
        the pretrained weights that the system is named after.
    learning_rate, batch, slice_size
        In place of those of the system's recipe.
    """

    system: str
    name: str = Field(default="", pattern=f"{_ROW_NAME}|^$")
    start: str | None = None
    learning_rate: float | None = Field(default=None, gt=0, le=1)
    batch: int | None = Field(default=None, ge=1, le=1024)
    slice_size: int | None = Field(default=None, ge=32, le=4096)

    @property
    def key(self) -> str:
        """Name of its folder."""
        return self.name or self.system


class Budget(_Strict):
    """What each fold of every system may take: one of the three.

    Attributes
    ----------
    steps : int or None
        Of the optimiser.
    epochs : int or None
        Looks at every case that is learned from.
    seconds : float or None
        For the steps of the optimiser, with loading and augmentation, of one core, or of a GPU.
        What a step takes is measured for each system beforehand: it is given as many as fit.
    """

    steps: int | None = Field(default=None, ge=1, le=10_000_000)
    epochs: int | None = Field(default=None, ge=1, le=100_000)
    seconds: float | None = Field(default=None, gt=0, le=10_000_000)

    @model_validator(mode="after")
    def _is_one(self) -> Budget:
        if [self.steps, self.epochs, self.seconds].count(None) != 2:
            raise ValueError("give one of steps, epochs and seconds")
        return self

    def epochs_and_steps(self, step_seconds: float | None) -> tuple[int, int | None]:
        """Return epochs, and the steps of each; None for as many as show every tile once.

        ``step_seconds`` is what a step takes; it is asked for by a budget of seconds alone.
        """
        if self.epochs is not None:
            return self.epochs, None
        fitting = self.steps or int((self.seconds or 0) / (step_seconds or 1))
        epochs = max(min(_EPOCHS_OF_STEPS, fitting), 1)
        return epochs, max(round(fitting / epochs) if self.seconds else -(-fitting // epochs), 1)


class BenchmarkPlan(_Strict):
    """What is compared.

    Attributes
    ----------
    data : str or Renderings
        A ``datalist.json`` as ``musclefm train --data`` reads it, relative to the plan.
    scheme : str
        Label scheme of its labels.
    systems : tuple of SystemEntry
        Rows of the table; plain names stand for entries that name only the system. The
        others are tested against the first.
    folds : int
        Of the subjects that are learned from: fold n stops by part n and learns from the
        others.
    test, validation : float
        Shares of the subjects: for the table alone, where the list does not say who, the
        same share of each severity; and for the temperatures alone.
    seed : int
        Of the split and of all training.
    budget : Budget
        Of each fold.
    channels : tuple of str or None
        What systems that start from a pretrained checkpoint or from scratch see; None for
        a single image.
    temperature : bool
        Whether the probabilities are those after one temperature, fitted on subjects that
        were not learned from, for each fold and for the ensemble; those before are then
        scored beside them. The paper has none.
    """

    data: Annotated[str, Field(pattern=r"^[^\x00]+$")] | Renderings
    scheme: str = DEFAULT_SCHEME
    systems: tuple[SystemEntry, ...] = Field(min_length=1, max_length=100)
    folds: int = Field(default=5, ge=2, le=20)
    test: float = Field(default=0.25, gt=0, lt=1)
    validation: float = Field(default=0.1, gt=0, lt=1)
    seed: int = Field(default=0, ge=0, lt=1 << 32)
    budget: Budget
    channels: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=3)
    temperature: bool = False

    @model_validator(mode="before")
    @classmethod
    def _with_entries(cls, value: object) -> object:
        if isinstance(value, dict) and isinstance(value.get("systems"), list):
            entries = [{"system": x} if isinstance(x, str) else x for x in value["systems"]]
            return value | {"systems": entries}
        return value

    @model_validator(mode="after")
    def _has_rows_of_their_own(self) -> BenchmarkPlan:
        keys = [entry.key.casefold() for entry in self.systems]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"two systems are called '{key}': give one another name")
        if self.channels:
            check_channel_names(self.channels)
        return self


def read_plan(path: Path) -> BenchmarkPlan:
    """Read a plan; the path of its data becomes absolute.

    Raises
    ------
    MuscleFMError
        It cannot be read, or a key or value is none of a plan.
    """
    try:
        plan = BenchmarkPlan.model_validate_json(read_regular(path, _LARGEST_PLAN))
    except OSError as error:
        raise MuscleFMError(
            f"the plan cannot be read ({error.strerror or 'input or output error'})",
            "give a JSON file, see Resources/Docs/benchmark.md",
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part)[:60] for part in first["loc"]) or "the file"
        raise MuscleFMError(
            f"the plan is not valid ({where}: {first['msg']})",
            "correct it by Resources/Docs/benchmark.md",
        ) from error
    if isinstance(plan.data, str):
        return plan.model_copy(update={"data": str((path.parent / plan.data).resolve())})
    return plan
