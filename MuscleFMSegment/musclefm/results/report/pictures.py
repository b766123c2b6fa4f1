"""One picture of a whole case, for a page that cannot hold the report."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from musclefm.results.report.case import ReportCase
from musclefm.results.report.display import CaseDisplay, Window
from musclefm.results.report.layers import (
    Frame,
    heat_layer,
    image_layer,
    outline_layer,
    sign,
    stacked,
)
from musclefm.results.report.palettes import HEAT_FROM, label_palette

_PANEL_PX = 300 * 150
_LEAST_WIDTH_PX = 600
_LETTERS_PX = 16
_TEXT_PX = 14
_LINE_PX = 24
_GAP_PX = 8
_BAR_MM = 50.0
_INK = (27, 31, 36)
_HEAT_BAR_PX = 220
_BENEATH_HEAT = 110


def overview_png(case: ReportCase, columns: int = 6) -> bytes:
    """Return one PNG: slices with outlines, below them their uncertainty, and the legends.

    Slices run from inferior to superior, the patient's right is on the left.

    Parameters
    ----------
    case : ReportCase
        What the report shows.
    columns : int
        Number of slices, spread evenly; all of them where there are fewer.
    """
    display = CaseDisplay(case)
    chosen = display.spread_slices(columns)
    frame = Frame.fit(display.body_window(chosen), display.pixel_mm, _PANEL_PX)
    width, height = frame.size
    sheet_width = max(len(chosen) * (width + _GAP_PX) + _GAP_PX, _LEAST_WIDTH_PX)
    palette = label_palette(case.maps.scheme)
    sheet = _Sheet(sheet_width, _LINE_PX + 2 * (height + _GAP_PX) + _GAP_PX)
    for column, k in enumerate(chosen):
        left = _GAP_PX + column * (width + _GAP_PX)
        sheet.write(
            (left, 0), f"{display.slice_axis} {display.input_index(k)}, {display.position(k)}"
        )
        image = image_layer(display.grey(k), frame)
        sign(image, frame, _LETTERS_PX, _BAR_MM)
        outlines = outline_layer(display.labels[k], frame, palette, 2)
        sheet.paste(stacked(image, outlines), (left, _LINE_PX))
        heat = heat_layer(display.heat(k), frame)
        sheet.paste(stacked(image, heat), (left, _LINE_PX + height + _GAP_PX))
    sheet.add_heat_legend()
    sheet.add_entries([(label.colour, label.name) for label in case.maps.scheme.labels])
    sheet.add_entries([(None, "Research use only. Not for clinical use.")])
    return sheet.png()


class _Sheet:
    """A white page that grows downwards."""

    def __init__(self, width: int, height: int) -> None:
        self._page = Image.new("RGB", (width, height), "white")
        self._font = ImageFont.load_default(_TEXT_PX)

    def paste(self, picture: Image.Image, corner: tuple[int, int]) -> None:
        self._page.paste(picture, corner)

    def write(self, corner: tuple[int, int], text: str) -> int:
        """Write a line of text and return where it ends."""
        pen = ImageDraw.Draw(self._page)
        pen.text((corner[0], corner[1] + 4), text, _INK, self._font)
        return corner[0] + int(pen.textlength(text, self._font))

    def add_heat_legend(self) -> None:
        """Add the colours of uncertainty from 0 to 1."""
        top = self._add_line()
        left = self.write((_GAP_PX, top), "Total uncertainty 0") + _GAP_PX
        ramp = np.linspace(0, 1, _HEAT_BAR_PX, dtype=np.float32)[None]
        frame = Frame(Window(0, 1, 0, _HEAT_BAR_PX), (_HEAT_BAR_PX, _TEXT_PX), 1.0)
        grey = Image.new("L", frame.size, _BENEATH_HEAT)
        self.paste(stacked(grey, heat_layer(ramp, frame)), (left, top + 5))
        self.write((left + _HEAT_BAR_PX + _GAP_PX, top), f"1   (below {HEAT_FROM:g} clear)")

    def add_entries(self, entries: list[tuple[tuple[int, int, int] | None, str]]) -> None:
        """Add lines of entries, each with a patch of its colour before it."""
        top, left = self._add_line(), _GAP_PX
        for colour, text in entries:
            length = ImageDraw.Draw(self._page).textlength(text, self._font)
            if left + length + 4 * _GAP_PX > self._page.width:
                top, left = self._add_line(), _GAP_PX
            if colour is not None:
                patch = (left, top + 6, left + 12, top + 18)
                ImageDraw.Draw(self._page).rectangle(patch, fill=colour)
                left += 18
            left = self.write((left, top), text) + 2 * _GAP_PX

    def png(self) -> bytes:
        buffer = io.BytesIO()
        self._page.save(buffer, "PNG", optimize=True)
        return buffer.getvalue()

    def _add_line(self) -> int:
        """Make room for a line of text and return its top."""
        taller = Image.new("RGB", (self._page.width, self._page.height + _LINE_PX), "white")
        taller.paste(self._page)
        top, self._page = self._page.height, taller
        return top
