"""A data set gets a folder of its own, so that it never mixes with an older one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.volumes.writing import staged_folder


@contextlib.contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """Yield a hidden folder that becomes ``final`` as a whole when all went well.

    Raises
    ------
    MuscleFMError
        ``final`` holds something already, or cannot be written.
    """
    if final.is_dir() and any(final.iterdir()):
        raise MuscleFMError(
            "the folder for the data set is not empty", "give a new folder, or empty this one"
        )
    with staged_folder(final) as folder:
        yield folder
