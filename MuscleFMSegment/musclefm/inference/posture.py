"""How a patient lies whom the image shows otherwise than the header says: prone, or one leg rolled.

DICOM's Patient Position (0018,5100) is not asked: a scanner writes Image Orientation
(Patient) by it, so where the operator entered a wrong one both are wrong alike, and
where they differ there is no telling which is right. The anatomy is the witness.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from musclefm.inference.framing import Framing
from musclefm.inference.laterality import looks_mirrored
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.inference.thigh_tiles import ThighFraming

_SLICES = 5
# What must speak for turning, as a share of the entropy. Real thighs and hips that lie as
# the header says have -0.1 to -1.5 of it, calves -0.1 to -0.3; upside down the same with
# the sign changed. Very noisy images reach 0.06, and random weights have nearly none: then
# the header is believed.
_LEAST_SHARE_OF_ENTROPY = 0.12
# The same for a roll: real thighs that lie level reach 0.13, those rolled by 30 or 40 degrees
# have 0.22 to 0.9.
_LEAST_SHARE_TO_ROLL = 0.17
# Rolls of a lone thigh that are tried: the ensemble bears half a step.
_ROLL_STEP_DEGREES = 20.0
_STEPS = 2


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


def lone_pose(
    predictor: EnsemblePredictor, framing_of: Callable[[bool, float], ThighFraming]
) -> tuple[bool, float]:
    """Tell whether a thigh that is alone is to be mirrored, and by how much it is rolled.

    No second thigh tells how it lies: the ensemble tries some rolls, either
    way round, and is surest of the right one. It is left as it is where no
    other is much better.

    Parameters
    ----------
    predictor : EnsemblePredictor
        The ensemble.
    framing_of : callable
        Makes the case's framing, given whether to mirror and the roll in degrees.

    Returns
    -------
    mirrored : bool
        See :func:`musclefm.inference.laterality.looks_mirrored`.
    turn_degrees : float
        As in :class:`musclefm.anatomy.thighs.Thighs`.
    """
    known: dict[tuple[bool, int], tuple[float, float]] = {}

    def surplus(mirrored: bool, step: int) -> float:
        if (mirrored, step) not in known:
            framing = framing_of(mirrored, step * _ROLL_STEP_DEGREES)
            known[mirrored, step] = _muscle_and_entropy(predictor, framing)
        muscle, entropy = known[mirrored, step]
        return muscle - entropy

    level = looks_mirrored(predictor, lambda mirrored: framing_of(mirrored, 0.0)), 0
    poses = [(mirrored, step) for mirrored in (False, True) for step in range(-_STEPS, _STEPS + 1)]
    best = max(poses, key=lambda pose: surplus(*pose))
    gain = surplus(*best) - surplus(*level)
    if best[1] == 0 or gain <= _LEAST_SHARE_TO_ROLL * (known[best][1] + known[level][1]) / 2:
        return level[0], 0.0
    mirrored, step = best
    # The top of the parabola through the best and its neighbours.
    before, top, after = (surplus(mirrored, step + side) for side in (-1, 0, 1))
    bend = max(2 * top - before - after, 1e-6)
    beside = min(max((after - before) / (2 * bend), -0.5), 0.5)
    return mirrored, (step + beside) * _ROLL_STEP_DEGREES


def _muscle_and_entropy(predictor: EnsemblePredictor, framing: Framing) -> tuple[float, float]:
    """Return means over some slices: the largest probability of a muscle, and the entropy."""
    count = framing.slice_count
    chosen = sorted({int((place + 0.5) * count / _SLICES) for place in range(_SLICES)})
    tiles = torch.cat([framing.tiles(k) for k in chosen])
    mean = predictor.in_batches(tiles).mean(dim=1)
    entropy = torch.special.entr(mean).sum(dim=1)
    return float(mean[:, 1:].amax(dim=1).mean()), float(entropy.mean())
