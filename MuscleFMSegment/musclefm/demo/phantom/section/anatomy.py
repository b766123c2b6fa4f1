"""One person's thigh: all that a section of it holds, from the labels of its muscles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.demo.phantom.fields import StreakTexture, smooth_field
from musclefm.demo.phantom.section.bones import Bones, Femur, find_femur
from musclefm.demo.phantom.section.landmarks import find_landmarks
from musclefm.demo.phantom.section.other_muscles import (
    OTHER_MUSCLES,
    Variant,
    place_other_muscles,
)
from musclefm.demo.phantom.section.outline import Outline, bulk, convex_hull
from musclefm.demo.phantom.section.vessels import Vessels
from musclefm.demo.phantom.severity import draw_fat_fractions
from musclefm.demo.phantom.slices import Fractions
from musclefm.demo.phantom.tissues import femur_labels
from musclefm.evaluation.cohort.severity import Severity
from musclefm.labels.scheme import LabelScheme

Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float32]

_FAT_OUTSIDE_MUSCLE = 0.95


@dataclass(frozen=True)
class ThighAnatomy:
    """A person's thigh, the same in all its sections.

    Attributes
    ----------
    scheme : LabelScheme
        Of the labels.
    pixel_mm : float
        Edge of a pixel in mm.
    outline : Outline
        Fat under the skin and the like.
    bones : Bones
        Femur and patella.
    vessels : Vessels
        Vessels and nerve.
    variants : mapping of int to Variant
        Unlabelled muscles, by code.
    logits : ndarray
        ``(256,) float32``: logit of the fat fraction, by label or code.
    septa : float
        Fat fraction of the thin layers between neighbouring muscles.
    height_shift : float
        Labels of thighs do not all begin and end at the same height.
    wander, wobble, texture : ndarray
        ``(J, I) float32`` fields: strength of the septa, outlines of unlabelled
        muscles, and logits of the fat within muscles.
    grain : float
        Strength of the texture of fat outside muscles.
    drift : tuple of ndarray or None
        How far structures move, in whole pixels along rows and columns, between
        the middle and the face of a thick slice: its partial volume.
    """

    scheme: LabelScheme
    pixel_mm: float
    outline: Outline
    bones: Bones
    vessels: Vessels
    variants: Mapping[int, Variant]
    logits: Array
    septa: float
    height_shift: float
    wander: Array
    wobble: Array
    texture: Array
    grain: float
    drift: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]] | None

    @staticmethod
    def draw(
        scheme: LabelScheme,
        severity: Severity,
        shape: tuple[int, int],
        pixel_mm: float,
        height: float,
        streaks: StreakTexture,
        rng: np.random.Generator,
    ) -> ThighAnatomy:
        """Draw a person's thigh around a height, on a canvas of a shape."""
        texture = rng.uniform(0.1, 0.9) * smooth_field(shape, 20.0 / pixel_mm, rng)
        texture = texture + rng.uniform(0.05, 0.6) * streaks.draw(shape, rng)
        drift = None
        if rng.random() < 0.4:
            slope_px = rng.uniform(0.3, 2.5) / pixel_mm
            rows, columns = (
                np.rint(slope_px * smooth_field(shape, 55.0 / pixel_mm, rng)).astype(np.intp)
                for _ in range(2)
            )
            drift = rows, columns
        return ThighAnatomy(
            scheme=scheme,
            pixel_mm=pixel_mm,
            outline=Outline.draw(height, rng),
            bones=Bones.draw(rng),
            vessels=Vessels.draw(rng),
            variants={muscle.code: Variant.draw(rng) for muscle in OTHER_MUSCLES},
            logits=_draw_logits(scheme, severity, rng),
            septa=float(0.9 * rng.random() ** 1.5),
            height_shift=float(rng.normal(0, 0.04)),
            wander=0.5 + 0.5 * np.clip(smooth_field(shape, 20.0 / pixel_mm, rng), -1, 1),
            wobble=np.clip(smooth_field(shape, 16.0 / pixel_mm, rng), -1.5, 1.5),
            texture=texture.astype(np.float32),
            grain=float(rng.uniform(0.0, 0.08)),
            drift=drift,
        )

    def section(
        self,
        labels: npt.NDArray[np.uint8],
        height: float,
        size: float,
        femur: Femur | None = None,
    ) -> tuple[Fractions, Mask]:
        """Return what each voxel of a section holds, and where the leg is.

        Parameters
        ----------
        labels : ndarray
            ``(J, I) uint8``, not empty.
        height : float
            Along the thigh, 0 at the knee, 1 at the hip.
        size : float
            Of the thigh, 1 for a usual one.
        femur : Femur or None
            Where it lies, from a section close by; None looks for it.
        """
        height = height + self.height_shift
        femur = femur or self.find_femur(labels)
        landmarks = find_landmarks(labels, femur.middle, self.scheme, size, self.pixel_mm)
        codes = place_other_muscles(
            landmarks, height, size, self.variants, self.wobble, self.pixel_mm
        )
        cortex, marrow = self.bones.place(labels, femur, height, self.pixel_mm)
        bone = cortex | marrow
        codes[bone] = 0
        np.copyto(codes, labels, where=labels > 0)
        flesh = bulk(labels.shape, femur.middle, height, size, self.pixel_mm)
        fascia = convex_hull((codes > 0) | bone | flesh)
        body, skin = self.outline.surround(codes, fascia, height, self.pixel_mm)
        vessel, fluid, nerve = self.vessels.place(
            landmarks, (labels == 0) & ~bone, height, self.pixel_mm
        )
        muscle = (codes > 0) & ~vessel & ~nerve & body
        fat = self._fat(codes, muscle)
        water = np.where(muscle, 1 - fat, np.float32(0.03))
        for mask, water_share, fat_share in (
            (skin & ~muscle, 0.6, 0.2),
            (nerve, 0.35, 0.4),
            (marrow, 1 - self.bones.marrow_fat, self.bones.marrow_fat),
            (cortex | vessel | ~body, 0.0, 0.0),
        ):
            water[mask] = water_share
            fat[mask] = fat_share
        layers = [water.astype(np.float32), fat, np.where(vessel, fluid, np.float32(0))]
        if self.drift is not None:
            layers = _through_slice(layers, self.drift)
        return Fractions(*layers), body

    def find_femur(self, labels: npt.NDArray[np.uint8]) -> Femur:
        """Return where the femur lies among the labels ``(J, I)`` of a section."""
        hull = convex_hull(labels > 0)
        return find_femur(labels, hull, femur_labels(self.scheme), self.pixel_mm)

    def _fat(self, codes: npt.NDArray[np.uint8], muscle: Mask) -> Array:
        """Return the fat fraction ``(J, I)`` of muscles, their septa and what is between."""
        fat = 1 / (1 + np.exp(-(self.logits[codes] + self.texture)))
        rim = np.zeros(codes.shape, np.float32)
        rim[:-1] += codes[1:] != codes[:-1]
        rim[:, :-1] += codes[:, 1:] != codes[:, :-1]
        septa = ndimage.gaussian_filter(rim, 0.55, truncate=3.0) * (1.6 * self.septa) * self.wander
        grainy = _FAT_OUTSIDE_MUSCLE - self.grain * np.abs(self.texture)
        shares: Array = np.where(muscle, np.maximum(fat, np.minimum(septa, 1)), grainy)
        return shares.astype(np.float32)


def _draw_logits(scheme: LabelScheme, severity: Severity, rng: np.random.Generator) -> Array:
    """Draw the logit of every muscle's fat fraction, those without a label as well."""
    fractions = draw_fat_fractions(scheme, severity, rng)
    logits = np.zeros(256, np.float32)
    for label, fraction in fractions.items():
        clipped = min(max(fraction, 0.01), 0.97)
        logits[label] = np.log(clipped / (1 - clipped))
    usual = float(np.mean([logits[label] for label in fractions]))
    for muscle in OTHER_MUSCLES:
        logits[muscle.code] = usual + muscle.involvement + rng.normal(0, 0.4)
    return logits


def _through_slice(
    layers: list[Array], drift: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]
) -> list[Array]:
    """Return the mean of the layers in the middle of the slice and at both faces."""
    rows, columns = np.ogrid[: layers[0].shape[0], : layers[0].shape[1]]
    faces = [
        tuple(
            (place + side * way).clip(0, count - 1)
            for place, way, count in zip((rows, columns), drift, layers[0].shape, strict=True)
        )
        for side in (-1, 1)
    ]
    return [
        ((layer + layer[faces[0]] + layer[faces[1]]) / np.float32(3)).astype(np.float32)
        for layer in layers
    ]
