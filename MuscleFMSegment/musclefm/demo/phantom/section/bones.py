"""The femur, its condyles and the patella."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from musclefm.demo.phantom.section.other_muscles import share_of_size

Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float32]

_KNEE = (0.16, 0.0)
_TROCHANTER = (0.86, 1.0)


@dataclass(frozen=True)
class Femur:
    """Where a section's femur lies.

    Attributes
    ----------
    middle : tuple of float
        Row and column, in pixels.
    room_mm : float
        From there to the nearest labelled muscle.
    """

    middle: tuple[float, float]
    room_mm: float


@dataclass(frozen=True)
class Bones:
    """A person's bones.

    Attributes
    ----------
    radius_mm : float
        Of the femur's shaft.
    oval : float
        How much longer it is from front to back.
    ridge : float
        How far the linea aspera stands out behind, relative.
    cortex_mm : float
        Thickness of the shaft's cortex.
    condyles_mm : float
        Half width of the bone at the knee.
    patella : bool
        Whether it lies at the height of the lowest sections.
    marrow_fat : float
        Fat fraction of the marrow; red marrow holds water.
    """

    radius_mm: float
    oval: float
    ridge: float
    cortex_mm: float
    condyles_mm: float
    patella: bool
    marrow_fat: float

    @staticmethod
    def draw(rng: np.random.Generator) -> Bones:
        """Draw a person's bones."""
        return Bones(
            radius_mm=float(rng.uniform(11.5, 15.5)),
            oval=float(rng.uniform(0.92, 1.15)),
            ridge=float(rng.uniform(0.08, 0.45)),
            cortex_mm=float(rng.uniform(3.5, 7.0)),
            condyles_mm=float(rng.uniform(24.0, 40.0)),
            patella=bool(rng.random() < 0.5),
            marrow_fat=float(rng.uniform(0.75, 0.97)),
        )

    def place(
        self,
        labels: npt.NDArray[np.uint8],
        femur: Femur,
        height: float,
        pixel_mm: float,
    ) -> tuple[Mask, Mask]:
        """Return cortex and marrow ``(J, I) bool``; labelled muscles have precedence.

        Parameters
        ----------
        labels : ndarray
            ``(J, I) uint8``.
        femur : Femur
            Where it lies.
        height : float
            Along the thigh.
        pixel_mm : float
            Edge of a pixel in mm.
        """
        knee, hip = share_of_size(height, _KNEE) ** 1.5, share_of_size(height, _TROCHANTER)
        row = (np.arange(labels.shape[0], dtype=np.float32)[:, None] - femur.middle[0]) * pixel_mm
        column = (np.arange(labels.shape[1], dtype=np.float32)[None] - femur.middle[1]) * pixel_mm
        radius = self.radius_mm + knee * (self.condyles_mm - self.radius_mm) + 7.0 * hip
        radius = min(radius, max(femur.room_mm + 2.0 + 5.0 * knee, 8.0))
        # The condyles are wide and stand out behind, with a notch between them.
        tall = radius * (self.oval - 0.2 * knee)
        reach = np.hypot(row / tall, column / radius)
        angle = np.arctan2(column, row)
        behind = np.exp(-((angle / 0.4) ** 2))
        shape = 1 + (self.ridge * (1 - knee) - 0.25 * knee) * behind
        inside = reach / shape
        cortex_mm = self.cortex_mm * (1 - 0.75 * max(knee, 0.7 * hip)) + 0.3
        bone = (inside < 1) & (labels == 0)
        marrow = bone & (inside < 1 - cortex_mm / radius)
        if self.patella and knee > 0.5:
            front = -(tall + 16.0)
            patella = np.hypot((row - front) / 9.0, column / 20.0)
            bone |= (patella < 1) & (labels == 0)
            marrow |= (patella < 0.8) & (labels == 0)
        return bone & ~marrow, marrow


def find_femur(
    labels: npt.NDArray[np.uint8], inside: Mask, near: tuple[int, ...], pixel_mm: float
) -> Femur:
    """Return the roomiest gap beside the femur's muscles.

    Parameters
    ----------
    labels : ndarray
        ``(J, I) uint8``, not empty.
    inside : ndarray
        ``(J, I) bool``: convex hull of the labels.
    near : tuple of int
        Labels that lie against the femur.
    pixel_mm : float
        Edge of a pixel in mm.
    """
    companions = np.isin(labels, near)
    if np.count_nonzero(companions) < 20:
        companions = labels > 0
    rows, columns = np.nonzero(companions)
    middle = rows.mean(), columns.mean()
    reach = round(48.0 / pixel_mm)
    box = tuple(slice(max(round(at) - reach, 0), round(at) + reach + 1) for at in middle)
    room = ndimage.distance_transform_edt((labels[box] == 0) & inside[box]) * pixel_mm
    row, column = np.ogrid[: room.shape[0], : room.shape[1]]
    away = np.hypot(row + box[0].start - middle[0], column + box[1].start - middle[1]) * pixel_mm
    best = np.unravel_index(np.argmax(np.minimum(room, 14.0) - 0.25 * away), room.shape)
    place = float(best[0] + box[0].start), float(best[1] + box[1].start)
    return Femur(place, float(room[best]))
