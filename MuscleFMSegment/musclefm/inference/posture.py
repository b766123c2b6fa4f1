"""Whether a patient lies the other way up than the image says."""

from __future__ import annotations

import torch

from musclefm.inference.framing import Framing
from musclefm.inference.predictor import EnsemblePredictor

_SLICES = 5
# What the ensemble is surer by of a patient turned by 180 degrees the right way; of random
# weights, or where neither way looks like a thigh, the header is believed.
_SURER = 0.05


def looks_upside_down(predictor: EnsemblePredictor, upright: Framing, upside_down: Framing) -> bool:
    """Tell whether the ensemble is much surer of the slices turned by 180 degrees.

    Muscles of a prone patient in an image stored as if supine lie where none
    of their kind ever lies. A few slices, spread along the thighs, decide by
    their mean largest probability of a muscle.

    Parameters
    ----------
    predictor : EnsemblePredictor
        The ensemble.
    upright, upside_down : Framing
        Of the same case, either way.
    """
    return _sureness(predictor, upside_down) > _sureness(predictor, upright) + _SURER


def _sureness(predictor: EnsemblePredictor, framing: Framing) -> float:
    count = framing.slice_count
    chosen = sorted({int((place + 0.5) * count / _SLICES) for place in range(_SLICES)})
    tiles = torch.cat([framing.tiles(k) for k in chosen])
    mean = predictor.in_batches(tiles).mean(dim=1)
    return float(mean[:, 1:].amax(dim=1).mean())
