"""The layers that a picture is stacked from, at the size they are shown in.

The image is grey; everything else is a palette picture with a transparent
background, so that it stays sharp and its colours are exactly the legend's.
"""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from musclefm.results.report.display import Window
from musclefm.results.report.number_places import place_numbers
from musclefm.results.report.palettes import Palette, heat_index, heat_palette, mark_palette

# Entries of the palette of marks; in a grey picture the first two mean the same.
_BLACK, _WHITE, _CYAN = 1, 254, 255
_JPEG_QUALITY = 75


@dataclass(frozen=True)
class Frame:
    """A window and the size it is drawn at; pixels are square in mm.

    Attributes
    ----------
    window : Window
        What is drawn.
    size : tuple of int
        Width and height in pixels.
    pixels_per_mm : float
        Pixels of the picture for each mm.
    """

    window: Window
    size: tuple[int, int]
    pixels_per_mm: float

    @staticmethod
    def fit(window: Window, pixel_mm: tuple[float, float], area_px: float) -> Frame:
        """Return the frame of a window that takes about ``area_px`` pixels.

        The area is given rather than an edge because it decides the file's
        size. ``pixel_mm`` is the distance of rows and of columns.
        """
        height = (window.bottom - window.top) * pixel_mm[0]
        width = (window.right - window.left) * pixel_mm[1]
        scale = math.sqrt(area_px / (height * width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return Frame(window, size, scale)


def image_layer(grey: npt.NDArray[np.uint8], frame: Frame) -> Image.Image:
    """Draw a slice ``(J, I) uint8`` in grey."""
    picture = Image.fromarray(np.ascontiguousarray(frame.window.cut(grey)))
    return picture.resize(frame.size, Image.Resampling.BICUBIC)


def heat_layer(normalised: npt.NDArray[np.float32], frame: Frame) -> Image.Image:
    """Draw normalised uncertainty ``(J, I)``, voxel by voxel, without interpolation."""
    index = Image.fromarray(heat_index(frame.window.cut(normalised)))
    return _coloured(np.asarray(index.resize(frame.size, Image.Resampling.NEAREST)), heat_palette())


def outline_layer(
    labels: npt.NDArray[np.uint8], frame: Frame, palette: Palette, line_px: int
) -> Image.Image:
    """Draw the borders of labels ``(J, I)``, each just inside its own label."""
    drawn = _enlarged(frame.window.cut(labels), frame.size)
    return _coloured(np.where(_inner_border(drawn, line_px), drawn, 0), palette)


def region_layer(
    region_ids: npt.NDArray[np.uint16], frame: Frame, line_px: int, letters_px: int = 0
) -> Image.Image:
    """Draw the borders of regions ``(J, I)`` around them, cyan rimmed in black, with their numbers.

    What lies in a region stays visible, be it thin. ``letters_px`` is the
    height of the numbers; 0 draws none.
    """
    drawn = _enlarged(frame.window.cut(region_ids), frame.size)
    inside = drawn > 0
    line = _dilated(inside, line_px)
    ink = np.where(_dilated(line, 1), _BLACK, 0).astype(np.uint8)
    ink[line] = _CYAN
    meets_another = ndimage.maximum_filter(drawn, 3) != drawn
    ink[inside] = np.where(meets_another, _CYAN, 0)[inside]
    if letters_px:
        picture = Image.fromarray(ink)
        _write_numbers(picture, drawn, line_px + 3, letters_px)
        ink = np.asarray(picture)
    return _coloured(ink, mark_palette())


def _write_numbers(
    picture: Image.Image, drawn: npt.NDArray[np.uint16], gap_px: int, letters_px: int
) -> None:
    """Write the number of each region to the right of it, none over another."""
    texts, wanted = [], []
    for region_id in np.unique(drawn[drawn > 0]):
        rows, columns = np.nonzero(drawn == region_id)
        rightmost = int(columns.argmax())
        texts.append(str(region_id))
        wanted.append((int(columns[rightmost]) + gap_px, int(rows[rightmost]) - letters_px // 2))
    sizes = [_text_size(text, letters_px) for text in texts]
    for text, corner in zip(texts, place_numbers(wanted, sizes, picture.size), strict=True):
        _write(picture, text, corner, letters_px)


@lru_cache
def _font(height_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height_px)


def _text_size(text: str, height_px: int) -> tuple[int, int]:
    """Return width and height of letters with their rim."""
    font = _font(height_px)
    pen = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font, stroke_width=2)
    return math.ceil(right - left), math.ceil(bottom - top)


def sign(picture: Image.Image, frame: Frame, letters_px: int, bar_mm: float) -> None:
    """Write R and L, the patient's, and a scale bar into a grey picture."""
    gap = letters_px // 3
    _write(picture, "R", (gap, gap), letters_px)
    _write(picture, "L", (frame.size[0] - 3 * gap, gap), letters_px)
    draw_scale_bar(picture, frame, bar_mm)


def draw_scale_bar(picture: Image.Image, frame: Frame, bar_mm: float) -> None:
    """Draw a scale bar into the lower left corner of a grey picture."""
    bottom = frame.size[1] - 9
    bar = (8, bottom - 3, 8 + round(bar_mm * frame.pixels_per_mm), bottom)
    ImageDraw.Draw(picture).rectangle(bar, fill=_WHITE, outline=_BLACK)


def stacked(picture: Image.Image, *layers: Image.Image) -> Image.Image:
    """Return the layers laid over a grey picture, in RGB."""
    result = picture.convert("RGBA")
    for layer in layers:
        result = Image.alpha_composite(result, layer.convert("RGBA"))
    return result.convert("RGB")


def data_uri(picture: Image.Image) -> str:
    """Return a picture as a data URI: a grey one as JPEG, a palette as PNG."""
    buffer = io.BytesIO()
    if picture.mode == "L":
        picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
        kind = "jpeg"
    else:
        picture.save(buffer, "PNG")
        kind = "png"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _coloured(index: npt.NDArray[np.uint8], palette: Palette) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(index))
    picture.putpalette(palette[:, :3].tobytes())
    picture.info["transparency"] = palette[:, 3].tobytes()
    return picture


def _enlarged(labels: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    """Return labels ``(J, I)`` at another size: each point takes the label that is nearest.

    Every label is interpolated linearly as a mask and the strongest one taken,
    which rounds the corners of voxels and moves no border by half a voxel.
    """
    best = np.zeros((size[1], size[0]), np.uint8)
    drawn = np.zeros((size[1], size[0]), labels.dtype)
    for label in np.unique(labels):
        mask = Image.fromarray(np.where(labels == label, np.uint8(255), np.uint8(0)))
        strength = np.asarray(mask.resize(size, Image.Resampling.BILINEAR))
        stronger = strength > best
        drawn[stronger] = label
        best[stronger] = strength[stronger]
    return drawn


def _inner_border(drawn: npt.NDArray[Any], line_px: int) -> npt.NDArray[np.bool_]:
    """Mark where a label other than 0 has another value within ``line_px``."""
    border = np.zeros(drawn.shape, bool)
    for step in range(1, line_px + 1):
        down = drawn[step:] != drawn[:-step]
        border[step:] |= down
        border[:-step] |= down
        across = drawn[:, step:] != drawn[:, :-step]
        border[:, step:] |= across
        border[:, :-step] |= across
    return border & (drawn > 0)


def _dilated(mask: npt.NDArray[np.bool_], pixels: int) -> npt.NDArray[np.bool_]:
    """Return a mask dilated by some pixels in every direction."""
    return np.asarray(ndimage.maximum_filter(mask, 2 * pixels + 1))


def _write(picture: Image.Image, text: str, corner: tuple[int, int], height_px: int) -> None:
    """Write white letters with a black rim, moved inside the picture if need be."""
    draw = ImageDraw.Draw(picture)
    font = _font(height_px)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font, stroke_width=2)
    x = min(max(0, corner[0]), max(0, picture.width - int(right - left)))
    y = min(max(0, corner[1]), max(0, picture.height - int(bottom - top)))
    draw.text((x - left, y - top), text, _WHITE, font, stroke_width=2, stroke_fill=_BLACK)
