"""The systems that a benchmark can compare: the one table to add one to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from musclefm.benchmark.nnunet_system import NnUNetSystem
from musclefm.benchmark.plan import SystemEntry
from musclefm.benchmark.rows import ROWS
from musclefm.benchmark.study import Study, System
from musclefm.benchmark.trained_system import TrainedSystem
from musclefm.errors import MuscleFMError

OpenSystem = Callable[[Study, SystemEntry, Path], System]
"""From a study, an entry of its plan and the system's folder; see :class:`System`."""

SYSTEMS: dict[str, OpenSystem] = {
    **{name: partial(TrainedSystem, row) for name, row in ROWS.items()},
    "nnunet-2d": partial(NnUNetSystem, "2d"),
    "nnunet-3d": partial(NnUNetSystem, "3d_fullres"),
}
"""Systems by the names that plans call them by."""


def require_system(name: str) -> OpenSystem:
    """Return what opens a system.

    Raises
    ------
    MuscleFMError
        There is none of the name.
    """
    if name not in SYSTEMS:
        raise MuscleFMError(f"there is no system '{name}'", f"use one of {', '.join(SYSTEMS)}")
    return SYSTEMS[name]


def open_system(study: Study, entry: SystemEntry, folder: Path) -> System:
    """Return a system of a plan, ready to be trained.

    Parameters
    ----------
    study : Study
        What it learns from.
    entry : SystemEntry
        Of the plan.
    folder : Path
        Of the system's own.

    Raises
    ------
    MuscleFMError
        There is no such system, or it lacks a package, a model or an option.
    """
    return require_system(entry.system)(study, entry, folder)
