"""Where results may be put: where nothing of the user's lies."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.storage.staging import is_partial

ANOTHER_FOLDER = "give a new or empty folder"


def require_new_folder(folder: Path) -> None:
    """Require that a folder is not there yet, or is empty.

    What killed runs left hidden in it does not count.

    Raises
    ------
    MuscleFMError
        It holds something, or is a file or a link that leads nowhere.
    """
    if not folder.is_dir():
        require_free(folder)
    elif any(not is_partial(path.name) for path in folder.iterdir()):
        raise MuscleFMError("the folder for the results is not empty", ANOTHER_FOLDER)


def require_free(path: Path, names: Collection[str] = ()) -> None:
    """Require that nothing lies at a path, or at some names in a folder.

    Parameters
    ----------
    path : Path
        Of a file to be written, or of the folder of ``names``.
    names : collection of str
        Chosen by this library, so that they name no patient.

    Raises
    ------
    MuscleFMError
        Something lies there already, if only a link that leads nowhere.
    """
    if any(os.path.lexists(path / name) for name in names):
        raise MuscleFMError(
            "the folder holds files of the names to be written already", ANOTHER_FOLDER
        )
    if not names and os.path.lexists(path):
        raise MuscleFMError(
            "the name given for the results is taken already", "give one that is not there yet"
        )
