"""How scans look: contrasts, texture and scanners in the ranges that real scans were measured in.

``Testing/benchmarks/scan_statistics.md`` holds what was measured on eleven real series. Relative
to muscle: noise and fine grain 0.04 to 0.11 (0.25 in late echoes), grain of 8 mm 0.03 to 0.26, fat
0.24 to 4.9 (0.24 to 0.58 in water images, where it is not quite gone); correlation of
neighbouring pixels' noise 0.1 to 0.47; slopes of the gain up to 0.45 over 100 mm; air all zeros
in seven of the series, noise in the others. Ranges are somewhat wider.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.demo.phantom.artefacts import Scanner
from musclefm.demo.phantom.contrast import Contrast, ContrastName, draw_contrast
from musclefm.demo.phantom.slices import Fractions

Array = npt.NDArray[np.float32]

_CONTRASTS: tuple[ContrastName, ...] = (
    "t1", "t2", "pd", "in-phase", "out-of-phase", "water", "water", "random", "random",
)  # fmt: skip
# Share of series whose air is all zeros.
_CLEARED = 0.5
# Share of protocols whose fat is shifted by a whole pixel or more against water.
_CHEMICAL_SHIFT = 0.35


@dataclass(frozen=True)
class Appearance:
    """How one series shows tissues, before its scanner's gain, blur and noise.

    Attributes
    ----------
    contrast : Contrast
        Of pure tissues.
    grain : float
        Standard deviation of the signal's fine texture, relative.
    grain_px : float
        Its size in pixels.
    fat_shift : int
        Pixels by which fat lies beside its place, along ``shift_axis``.
    shift_axis : int
        0 for rows, 1 for columns.
    """

    contrast: Contrast
    grain: float
    grain_px: float
    fat_shift: int
    shift_axis: int

    @staticmethod
    def draw(pixel_mm: float, rng: np.random.Generator) -> Appearance:
        """Draw a series for pixels of a size."""
        shift_px = rng.uniform(0.7, 3.0) / pixel_mm if rng.random() < _CHEMICAL_SHIFT else 0.0
        return Appearance(
            contrast=_draw_contrast(rng),
            grain=float(np.exp(rng.uniform(np.log(0.004), np.log(0.08)))),
            grain_px=float(rng.uniform(0.5, 1.8) / pixel_mm),
            fat_shift=round(shift_px) * int(rng.choice([-1, 1])),
            shift_axis=int(rng.integers(2)),
        )

    def signal(self, fractions: Fractions, rng: np.random.Generator) -> Array:
        """Return the noiseless signal ``(J, I) float32`` of a section."""
        fat = fractions.fat
        if self.fat_shift:
            fat = np.roll(fat, self.fat_shift, axis=self.shift_axis)
        signal = self.contrast.signal(fractions.water, fat, fractions.fluid)
        texture = rng.standard_normal(signal.shape, dtype=np.float32)
        texture = ndimage.gaussian_filter(texture, self.grain_px, truncate=3.0)
        shown: Array = signal * (1 + (self.grain / texture.std()) * texture)
        return shown.astype(np.float32)


def _draw_contrast(rng: np.random.Generator) -> Contrast:
    """Draw a contrast, in wider ranges than protocols aim at where scans were seen beyond."""
    name = _CONTRASTS[rng.integers(len(_CONTRASTS))]
    if name == "water":
        # Separation leaves some fat, and muscle is not always the same.
        fat = rng.uniform(0.0, 0.08) if rng.random() < 0.5 else rng.uniform(0.08, 0.4)
        return Contrast(name, float(rng.uniform(0.7, 1.0)), float(fat), rng.uniform(0.0, 1.0))
    if name == "in-phase" and rng.random() < 0.3:
        # Muscle brighter than fat.
        return Contrast(name, rng.uniform(0.85, 1.0), rng.uniform(0.5, 0.75), rng.uniform(0.2, 1.0))
    return draw_contrast(name, rng)


def draw_scanner(rng: np.random.Generator) -> Scanner:
    """Draw a scanner as real series show them: most are decent, some are poor."""
    return Scanner(
        bias=float(rng.uniform(0.0, 0.3)),
        shading=(float(rng.normal(0, 0.25)), float(rng.normal(0, 0.3))),
        ghost=float(rng.uniform(0.02, 0.12)) if rng.random() < 0.15 else 0.0,
        ghost_shift=float(rng.uniform(0.1, 0.5)),
        blur_mm=float(rng.uniform(0.2, 1.4)),
        noise=float(np.exp(rng.uniform(np.log(0.004), np.log(0.08)))),
        noise_px=float(rng.uniform(0.3, 0.9)) if rng.random() < 0.5 else 0.0,
        cleared=float(rng.uniform(0.03, 0.12)) if rng.random() < _CLEARED else 0.0,
    )
