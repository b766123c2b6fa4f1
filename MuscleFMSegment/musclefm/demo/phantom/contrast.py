"""MR signal of water and fat under the contrasts that thighs are imaged with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

ContrastName = Literal["t1", "t2", "pd", "in-phase", "out-of-phase", "water", "fat", "random"]

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Contrast:
    """How bright pure tissues are, relative to the brightest.

    Attributes
    ----------
    name : str
        Name of the contrast.
    muscle, fat, fluid : float
        Signal of muscle water, of fat, and of vessels.
    opposed : bool
        Whether water and fat cancel in a voxel (out of phase).
    """

    name: ContrastName
    muscle: float
    fat: float
    fluid: float
    opposed: bool = False

    def signal(self, water: Array, fat: Array, fluid: Array) -> Array:
        """Return the signal of voxels ``(…)`` from their fractions in [0, 1]."""
        aqueous = self.muscle * water + self.fluid * fluid
        lipid = self.fat * fat
        signal: Array = np.abs(aqueous - lipid) if self.opposed else aqueous + lipid
        return signal


def draw_contrast(name: ContrastName, rng: np.random.Generator) -> Contrast:
    """Draw the parameters of a contrast as scanners and protocols choose them.

    Ranges are relative signals at 1.5 and 3 T of turbo spin echo and two-point
    Dixon protocols, from the tissues' published relaxation times (muscle T1
    about 1.0 to 1.4 s and T2 30 to 50 ms, fat T1 about 0.3 to 0.4 s and T2 70
    to 130 ms). "random" is any contrast at all, for training.
    """
    if name == "t1":
        return Contrast(name, rng.uniform(0.25, 0.45), 1.0, rng.uniform(0.1, 0.6))
    if name == "t2":
        return Contrast(name, rng.uniform(0.12, 0.35), rng.uniform(0.7, 1.0), rng.uniform(0.0, 1.0))
    if name == "pd":
        return Contrast(name, rng.uniform(0.45, 0.75), rng.uniform(0.7, 1.0), rng.uniform(0.2, 1.0))
    if name == "in-phase":
        return Contrast(name, rng.uniform(0.35, 0.7), rng.uniform(0.8, 1.0), rng.uniform(0.3, 1.0))
    if name == "out-of-phase":
        return Contrast(
            name, rng.uniform(0.5, 0.9), rng.uniform(0.5, 1.0), rng.uniform(0.3, 1.0), opposed=True
        )
    if name == "water":
        return Contrast(name, 0.8, rng.uniform(0.0, 0.06), rng.uniform(0.5, 1.0))
    if name == "fat":
        return Contrast(name, rng.uniform(0.0, 0.05), 1.0, rng.uniform(0.0, 0.05))
    muscle, fat = rng.uniform(0.05, 1.0, 2)
    while abs(muscle - fat) < 0.15:
        muscle, fat = rng.uniform(0.05, 1.0, 2)
    return Contrast(name, muscle, fat, rng.uniform(0.0, 1.0), opposed=bool(rng.random() < 0.25))
