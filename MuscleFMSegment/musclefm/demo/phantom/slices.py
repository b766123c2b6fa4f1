"""One rendered slice of one thigh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.demo.phantom.contrast import Contrast
from musclefm.demo.phantom.fields import StreakTexture, smooth_field
from musclefm.demo.phantom.tissues import UNLABELLED_MUSCLE, Tissues

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fractions:
    """What each voxel of a slice holds, ``(J, I) float32`` in [0, 1] each.

    Attributes
    ----------
    water : ndarray
        Muscle water.
    fat : ndarray
        Fat.
    fluid : ndarray
        Blood and nerve.
    """

    water: Array
    fat: Array
    fluid: Array

    def signal(self, contrast: Contrast) -> Array:
        """Return the noiseless signal under a contrast."""
        return contrast.signal(self.water, self.fat, self.fluid)


def fill_fractions(
    tissues: Tissues,
    fat_fractions: Mapping[int, float],
    streaks: StreakTexture,
    rng: np.random.Generator,
    *,
    patchiness: float,
    streakiness: float,
    slope_px: float = 0.0,
) -> Fractions:
    """Fill tissues with water and fat.

    Parameters
    ----------
    tissues : Tissues
        Tissues of the slice.
    fat_fractions : mapping of int to float
        Mean fat fraction by label id; ``UNLABELLED_MUSCLE`` takes their mean
        where it is not listed.
    streaks : StreakTexture
        Texture of the fat inside muscles.
    rng : numpy.random.Generator
        Source of randomness.
    patchiness, streakiness : float
        Standard deviation in logits of the fat fraction within a muscle, over
        centimetres and along fibres.
    slope_px : float
        How far structures move in plane, in pixels, between the middle and
        the face of a thick slice: the partial volume along the leg.
    """
    shape = (tissues.muscle.shape[0], tissues.muscle.shape[1])
    table = np.zeros(256, np.float32)
    for label, fraction in fat_fractions.items():
        clipped = min(max(fraction, 0.01), 0.97)
        table[label] = np.log(clipped / (1 - clipped))
    if UNLABELLED_MUSCLE not in fat_fractions:
        table[UNLABELLED_MUSCLE] = np.mean([table[label] for label in fat_fractions])
    logits = table[tissues.muscle]
    logits = logits + patchiness * smooth_field(shape, 14.0, rng)
    logits = logits + streakiness * streaks.draw(shape, rng)
    in_muscle = tissues.muscle > 0
    fat = np.where(in_muscle, 1 / (1 + np.exp(-logits)), 0.93).astype(np.float32)
    fat = np.maximum(fat, np.where(in_muscle, tissues.septa, 0))
    water = 1 - fat
    lean = tissues.skin & ~in_muscle
    fat = np.where(lean, 0.2, fat)
    water = np.where(lean, 0.6, water)
    fluid = tissues.vessel.astype(np.float32)
    present = tissues.body & ~tissues.cortex & ~tissues.vessel
    # Marrow is fatty; it takes the value of fat outside muscle.
    layers = [np.where(present, layer, 0).astype(np.float32) for layer in (water, fat)] + [fluid]
    if slope_px > 0:
        layers = _average_through_slice(layers, slope_px, rng)
    return Fractions(*layers)


def _average_through_slice(
    layers: list[Array], slope_px: float, rng: np.random.Generator
) -> list[Array]:
    """Return the mean of the layers at both faces and in the middle of the slice."""
    shape = (layers[0].shape[0], layers[0].shape[1])
    drift = [slope_px * smooth_field(shape, 40.0, rng) for _ in range(2)]
    rows, columns = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij")
    averaged = []
    for layer in layers:
        faces = [
            ndimage.map_coordinates(
                layer, [rows + s * drift[0], columns + s * drift[1]], order=1, mode="nearest"
            )
            for s in (-1.0, 1.0)
        ]
        averaged.append(((layer + faces[0] + faces[1]) / 3).astype(np.float32))
    return averaged
