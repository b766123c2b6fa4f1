"""A folder for work under way, which is removed and replaced in it without asking."""

from __future__ import annotations

import json
from pathlib import Path

from musclefm.errors import MuscleFMError
from musclefm.storage.regular_file import read_regular
from musclefm.storage.targets import ANOTHER_FOLDER, require_new_folder

TRAINING_RECORD = "training.json"
"""How a training went; stays in its work folder after it."""

START_FOLDER = "start"
"""Networks that a training begins with, where they are written for it alone."""

_MARK_FILE = ".musclefm-work"
_MARK = "MuscleFM keeps work under way here, and replaces and removes files of this folder.\n"
_LARGEST_FILE = 1 << 20
_STATE_FILE = "member-{}.pt"
# Training of earlier versions is marked by its plan alone.
_PLAN_FILE, _PLAN_KEYS = "plan.json", {"start", "data", "recipe", "channels"}


def check_work_folder(folder: Path) -> None:
    """Require that a folder may be worked in: it is new, empty, or of such work already.

    Parameters
    ----------
    folder : Path
        For the work.

    Raises
    ------
    MuscleFMError
        It holds something else.
    """
    if _is_marked(folder):
        return
    try:
        require_new_folder(folder)
    except MuscleFMError as error:
        raise MuscleFMError(
            "the folder for work under way is a file, or holds other files", ANOTHER_FOLDER
        ) from error


def claim_work_folder(folder: Path) -> None:
    """Make a folder, or take one, and mark it as one of work under way.

    Raises
    ------
    MuscleFMError
        It holds something else.
    OSError
        It cannot be written.
    """
    check_work_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / _MARK_FILE).exists():
        (folder / _MARK_FILE).write_text(_MARK, "utf-8")


def kept_training(result: Path, work: Path) -> str:
    """Return what is kept of a training that was interrupted, or an empty text for nothing.

    Parameters
    ----------
    result : Path
        What is there once all is done.
    work : Path
        Folder of what is under way.
    """
    if result.exists():
        return "after all was written"
    if not (work / _MARK_FILE).is_file():
        return ""
    if count := len(list(work.glob(_STATE_FILE.format("*")))):
        networks = "1 network" if count == 1 else f"{count} networks"
        return f"the finished epochs of {networks} are kept; run the same command again to resume"
    if (work / TRAINING_RECORD).is_file():
        return "the trained model is kept; run the same command again to compare it"
    return "no epoch was finished; run the same command again to start over"


def state_file(work: Path, member: int) -> Path:
    """Return the file of what a member has learned so far, from its first finished epoch."""
    return work / _STATE_FILE.format(member)


def _is_marked(folder: Path) -> bool:
    try:
        mark = read_regular(folder / _MARK_FILE, _LARGEST_FILE).decode()
        # Windows ends lines otherwise.
        if mark.splitlines() == _MARK.splitlines():
            return True
    except (OSError, ValueError):
        pass
    try:
        plan = json.loads(read_regular(folder / _PLAN_FILE, _LARGEST_FILE))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(plan, dict) and plan.keys() == _PLAN_KEYS
