"""The outline of a thigh: fascia, gluteus maximus, fat under the skin, and skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import ConvexHull

from musclefm.demo.phantom.section.other_muscles import GLUTEUS_MAXIMUS, share_of_size

Mask = npt.NDArray[np.bool_]

_BUTTOCK = (0.74, 0.98)
# Where a thigh is no longer slimmer than at its middle, although fewer labels are left.
_BULK = (0.60, 0.92)
# Between posterior and lateral, in the image's angles.
_BUTTOCK_ANGLE = np.radians(110.0)


@dataclass(frozen=True)
class Outline:
    """A person's outline.

    Attributes
    ----------
    fat_mm : float
        Mean thickness of the fat under the skin.
    fat_turn, fat_uneven : float
        Direction in radians in which it is thickest, and how much, relative.
    flat : float
        How much thinner it is behind, where a person lies on it.
    skin_mm : float
        Thickness of the skin.
    gluteus_mm : float
        Thickness of the edge of gluteus maximus that wraps the thigh at the hip.
    touching_mm : float or None
        How far beyond the medial muscles the other thigh touches; None apart.
    """

    fat_mm: float
    fat_turn: float
    fat_uneven: float
    flat: float
    skin_mm: float
    gluteus_mm: float
    touching_mm: float | None

    @staticmethod
    def draw(height: float, rng: np.random.Generator) -> Outline:
        """Draw a person's outline; toward the hip thighs touch more often."""
        fat_mm = float(np.clip(rng.lognormal(np.log(9.0), 0.6), 1.5, 42.0))
        touching = rng.random() < 0.12 + 0.6 * max(height - 0.55, 0)
        return Outline(
            fat_mm=fat_mm,
            fat_turn=float(rng.uniform(-np.pi, np.pi)),
            fat_uneven=float(rng.uniform(0.0, 0.6)),
            flat=float(rng.uniform(0.0, 0.7)),
            skin_mm=float(rng.uniform(1.0, 2.6)),
            gluteus_mm=float(rng.uniform(0.0, 26.0)),
            touching_mm=float(rng.uniform(0.2, 0.9)) * fat_mm if touching else None,
        )

    def surround(
        self, codes: npt.NDArray[np.uint8], fascia: Mask, height: float, pixel_mm: float
    ) -> tuple[Mask, Mask]:
        """Return body and skin ``(J, I) bool``, and add gluteus maximus to the muscles.

        Parameters
        ----------
        codes : ndarray
            ``(J, I) uint8``: muscles; changed in place.
        fascia : ndarray
            ``(J, I) bool``: what the deep fascia encloses.
        height : float
            Along the thigh.
        pixel_mm : float
            Edge of a pixel in mm.
        """
        distance = ndimage.distance_transform_edt(~fascia).astype(np.float32) * pixel_mm
        rows, columns = np.nonzero(fascia)
        row, column = np.ogrid[: fascia.shape[0], : fascia.shape[1]]
        angle = np.arctan2(row - rows.mean(), column - columns.mean()).astype(np.float32)
        behind = np.clip(np.sin(angle), 0, 1)
        fat = self.fat_mm * (1 + self.fat_uneven * np.cos(angle - self.fat_turn))
        fat = fat * (1 - self.flat * behind)
        thick = self.gluteus_mm * share_of_size(height, _BUTTOCK)
        if thick > 3:
            gluteus = thick * np.clip(np.cos(angle - _BUTTOCK_ANGLE), 0, 1)
            codes[(distance > 0) & (distance < gluteus)] = GLUTEUS_MAXIMUS
            fat = fat + gluteus
        body = distance < fat
        if self.touching_mm is not None:
            contact = round(columns.max() + self.touching_mm / pixel_mm)
            # Toward the cut the flesh of both thighs fills the wedges between them.
            middle = rows.mean()
            wedge = np.abs(row - middle) < (rows.max() - rows.min()) / 3
            wedge = wedge & (column > columns.mean()) & (distance < 1.4 * fat + 5)
            body |= wedge
            body[:, contact:] = False
            return body, body & ~wedge & (distance > fat - self.skin_mm)
        return body, body & (distance > fat - self.skin_mm)


def bulk(
    shape: tuple[int, ...], femur: tuple[float, float], height: float, size: float, pixel_mm: float
) -> Mask:
    """Return the flesh ``(J, I) bool`` that a thigh has at least toward the hip."""
    share = size * share_of_size(height, _BULK)
    row = (np.arange(shape[0], dtype=np.float32)[:, None] - femur[0]) * pixel_mm
    column = (np.arange(shape[1], dtype=np.float32)[None] - femur[1]) * pixel_mm
    reach = np.hypot((row - 8 * size) / 50, (column - 12 * size) / 56)
    flesh: Mask = reach < share
    return flesh


def convex_hull(mask: Mask) -> Mask:
    """Return the convex hull ``(J, I) bool`` of a mask that is not empty."""
    used = np.flatnonzero(mask.any(axis=1))
    first = mask[used].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[used, ::-1].argmax(axis=1)
    corners = np.concatenate(
        [
            np.stack([used + up, side + out], axis=1)
            for up in (-0.5, 0.5)
            for side, out in ((first, -0.5), (last, 0.5))
        ]
    )
    slope, across, offset = ConvexHull(corners).equations.T
    row = np.arange(used[0], used[-1] + 1)[:, None]
    # A convex region is one run of columns in each row.
    leaning = np.abs(across) > 1e-9
    border = -(slope[leaning] * row + offset[leaning]) / across[leaning]
    leftward = across[leaning] < 0
    left = np.where(leftward, border, -np.inf).max(axis=1)
    right = np.where(leftward, np.inf, border).min(axis=1)
    column = np.arange(mask.shape[1])
    hull = np.zeros(mask.shape, bool)
    hull[used[0] : used[-1] + 1] = (column >= left[:, None] - 1e-6) & (
        column <= right[:, None] + 1e-6
    )
    return hull
