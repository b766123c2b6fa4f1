"""Where what belongs to the user lies: models, corrections."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path

HOME_VARIABLE = "MUSCLEFM_HOME"
"""Environment variable that moves the user's data."""


def user_data_folder() -> Path:
    """Return the folder of the user's data; it may not exist yet."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home) if home else user_data_path("musclefm", appauthor=False)
