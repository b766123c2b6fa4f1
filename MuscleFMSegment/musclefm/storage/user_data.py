"""Where what belongs to the user lies: models, corrections."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path

HOME_VARIABLE = "MUSCLEFM_HOME"
"""Environment variable that moves the user's data."""

FOR_THE_USER_ALONE = 0o700


def user_data_folder() -> Path:
    """Return the folder of the user's data; it may not exist yet."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home) if home else user_data_path("musclefm", appauthor=False)


def make_private_folder(folder: Path) -> None:
    """Make a folder of the user's data, with missing parents, that nobody else can enter.

    One that is there keeps its rights: who made it may share it with a group.

    Raises
    ------
    OSError
        It cannot be made, or a file has its name.
    """
    for parent in reversed(folder.parents):
        if not parent.exists():
            parent.mkdir(mode=FOR_THE_USER_ALONE, exist_ok=True)
    folder.mkdir(mode=FOR_THE_USER_ALONE, exist_ok=True)
