"""The folder of a learning: what is learned from, how far it is, and what came of it.

::

    learning.json     what the model is to learn from; all else belongs to it
    work/             what is under way
    candidate/        the new version, once it is trained
    comparison.json   the old version against the new one, at last
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from musclefm.errors import MuscleFMError
from musclefm.models.manifest import LARGEST_MANIFEST, parse_manifest
from musclefm.storage.atomic import atomic_text
from musclefm.storage.regular_file import read_regular
from musclefm.storage.targets import ANOTHER_FOLDER, require_new_folder
from musclefm.storage.user_data import make_private_folder, user_data_folder
from musclefm.storage.work_folder import check_work_folder

_PLAN_FILE = "learning.json"
_DISCARDED = ".candidate.partial"
_MANIFEST_FILE = "model.json"
# Of a million samples.
_LARGEST_PLAN = 64 << 20


class LearningPlan(BaseModel):
    """What a model learns from.

    Attributes
    ----------
    start : str
        Hash of the model.
    samples : tuple of str
        Ids of the samples, oldest first.
    recipe : dict
        How it is trained.
    left_out : tuple of str
        Ids of the samples whose files are damaged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: str
    samples: tuple[str, ...]
    recipe: dict[str, Any]
    left_out: tuple[str, ...] = ()


def default_learning_folder(model: str) -> Path:
    """Return the user's own folder for the learning of a model; it may not exist yet."""
    return user_data_folder() / "learning" / model


@dataclass(frozen=True)
class LearningFolder:
    """The folder of a learning: its plan, its work and what came of it.

    Attributes
    ----------
    path : Path
        It may not exist yet.
    """

    path: Path

    @property
    def work(self) -> Path:
        """Folder of what is under way."""
        return self.path / "work"

    @property
    def candidate(self) -> Path:
        """Folder of the new version; it is there once that is trained."""
        return self.path / "candidate"

    @property
    def comparison(self) -> Path:
        """File of the comparison; it is there once all is done."""
        return self.path / "comparison.json"

    def plan(self) -> LearningPlan | None:
        """Return what is being learned from here; None where nothing is."""
        try:
            return LearningPlan.model_validate_json(
                read_regular(self.path / _PLAN_FILE, _LARGEST_PLAN)
            )
        except (OSError, ValidationError):
            return None

    def begin(self, plan: LearningPlan) -> None:
        """Make room for a learning; one of another plan is removed, one of this plan stays.

        Raises
        ------
        MuscleFMError
            The folder is used for something else, or cannot be changed.
        """
        if self.plan() == plan:
            return
        self.check()
        self.clear()
        make_private_folder(self.path)
        text = plan.model_dump_json(indent=2, exclude_defaults=True) + "\n"
        atomic_text(self.path / _PLAN_FILE, text)

    def check(self) -> None:
        """Require that the folder is new or empty, or holds a learning and nothing else in it.

        Raises
        ------
        MuscleFMError
            Something of the user's lies where it would be replaced.
        """
        if self.plan() is None:
            try:
                require_new_folder(self.path)
            except MuscleFMError as error:
                raise MuscleFMError(
                    "the folder for the learning holds something else", ANOTHER_FOLDER
                ) from error
            return
        check_work_folder(self.work)
        with _removal_errors():
            others = _names(self.candidate) - _bundle_files(self.candidate)
        if others:
            raise MuscleFMError(
                "the new version of the former learning holds other files", ANOTHER_FOLDER
            )

    def clear(self) -> None:
        """Remove a learning and what came of it, if there is one.

        Raises
        ------
        MuscleFMError
            It cannot be removed.
        """
        if self.plan() is None:
            return
        with _removal_errors():
            self.comparison.unlink(missing_ok=True)
        self.discard_candidate()
        with _removal_errors():
            if self.work.exists():
                shutil.rmtree(self.work)
            # Last: from there on nothing tells whose folder it is.
            (self.path / _PLAN_FILE).unlink()

    def discard_candidate(self) -> None:
        """Remove the new version, if there is one; it is none any more from the first moment on.

        Raises
        ------
        MuscleFMError
            It cannot be removed.
        """
        hidden = self.path / _DISCARDED
        with _removal_errors():
            if self.candidate.exists():
                shutil.rmtree(hidden, ignore_errors=True)
                self.candidate.rename(hidden)
            if hidden.exists():
                shutil.rmtree(hidden)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _bundle_files(folder: Path) -> set[str]:
    try:
        text = read_regular(folder / _MANIFEST_FILE, LARGEST_MANIFEST)
        manifest = parse_manifest(text, folder.name)
    except (OSError, MuscleFMError):
        return set()
    return {_MANIFEST_FILE, *(entry.file for entry in manifest.files)}


@contextlib.contextmanager
def _removal_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MuscleFMError(
            f"the former learning cannot be removed ({error.strerror or 'output error'})",
            "close what uses its folder, and check the access rights",
        ) from error
