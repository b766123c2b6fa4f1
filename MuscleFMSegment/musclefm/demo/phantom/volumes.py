"""Whole volumes of both thighs, rendered from a label map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.demo.phantom.artefacts import Scanner
from musclefm.demo.phantom.contrast import Contrast
from musclefm.demo.phantom.fields import StreakTexture
from musclefm.demo.phantom.legs import split_columns
from musclefm.demo.phantom.slices import Fractions, fill_fractions
from musclefm.demo.phantom.tissues import UNLABELLED_MUSCLE, Body, build_tissues, femur_labels
from musclefm.labels.scheme import LabelScheme
from musclefm.volumes.orientation import to_canonical
from musclefm.volumes.volume import Volume

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Patient:
    """What is the patient's own, the same in every slice and contrast.

    Attributes
    ----------
    fat_fractions : dict of int to float
        Mean fat fraction of each muscle, by label id.
    body : Body
        Subcutaneous fat and the like.
    patchiness, streakiness : float
        How fat is spread within muscles, see :func:`fill_fractions`.
    """

    fat_fractions: dict[int, float]
    body: Body
    patchiness: float
    streakiness: float

    @staticmethod
    def draw(fat_fractions: Mapping[int, float], rng: np.random.Generator) -> Patient:
        """Draw a patient with the given fat fractions."""
        fractions = dict(fat_fractions)
        fractions.setdefault(UNLABELLED_MUSCLE, float(np.mean(list(fractions.values()))))
        return Patient(
            fractions, Body.draw(rng), float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.05, 0.6))
        )


def render_volume(
    labelmap: Volume,
    scheme: LabelScheme,
    patient: Patient,
    contrasts: Sequence[Contrast],
    scanner: Scanner,
    seed: int,
) -> list[Volume]:
    """Render a label map of both thighs under several contrasts.

    Parameters
    ----------
    labelmap : Volume
        ``(K, J, I) uint8`` in any orientation with square pixels, both thighs
        with the same ids.
    scheme : LabelScheme
        Of the labels.
    patient : Patient
        Fat fractions and build.
    contrasts : sequence of Contrast
        One volume each, of the same anatomy to the voxel.
    scanner : Scanner
        Shading, ghosts and noise.
    seed : int
        Of the textures and the noise.

    Returns
    -------
    list of Volume
        ``(K, J, I) float32`` on the label map's grid, the brightest pure
        tissue at about 1.
    """
    canonical, view = to_canonical(labelmap)
    pixel_mm = canonical.grid.spacing[0]
    labelled = np.flatnonzero(canonical.array.any(axis=(1, 2)))
    first, last = (labelled[0], labelled[-1]) if len(labelled) else (0, 0)
    streaks = StreakTexture(np.random.default_rng(seed))
    plane = (canonical.grid.shape[1], canonical.grid.shape[2])
    # The coils are the same for every slice and contrast, the noise is not.
    gain = scanner.gain(plane, pixel_mm, np.random.default_rng(seed))
    rendered = [np.zeros(canonical.grid.shape, np.float32) for _ in contrasts]
    for k, slice_labels in enumerate(canonical.array):
        height = float(np.clip((k - first) / max(last - first, 1), 0, 1))
        fractions = _both_thighs(slice_labels, height, pixel_mm, scheme, patient, streaks, seed)
        for volume, contrast in zip(rendered, contrasts, strict=True):
            noise = np.random.default_rng([seed, k, *contrast.name.encode()])
            volume[k] = scanner.image(fractions.signal(contrast), gain, pixel_mm, noise)
    return [Volume(view.undo(volume), labelmap.grid) for volume in rendered]


def _both_thighs(
    labels: npt.NDArray[np.uint8],
    height: float,
    pixel_mm: float,
    scheme: LabelScheme,
    patient: Patient,
    streaks: StreakTexture,
    seed: int,
) -> Fractions:
    """Return the fractions of a slice: each thigh built alone, then put together."""
    layers = [np.zeros(labels.shape, np.float32) for _ in range(3)]
    middle = split_columns(labels) or labels.shape[1]
    for thigh, columns in enumerate((slice(0, middle), slice(middle, None))):
        alone = np.zeros_like(labels)
        alone[:, columns] = labels[:, columns]
        if (alone > 0).sum() * pixel_mm**2 < 100:
            continue
        mirrored = thigh == 1
        if mirrored:
            alone = np.ascontiguousarray(alone[:, ::-1])
        # One seed a thigh: its bone, vessels and textures continue from slice to slice.
        rng = np.random.default_rng([seed, thigh])
        tissues = build_tissues(
            alone,
            pixel_mm,
            patient.body,
            rng,
            femur_near=femur_labels(scheme),
            distal=height < 0.12,
            proximal=height > 0.8,
            adductors=height > 0.45,
        )
        filled = fill_fractions(
            tissues,
            patient.fat_fractions,
            streaks,
            rng,
            patchiness=patient.patchiness,
            streakiness=patient.streakiness,
            slope_px=0.8 / pixel_mm,
        )
        for layer, own in zip(layers, (filled.water, filled.fat, filled.fluid), strict=True):
            own = own[:, ::-1] if mirrored else own
            np.maximum(layer, own, out=layer)
    # Where thighs touch they share the voxel.
    total = np.maximum(layers[0] + layers[1] + layers[2], 1)
    return Fractions(*(layer / total for layer in layers))
