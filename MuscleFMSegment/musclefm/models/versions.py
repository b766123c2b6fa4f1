"""The versions of a model that were installed after its first one, and which came into use when.

::

    versions/
        <name>/
            history.json                   versions in the order in which they came into use
            20261125-163254-071-3f9a12bc/  a bundle: when it was installed, start of its hash

The first one, ``base``, lies elsewhere: it came with the library, or is a folder
among the user's models. A model may have none.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from musclefm.errors import MuscleFMError
from musclefm.models.manifest import NAME_PATTERN, Strict
from musclefm.storage.atomic import atomic_text
from musclefm.storage.lock import acquired_lock
from musclefm.storage.regular_file import is_folder, read_regular
from musclefm.storage.staging import clear_leftovers
from musclefm.storage.user_data import make_private_folder, user_data_folder

BASE = "base"
"""What the first version of a model is called."""

HISTORY_FILE = "history.json"

_LOCK_FILE = ".lock"
_HALF_DONE, _REMOVED = ".*.partial", ".*.removed.partial"
_ID_PATTERN = r"[0-9]{8}-[0-9]{6}-[0-9]{3}-[0-9a-f]{8}"
_TIMEOUT_S = 60.0
# Thirty thousand changes of version.
_LARGEST_HISTORY = 1 << 20
_BUSY = MuscleFMError("another program is changing the installed models", "try again in a minute")


class _History(Strict):
    format_version: Literal[1] = 1
    used: tuple[str, ...]


def user_models_folder() -> Path:
    """Return the folder of the user's own models; it may not exist yet."""
    return user_data_folder() / "models"


def user_versions_folder() -> Path:
    """Return the folder of all installed versions; it may not exist yet."""
    return user_data_folder() / "versions"


def version_folder(name: str, version: str = "") -> Path:
    """Return where an installed version of a model lies, or all of them."""
    return user_versions_folder() / name / version


def new_version_id(sha256: str) -> str:
    """Return the id of a version that is installed now; later ones sort behind it."""
    now = datetime.now(timezone.utc)
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03d}-{sha256[:8]}"


def installed_versions(name: str) -> tuple[str, ...]:
    """Return the ids of the installed versions of a model, oldest first."""
    if not re.fullmatch(NAME_PATTERN, name):
        return ()
    found = _names_in(version_folder(name))
    return tuple(sorted(entry for entry in found if re.fullmatch(_ID_PATTERN, entry)))


def models_with_versions() -> tuple[str, ...]:
    """Return the names of all models of which a version was installed, in order."""
    found = _names_in(user_versions_folder())
    return tuple(sorted(name for name in found if installed_versions(name)))


def order_of_use(name: str, has_base: bool) -> tuple[str, ...]:
    """Return the versions of a model in the order in which they came into use.

    The last one is in use now. A version that was gone back from is left out,
    and so is one that is no longer there.

    Parameters
    ----------
    name : str
        Of the model.
    has_base : bool
        Whether there is a first version.

    Returns
    -------
    tuple of str
        Ids, or :data:`BASE`; empty where there is no version at all.

    Raises
    ------
    MuscleFMError
        What was noted of it is damaged.
    """
    first = (BASE,) if has_base else ()
    installed = installed_versions(name)
    if not installed:
        return first
    there = {*first, *installed}
    used = [version for version in (*first, *_read_history(name)) if version in there]
    # Where all that were in use are gone, the newest one takes their place.
    return tuple(version for version, _ in groupby(used)) or installed[-1:]


def write_order_of_use(name: str, used: Sequence[str]) -> None:
    """Note in which order versions came into use; the last one is in use from now on.

    Raises
    ------
    MuscleFMError
        It cannot be written; what was noted stays.
    """
    history = _History(used=tuple(used))
    folder = version_folder(name)
    try:
        make_private_folder(folder)
    except OSError as error:
        raise unwritable(error) from error
    atomic_text(folder / HISTORY_FILE, history.model_dump_json(indent=2) + "\n")


@contextlib.contextmanager
def sole_writer() -> Iterator[None]:
    """Change versions while no other process does.

    What killed processes left half done is removed.

    Raises
    ------
    MuscleFMError
        The folder cannot be written, or another process keeps changing it.
    """
    folder = user_versions_folder()
    with contextlib.ExitStack() as stack:
        try:
            make_private_folder(folder)
            stack.callback(acquired_lock(folder / _LOCK_FILE, _BUSY, _TIMEOUT_S).release)
            # Among the models others may be importing one, which they hold themselves.
            clear_leftovers(user_models_folder())
            for left in (*folder.glob(f"*/{_HALF_DONE}"), *user_models_folder().glob(_REMOVED)):
                shutil.rmtree(left, ignore_errors=True)
        except OSError as error:
            raise unwritable(error) from error
        yield


def discard(folder: Path) -> None:
    """Remove a model's folder for good; it is no model from the first moment on.

    Raises
    ------
    MuscleFMError
        It cannot be removed.
    """
    hidden = folder.with_name(f".{folder.name}.removed.partial")
    try:
        shutil.rmtree(hidden, ignore_errors=True)
        folder.rename(hidden)
        if hidden.is_symlink():
            hidden.unlink()
        else:
            shutil.rmtree(hidden)
    except OSError as error:
        raise unwritable(error) from error


def damaged_history(name: str) -> MuscleFMError:
    """Return the error for a model of which nobody knows what is in use."""
    return MuscleFMError(
        f"which version of model '{name}' is in use is unknown: its {HISTORY_FILE} is damaged",
        f"choose one of 'musclefm models show {name}' with"
        f" 'musclefm models rollback {name}@VERSION'",
    )


def unwritable(error: OSError) -> MuscleFMError:
    """Return the error for models that cannot be changed."""
    return MuscleFMError(
        f"the installed models cannot be changed ({error.strerror or 'input or output error'})",
        "check the access rights of the user's data folder and its disk",
    )


def _read_history(name: str) -> tuple[str, ...]:
    try:
        content = read_regular(version_folder(name) / HISTORY_FILE, _LARGEST_HISTORY, links=False)
        return _History.model_validate_json(content).used
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        if any(fault["loc"] == ("format_version",) for fault in error.errors()):
            raise MuscleFMError(
                f"{HISTORY_FILE} of model '{name}' was written by a newer version of musclefm",
                "update musclefm, or choose one of its versions with"
                f" 'musclefm models rollback {name}@VERSION'",
            ) from error
        raise damaged_history(name) from error
    except OSError as error:
        raise damaged_history(name) from error


def _names_in(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(entry.name for entry in folder.iterdir() if is_folder(entry))
    except OSError:
        return ()
