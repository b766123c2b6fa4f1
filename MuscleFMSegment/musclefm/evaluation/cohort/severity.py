"""How severe the fatty infiltration of a muscle or a thigh is, by its fat fraction.

The paper's groups were assigned by its authors, and no rule of theirs is known: this
one is not the paper's.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from musclefm.errors import MuscleFMError
from musclefm.labels.sided import IGNORE

Severity = Literal["early", "moderate", "severe"]

SEVERITIES: tuple[Severity, ...] = ("early", "moderate", "severe")

DEFAULT_LIMITS = (0.30, 0.60)
"""Fat fractions from which on a muscle is moderate, and severe (after Mercuri's grades)."""


def severity_of(
    fat_fraction: float | None, limits: tuple[float, float] = DEFAULT_LIMITS
) -> Severity | None:
    """Return the severity of a fat fraction; None where that is unknown.

    Parameters
    ----------
    fat_fraction : float or None
        In [0, 1]; NaN counts as unknown.
    limits : tuple of float
        Of moderate and of severe; a limit itself belongs to what it begins, but
        severe begins above its limit.

    Raises
    ------
    MuscleFMError
        The limits do not ascend within [0, 1].
    """
    moderate, severe = limits
    if not 0 <= moderate <= severe <= 1:
        raise MuscleFMError(
            "the limits of severity do not ascend from 0 to 1", "give two, such as 0.3 0.6"
        )
    if fat_fraction is None or np.isnan(fat_fraction):
        return None
    if fat_fraction > severe:
        return "severe"
    return "early" if fat_fraction < moderate else "moderate"


def volume_weighted_fat_fraction(
    labels: npt.NDArray[np.uint8], fat_fraction: npt.NDArray[np.floating]
) -> float | None:
    """Return the mean fat fraction of all muscles' voxels; None where none has one.

    Parameters
    ----------
    labels : ndarray
        ``(K, J, I) uint8``: 0 background, IGNORE unknown.
    fat_fraction : ndarray
        ``(K, J, I)`` in [0, 1], NaN where undefined.
    """
    values = fat_fraction[(labels > 0) & (labels != IGNORE)]
    values = values[np.isfinite(values)]
    return float(values.mean(dtype=np.float64)) if values.size else None
