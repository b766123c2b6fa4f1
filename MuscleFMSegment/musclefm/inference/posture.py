"""Whether a patient lies the other way up than the image says.

DICOM's Patient Position (0018,5100) is not asked: a scanner writes Image Orientation
(Patient) by it, so where the operator entered a wrong one both are wrong alike, and
where they differ there is no telling which is right. The anatomy is the witness.
"""

from __future__ import annotations

import torch

from musclefm.inference.framing import Framing
from musclefm.inference.predictor import EnsemblePredictor

_SLICES = 5
# What must speak for turning, as a share of the entropy. Real thighs and hips that lie as
# the header says have -0.1 to -1.5 of it, calves -0.1 to -0.3; upside down the same with
# the sign changed. Very noisy images reach 0.06, and random weights have nearly none: then
# the header is believed.
_LEAST_SHARE_OF_ENTROPY = 0.12


def looks_upside_down(predictor: EnsemblePredictor, upright: Framing, upside_down: Framing) -> bool:
    """Tell whether the ensemble is much surer of the slices turned by 180 degrees.

    Muscles of a prone patient in an image stored as if supine lie where none
    of their kind ever lies. An ensemble that sees them so finds fewer muscles,
    or as many with more uncertainty, as in the hip. A few slices, spread along the
    thighs, decide by the mean largest probability of a muscle less the mean
    entropy in nats.

    Parameters
    ----------
    predictor : EnsemblePredictor
        The ensemble.
    upright, upside_down : Framing
        Of the same case, either way.
    """
    muscle, entropy = _muscle_and_entropy(predictor, upright)
    muscle_turned, entropy_turned = _muscle_and_entropy(predictor, upside_down)
    gain = (muscle_turned - entropy_turned) - (muscle - entropy)
    return gain > _LEAST_SHARE_OF_ENTROPY * (entropy + entropy_turned) / 2


def _muscle_and_entropy(predictor: EnsemblePredictor, framing: Framing) -> tuple[float, float]:
    """Return means over some slices: the largest probability of a muscle, and the entropy."""
    count = framing.slice_count
    chosen = sorted({int((place + 0.5) * count / _SLICES) for place in range(_SLICES)})
    tiles = torch.cat([framing.tiles(k) for k in chosen])
    mean = predictor.in_batches(tiles).mean(dim=1)
    entropy = torch.special.entr(mean).sum(dim=1)
    return float(mean[:, 1:].amax(dim=1).mean()), float(entropy.mean())
