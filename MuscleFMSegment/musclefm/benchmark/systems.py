"""The systems that a benchmark can compare: the one table to add one to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from musclefm.benchmark.plan import SystemEntry
from musclefm.benchmark.study import Study, System
from musclefm.benchmark.trained_system import SMALL_SAM, Row, TrainedSystem
from musclefm.errors import MuscleFMError
from musclefm.networks.architecture import THIGH_DEMO, UNetArchitecture

OpenSystem = Callable[[Study, SystemEntry, Path], System]
"""From a study, an entry of its plan and the system's folder; see :class:`System`."""

_ROWS = {
    "sam-lora": Row("SAM encoder/decoder (LoRA)", SMALL_SAM, "sam-vit-b", "lora"),
    "sam-decoder": Row("SAM decoder", SMALL_SAM, "sam-vit-b", "decoder"),
    "medsam-lora": Row("MedSAM encoder/decoder (LoRA)", SMALL_SAM, "medsam-vit-b", "lora"),
    "medsam-decoder": Row("MedSAM decoder", SMALL_SAM, "medsam-vit-b", "decoder"),
    "monai-unet": Row("MONAI U-Net", UNetArchitecture(input_size=128, input_channels=1)),
    "thigh-demo": Row(
        "Architecture of thigh-demo", THIGH_DEMO, neighbours_mm=6.0, smoothing_mm=9.0
    ),
}

SYSTEMS: dict[str, OpenSystem] = {name: partial(TrainedSystem, row) for name, row in _ROWS.items()}
"""Systems by the names that plans call them by."""


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
    if entry.system not in SYSTEMS:
        raise MuscleFMError(
            f"there is no system '{entry.system}'", f"use one of {', '.join(SYSTEMS)}"
        )
    return SYSTEMS[entry.system](study, entry, folder)
