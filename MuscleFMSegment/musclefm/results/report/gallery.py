"""The pictures of a report: slices, regions and the legend of uncertainty."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from musclefm.results.report.display import CaseDisplay, Window
from musclefm.results.report.layers import (
    Frame,
    data_uri,
    draw_scale_bar,
    heat_layer,
    image_layer,
    outline_layer,
    region_layer,
    sign,
)
from musclefm.results.report.palettes import label_palette
from musclefm.review.findings import FlaggedRegion

_SLICE_PX = 780 * 390
_SLICE_LINE_PX = 4
_SLICE_BORDER_PX = 3
_SLICE_LETTERS_PX = 28
_SLICE_BAR_MM = 50.0
_REGION_PX = 260 * 260
_REGION_MM = 80.0
_REGION_BAR_MM = 10.0
_REGION_LINE_PX = 2


@dataclass(frozen=True)
class SlicePicture:
    """A slice of the gallery; the pictures are data URIs of one size.

    Attributes
    ----------
    index : int
        On the input grid, along its axis that is closest to inferior-superior.
    position : str
        Of its middle, e.g. ``"S 12.5 mm"``.
    size : tuple of int
        Width and height in pixels.
    image, outlines, heat, borders : str
        The image, and what is laid over it: outlines of the muscles, total
        uncertainty, borders of the regions with their numbers.
    regions : tuple of int
        Regions in this slice.
    """

    index: int
    position: str
    size: tuple[int, int]
    image: str
    outlines: str
    heat: str
    borders: str
    regions: tuple[int, ...]


@dataclass(frozen=True)
class RegionPicture:
    """A region in its most uncertain slice, as data URIs of one size.

    Attributes
    ----------
    index, position, size
        As in :class:`SlicePicture`.
    image, outlines, border : str
        The image, and what is laid over it: outlines of the muscles and the
        region's border.
    """

    index: int
    position: str
    size: tuple[int, int]
    image: str
    outlines: str
    border: str


def slice_pictures(display: CaseDisplay, at_most: int) -> list[SlicePicture]:
    """Draw slices that are spread evenly, from inferior to superior.

    Parameters
    ----------
    display : CaseDisplay
        What the report shows.
    at_most : int
        Number of slices; all of them where there are fewer.
    """
    chosen = display.spread_slices(at_most)
    frame = Frame.fit(display.body_window(chosen), display.pixel_mm, _SLICE_PX)
    palette = label_palette(display.case.maps.scheme)

    def drawn(k: int) -> SlicePicture:
        image = image_layer(display.grey(k), frame)
        sign(image, frame, _SLICE_LETTERS_PX, _SLICE_BAR_MM)
        outlines = outline_layer(display.labels[k], frame, palette, _SLICE_LINE_PX)
        borders = region_layer(display.region_ids[k], frame, _SLICE_BORDER_PX, _SLICE_LETTERS_PX)
        return SlicePicture(
            index=display.input_index(k),
            position=display.position(k),
            size=frame.size,
            image=data_uri(image),
            outlines=data_uri(outlines),
            heat=data_uri(heat_layer(display.heat(k), frame)),
            borders=data_uri(borders),
            regions=tuple(int(x) for x in np.unique(display.region_ids[k]) if x),
        )

    # Most of drawing and packing lets go of Python's lock.
    with ThreadPoolExecutor() as pool:
        return list(pool.map(drawn, chosen))


def region_picture(display: CaseDisplay, region: FlaggedRegion) -> RegionPicture:
    """Draw a region and its context in its most uncertain slice."""
    k = display.most_uncertain_slice(region)
    window = display.region_window(region, k, _REGION_MM)
    frame = Frame.fit(window, display.pixel_mm, _REGION_PX)
    image = image_layer(display.grey(k), frame)
    draw_scale_bar(image, frame, _REGION_BAR_MM)
    own = np.where(display.region_ids[k] == region.id, display.region_ids[k], 0)
    palette = label_palette(display.case.maps.scheme)
    return RegionPicture(
        index=display.input_index(k),
        position=display.position(k),
        size=frame.size,
        image=data_uri(image),
        outlines=data_uri(outline_layer(display.labels[k], frame, palette, _REGION_LINE_PX)),
        border=data_uri(region_layer(own, frame, _REGION_LINE_PX)),
    )


def heat_legend() -> str:
    """Return the colours of uncertainty 0 to 1, from left to right, as a data URI."""
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None]
    return data_uri(heat_layer(ramp, Frame(Window(0, 1, 0, 256), (256, 1), 1.0)))
