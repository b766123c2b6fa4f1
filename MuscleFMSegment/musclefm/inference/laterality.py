"""Which way round a thigh is that is alone in the image."""

from __future__ import annotations

from collections.abc import Callable

import torch

from musclefm.inference.predictor import EnsemblePredictor
from musclefm.inference.thigh_tiles import ThighFraming

_SLICES = 7


def looks_mirrored(
    predictor: EnsemblePredictor, framing_of: Callable[[bool], ThighFraming]
) -> bool:
    """Tell whether the ensemble is surer of a thigh when it is mirrored.

    The ensemble knows right thighs only; it is surer of a left one reversed.
    A few slices, spread along the thigh, decide by their mean largest
    probability of a muscle.

    Parameters
    ----------
    predictor : EnsemblePredictor
        The ensemble.
    framing_of : callable
        Makes the case's framing, given whether to mirror.
    """
    confidence = {}
    for mirrored in (False, True):
        framing = framing_of(mirrored)
        count = framing.slice_count
        chosen = sorted({int((place + 0.5) * count / _SLICES) for place in range(_SLICES)})
        tiles = torch.cat([framing.tiles(k) for k in chosen])
        mean = predictor.in_batches(tiles).mean(dim=1)
        confidence[mirrored] = float(mean[:, 1:].amax(dim=1).mean())
    return confidence[True] > confidence[False]
