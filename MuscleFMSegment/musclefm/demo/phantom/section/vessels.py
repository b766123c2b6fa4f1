"""Femoral vessels, the deep ones behind them, the sciatic nerve and the saphenous vein."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musclefm.demo.phantom.section.landmarks import Landmarks, Place

Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Vessels:
    """A person's vessels and nerve.

    Attributes
    ----------
    artery_mm, vein_mm, deep_mm, nerve_mm : float
        Radii.
    artery, vein : float
        Signal of the blood, as a share of still fluid's: flow makes it bright or dark.
    nudge : tuple of float
        Off their usual place, in mm.
    apart : float
        Direction from artery to vein in radians.
    """

    artery_mm: float
    vein_mm: float
    deep_mm: float
    nerve_mm: float
    artery: float
    vein: float
    nudge: Place
    apart: float

    @staticmethod
    def draw(rng: np.random.Generator) -> Vessels:
        """Draw a person's vessels."""
        nudge = rng.normal(0, 2.0, 2)
        return Vessels(
            artery_mm=float(rng.uniform(2.5, 4.2)),
            vein_mm=float(rng.uniform(3.0, 5.5)),
            deep_mm=float(rng.uniform(1.2, 2.8)),
            nerve_mm=float(rng.uniform(2.5, 5.0)),
            artery=float(rng.choice([0.0, rng.uniform(0, 1)])),
            vein=float(rng.uniform(0.2, 1.0)),
            nudge=(float(nudge[0]), float(nudge[1])),
            apart=float(rng.uniform(0, 2 * np.pi)),
        )

    def place(
        self, landmarks: Landmarks, free: Mask, height: float, pixel_mm: float
    ) -> tuple[Mask, Array, Mask]:
        """Return vessels, their fluid and the nerve, all ``(J, I)``.

        Parameters
        ----------
        landmarks : Landmarks
            Of the section.
        free : ndarray
            ``(J, I) bool``: where no labelled muscle and no bone lies.
        height : float
            Along the thigh.
        pixel_mm : float
            Edge of a pixel in mm.

        Returns
        -------
        vessel, fluid, nerve : ndarray
            ``bool``, ``float32`` in [0, 1], ``bool``.
        """
        places = landmarks.places
        # In the adductor canal, deep to sartorius; behind the knee they are popliteal.
        canal = _mean((places["SA"], 0.62), (places["AM"], 0.2), (places["VM"], 0.1))
        behind = (34.0, 4.0)
        low = float(np.clip((0.22 - height) / 0.2, 0, 1))
        femoral = _mean((canal, 1 - low), (behind, low), (self.nudge, 1.0))
        turned = np.array([np.sin(self.apart), np.cos(self.apart)])
        vein = tuple(np.array(femoral) + (self.artery_mm + self.vein_mm) * turned)
        deep = _mean((canal, 0.45), (self.nudge, -1.0), ((10.0, 6.0), 1.0))
        nerve_place = _mean((places["BFL"], 0.45), (places["AM"], 0.3), (places["SM"], 0.2))
        vessel, nerve = (np.zeros(free.shape, bool) for _ in range(2))
        fluid = np.zeros(free.shape, np.float32)
        for place, radius, signal in (
            (femoral, self.artery_mm, self.artery),
            (vein, self.vein_mm, self.vein),
            (deep, self.deep_mm, self.vein),
        ):
            box, disk = _disk(landmarks.femur, place, radius, free.shape, pixel_mm)
            seen = disk & free[box]
            vessel[box] |= seen
            fluid[box][seen] = signal
        box, disk = _disk(landmarks.femur, nerve_place, self.nerve_mm, free.shape, pixel_mm)
        nerve[box] = disk & free[box]
        return vessel, fluid, nerve


def _mean(*weighted: tuple[Place, float]) -> Place:
    return (
        sum(place[0] * weight for place, weight in weighted),
        sum(place[1] * weight for place, weight in weighted),
    )


def _disk(
    femur: tuple[float, float],
    place: Place,
    radius_mm: float,
    shape: tuple[int, ...],
    pixel_mm: float,
) -> tuple[tuple[slice, slice], Mask]:
    """Return a disk, and the window of the section that it lies in."""
    row, column = (middle + way / pixel_mm for middle, way in zip(femur, place, strict=True))
    reach = int(radius_mm / pixel_mm) + 2
    rows, columns = (
        slice(max(int(at) - reach, 0), max(min(int(at) + reach + 1, count), 0))
        for at, count in zip((row, column), shape, strict=True)
    )
    y, x = np.ogrid[rows, columns]
    return (rows, columns), np.hypot(y - row, x - column) * pixel_mm < radius_mm
