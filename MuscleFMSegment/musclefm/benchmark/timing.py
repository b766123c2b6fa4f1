"""A budget of time as steps: what a step takes is measured once for a system, and kept."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from musclefm.storage.atomic import atomic_text
from musclefm.storage.regular_file import read_regular

STEPS_TO_TIME = 16
# The first ones are slower.
_NOT_COUNTED = 4
_FILE = "timing.json"
_LARGEST_FILE = 1 << 12


class TimedError(Exception):
    """Raised by what watches a training whose steps were timed."""


def clock(device_type: str) -> float:
    """Return seconds of this process's processor time, or of the clock where a GPU works."""
    return time.process_time() if device_type == "cpu" else time.monotonic()


def write_step_seconds(folder: Path, clocks: Sequence[float]) -> None:
    """Keep what a step takes in a system's folder, from the clock after each of some steps."""
    counted = clocks[_NOT_COUNTED:]
    seconds = (counted[-1] - counted[0]) / (len(counted) - 1)
    atomic_text(folder / _FILE, json.dumps({"seconds_a_step": seconds}) + "\n")


def step_seconds(folder: Path) -> float | None:
    """Return what a step of a system takes; None where it was not measured."""
    try:
        return float(json.loads(read_regular(folder / _FILE, _LARGEST_FILE))["seconds_a_step"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
