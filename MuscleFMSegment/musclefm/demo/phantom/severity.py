"""How much fat is in each muscle, by severity of the disease.

Severity follows Mercuri's visual grades through the mean fat fraction of a
muscle: early below 0.30, moderate 0.30 to 0.60, severe above. The pattern among
muscles follows what is seen in limb-girdle dystrophies: sartorius and gracilis
are spared, hamstrings and adductor magnus go first.
"""

from __future__ import annotations

import numpy as np

from musclefm.evaluation.cohort.severity import Severity
from musclefm.labels.scheme import LabelScheme

_MEAN_FAT_FRACTION: dict[Severity, tuple[float, float]] = {
    "early": (0.05, 0.28),
    "moderate": (0.32, 0.58),
    "severe": (0.60, 0.78),
}

# Offsets of the logit of the fat fraction, by abbreviation; 0 where not listed.
_INVOLVEMENT = {
    "SA": -0.9,
    "GR": -0.9,
    "RF": -0.3,
    "AM": 0.5,
    "AL": 0.1,
    "BFL": 0.4,
    "SM": 0.4,
    "ST": 0.3,
    "BFS": -0.2,
}

_SPREAD_BETWEEN_MUSCLES = 0.45


def draw_fat_fractions(
    scheme: LabelScheme, severity: Severity, rng: np.random.Generator
) -> dict[int, float]:
    """Draw a mean fat fraction for every muscle of a thigh.

    Parameters
    ----------
    scheme : LabelScheme
        Which muscles there are.
    severity : {"early", "moderate", "severe"}
        The grade of the thigh as a whole.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    dict of int to float
        Fat fraction in [0, 1] by label id.
    """
    low, high = _MEAN_FAT_FRACTION[severity]
    thigh = rng.uniform(low, high)
    logit = np.log(thigh / (1 - thigh))
    fractions = {}
    for label in scheme.labels:
        offset = _INVOLVEMENT.get(label.abbreviation, 0.0)
        value = logit + offset + rng.normal(0.0, _SPREAD_BETWEEN_MUSCLES)
        fractions[label.id] = float(1 / (1 + np.exp(-value)))
    return fractions
