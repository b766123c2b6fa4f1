"""Draws the icons and the sample's thumbnail.

Run from the repository's root, with musclefm installed::

    python Testing/packaging/draw_icons.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter

from musclefm.demo.sample import sample_channels
from musclefm.volumes.reading import read_volume

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE_ICONS = REPOSITORY / "MuscleFMSegment" / "Resources" / "Icons"

ICON_SIZE = 128
THUMBNAIL_SIZE = 256
_OVERSAMPLING = 8

Colour = tuple[int, int, int]
Floats = npt.NDArray[np.float64]
FAT: Colour = (236, 226, 200)
SKIN: Colour = (120, 104, 88)
GAP: Colour = (250, 245, 230)
BONE: Colour = (255, 255, 250)
MARROW: Colour = (196, 178, 140)

# Around the femur, in degrees clockwise from the front, and in shares of the thigh's radius.
MUSCLES: tuple[tuple[float, float, float, float, Colour], ...] = (
    (-26, 30, 0.47, 0.84, (44, 123, 182)),
    (-84, 84, 0.22, 0.44, (24, 90, 140)),
    (-126, -29, 0.47, 0.84, (20, 106, 120)),
    (33, 92, 0.47, 0.84, (74, 150, 200)),
    (95, 122, 0.50, 0.84, (110, 190, 190)),
    (87, 180, 0.22, 0.47, (18, 78, 108)),
    (125, 152, 0.50, 0.84, (60, 160, 140)),
    (155, 193, 0.50, 0.84, (30, 128, 110)),
    (196, 231, 0.50, 0.84, (90, 180, 150)),
    (183, 273, 0.22, 0.47, (30, 110, 130)),
)
# From the centre of the uncertain spot to its rim, in shares of its radius.
UNCERTAINTY: tuple[tuple[float, Colour], ...] = (
    (0.00, (255, 252, 220)),
    (0.30, (255, 214, 90)),
    (0.60, (246, 120, 62)),
    (1.00, (205, 36, 38)),
)
_SPOT_CENTRE = (0.37, 0.32)
_SPOT_SEMIAXES = (0.44, 0.33)
_SPOT_TURN = np.radians(-38)
_SPOT_EDGE = 0.12


def draw_icon() -> Image.Image:
    """Draw a thigh in cross-section, its muscles, and one warm spot of uncertainty."""
    size = ICON_SIZE * _OVERSAMPLING
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(axis, axis)
    radius = np.hypot(x, y)
    angle = np.degrees(np.arctan2(x, -y))
    canvas = np.zeros((size, size, 4))

    def paint(mask: npt.NDArray[np.bool_], colour: Colour) -> None:
        canvas[mask] = (*colour, 255)

    paint(radius < 0.98, SKIN)
    paint(radius < 0.93, FAT)
    paint(radius < 0.86, GAP)
    for start, end, inner, outer, colour in MUSCLES:
        turned = (angle - start) % 360
        wedge = (turned < end - start) & (radius > inner) & (radius < outer)
        # Blurring and cutting at a half rounds the corners.
        paint(gaussian_filter(wedge.astype(float), size / 60) > 0.55, colour)
    paint(radius < 0.19, BONE)
    paint(radius < 0.09, MARROW)
    _paint_spot(canvas, x, y)
    image = Image.fromarray(np.round(canvas).astype(np.uint8), "RGBA")
    return image.resize((ICON_SIZE, ICON_SIZE), Image.Resampling.LANCZOS)


def _paint_spot(canvas: Floats, x: Floats, y: Floats) -> None:
    """Lay a warm ellipse over a ``(J, I, 4)`` picture, up to the fascia."""
    right, down = x - _SPOT_CENTRE[0], y - _SPOT_CENTRE[1]
    along = right * np.cos(_SPOT_TURN) + down * np.sin(_SPOT_TURN)
    across = down * np.cos(_SPOT_TURN) - right * np.sin(_SPOT_TURN)
    share = np.hypot(along / _SPOT_SEMIAXES[0], across / _SPOT_SEMIAXES[1])
    strength = np.clip((1 - share) / _SPOT_EDGE, 0, 1) * (np.hypot(x, y) < 0.86)
    stops, colours = zip(*UNCERTAINTY, strict=True)
    for channel, values in enumerate(zip(*colours, strict=True)):
        warm = np.interp(share, stops, values)
        canvas[..., channel] += strength * (warm - canvas[..., channel])


def draw_thumbnail() -> Image.Image:
    """Draw the middle slice of the shipped sample: water above, fat below."""
    half = (THUMBNAIL_SIZE, THUMBNAIL_SIZE // 2)
    rows = []
    for path in sample_channels().values():
        slices = read_volume(path).volume.array
        middle = slices[len(slices) // 2]
        grey = np.clip(middle / np.percentile(middle, 99.5), 0, 1) * 255
        image = Image.fromarray(np.round(grey).astype(np.uint8))
        rows.append(np.asarray(image.resize(half, Image.Resampling.LANCZOS)))
    return Image.fromarray(np.concatenate(rows))


def main() -> None:
    """Write every picture to its place."""
    icon = draw_icon()
    for folder in (REPOSITORY / "Resources" / "Icons", MODULE_ICONS):
        folder.mkdir(parents=True, exist_ok=True)
        icon.save(folder / "MuscleFMSegment.png", optimize=True)
    draw_thumbnail().save(MODULE_ICONS / "SevereThighs.png", optimize=True)


if __name__ == "__main__":
    main()
