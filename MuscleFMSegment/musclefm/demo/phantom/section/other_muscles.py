"""Muscles of a thigh that the label scheme lacks, where anatomy has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.demo.phantom.section.landmarks import Landmarks, Place

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class OtherMuscle:
    """A muscle without a label.

    Attributes
    ----------
    code : int
        Its value in a section's muscles, above all label ids.
    between : mapping of str to float
        Weights of the labelled muscles that it lies between; the femur has the rest.
    offset : tuple of float
        Posterior and medial of there, in mm.
    radii : tuple of float
        Half axes, the first along ``turn``, in mm.
    turn : float
        Direction of the first axis in degrees from posterior to medial.
    heights : tuple of float
        Where along the thigh it begins, and where it has its full size.
    involvement : float
        Offset of the logit of its fat fraction.
    """

    code: int
    between: Mapping[str, float]
    offset: Place
    radii: tuple[float, float]
    turn: float
    heights: tuple[float, float]
    involvement: float = 0.0


GLUTEUS_MAXIMUS = 245
"""Its lower edge also wraps the back of the thigh, see :mod:`outline`."""

OTHER_MUSCLES = (
    # Adductor longus: between sartorius and gracilis, before adductor magnus.
    OtherMuscle(254, {"SA": 0.42, "GR": 0.36, "AM": 0.12}, (0, 0), (28, 16), 55, (0.40, 0.60), 0.1),
    # Adductor brevis: behind longus, towards the femur.
    OtherMuscle(253, {"SA": 0.22, "GR": 0.3, "AM": 0.28}, (-2, 0), (27, 15), 65, (0.50, 0.68), 0.1),
    # Pectineus: from the femur to the front, beside longus.
    OtherMuscle(252, {"SA": 0.5}, (8, 14), (22, 13), 115, (0.78, 0.90), 0.1),
    # Iliopsoas: before and medial of the proximal femur.
    OtherMuscle(251, {"SA": 0.25, "RF": 0.25}, (2, 8), (14, 13), 90, (0.84, 0.94), -0.3),
    # Tensor fasciae latae: before vastus lateralis, beside rectus femoris.
    OtherMuscle(250, {"RF": 0.62, "VL": 0.38}, (-4, -14), (16, 8), 60, (0.66, 0.84), 0.0),
    # Obturator externus and quadratus femoris: behind the femur's neck.
    OtherMuscle(249, {"AM": 0.45}, (8, 2), (24, 9), 80, (0.84, 0.93), 0.2),
    # The uppermost part of adductor magnus, where its labels end, and adductor minimus.
    OtherMuscle(246, {"AM": 0.6, "GR": 0.3}, (2, 0), (32, 20), 75, (0.84, 0.97), 0.4),
    # Gluteus maximus: behind and lateral of the femur, beside the hamstrings' origin.
    OtherMuscle(GLUTEUS_MAXIMUS, {}, (47, -10), (44, 22), 80, (0.64, 0.98), 0.4),
    # Heads of gastrocnemius, and the small muscles beside them, behind the condyles.
    OtherMuscle(248, {}, (38, 17), (11, 14), 90, (0.11, 0.01), 0.2),
    OtherMuscle(247, {}, (37, -15), (10, 13), 90, (0.10, 0.01), 0.2),
)


def share_of_size(height: float, heights: tuple[float, float]) -> float:
    """Return how much of a structure there is at a height, from 0 to 1."""
    begins, full = heights
    return float(np.clip((height - begins) / (full - begins), 0, 1))


@dataclass(frozen=True)
class Variant:
    """One muscle of one person: whether it shows, how large, and where off its usual place."""

    size: float
    stretch: float
    nudge: Place
    turn: float

    @staticmethod
    def draw(rng: np.random.Generator) -> Variant:
        """Draw a person's variant; some muscles are too atrophied to be seen."""
        # All are drawn, so that the random numbers after these are the same.
        shown = rng.random() < 0.93
        size = np.exp(rng.normal(0.0, 0.13)) if shown else 0.0
        nudge = rng.normal(0, 3.0, 2)
        return Variant(
            float(size),
            float(np.exp(rng.normal(0.0, 0.12))),
            (float(nudge[0]), float(nudge[1])),
            float(rng.normal(0, 10.0)),
        )


def place_other_muscles(
    landmarks: Landmarks,
    height: float,
    size: float,
    variants: Mapping[int, Variant],
    wobble: npt.NDArray[np.float32],
    pixel_mm: float,
) -> Codes:
    """Return the codes ``(J, I) uint8`` of the muscles at a height, 0 elsewhere.

    They overlap the labelled muscles, which have precedence: so they touch.
    """
    codes: Codes = np.zeros(wobble.shape, np.uint8)
    nearest = np.ones(wobble.shape, np.float32)
    for muscle in OTHER_MUSCLES:
        variant = variants[muscle.code]
        share = share_of_size(height, muscle.heights)
        scale = size * variant.size * np.sqrt(share)
        if scale < 0.2:
            continue
        centre = [
            landmarks.femur[axis]
            + (
                sum(landmarks.places[name][axis] * part for name, part in muscle.between.items())
                + size * muscle.offset[axis]
                + variant.nudge[axis]
            )
            / pixel_mm
            for axis in (0, 1)
        ]
        along, across = (
            radius * scale * stretch / pixel_mm
            for radius, stretch in zip(
                muscle.radii, (variant.stretch, 1 / variant.stretch), strict=True
            )
        )
        reach = 1.3 * max(along, across) + 1
        rows, columns = (
            slice(max(int(middle - reach), 0), max(int(middle + reach) + 2, 0)) for middle in centre
        )
        y = (np.arange(codes.shape[0], dtype=np.float32)[rows] - centre[0]).reshape(-1, 1)
        x = np.arange(codes.shape[1], dtype=np.float32)[columns] - centre[1]
        angle = np.radians(muscle.turn + variant.turn)
        first = (np.cos(angle) * y + np.sin(angle) * x) / along
        second = (np.cos(angle) * x - np.sin(angle) * y) / across
        distance = np.hypot(first, second) * (1 + 0.15 * wobble[rows, columns])
        closer = distance < nearest[rows, columns]
        nearest[rows, columns][closer] = distance[closer]
        codes[rows, columns][closer] = muscle.code
    return codes
