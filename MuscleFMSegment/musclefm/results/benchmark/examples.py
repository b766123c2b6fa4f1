"""Example slices of test cases, by every ensemble, as small pictures of the page."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from musclefm.labels.scheme import LabelScheme
from musclefm.results.report.display import Window
from musclefm.results.report.layers import (
    Frame,
    data_uri,
    heat_layer,
    image_layer,
    outline_layer,
    stacked,
)
from musclefm.results.report.palettes import label_palette

_AREA_PX = 280 * 140
_LINE_PX = 2
_COLOURS = 96
_DARKEST, _BRIGHTEST = 1.0, 99.5


@dataclass(frozen=True)
class SliceAnswer:
    """What an ensemble says of a slice: labels ``(J, I) uint8``, total uncertainty in nats."""

    labels: npt.NDArray[np.uint8]
    total: npt.NDArray[np.floating]


@dataclass(frozen=True)
class Example:
    """A slice of a test case: axial, the patient's right to the left.

    Attributes
    ----------
    title : str
        Severity and number of the case.
    image, reference : ndarray
        ``(J, I)``: what is segmented, and ids of the scheme.
    pixel_mm : tuple of float
        Distance of rows and of columns.
    scheme : LabelScheme
        What the labels mean.
    answers : tuple
        Title and answer of each system.
    """

    title: str
    image: npt.NDArray[np.float32]
    reference: npt.NDArray[np.uint8]
    pixel_mm: tuple[float, float]
    scheme: LabelScheme
    answers: tuple[tuple[str, SliceAnswer], ...]


@dataclass(frozen=True)
class ExamplePictures:
    """An example as data URIs: with the reference, and by system labels and uncertainty."""

    title: str
    reference: str
    systems: tuple[tuple[str, str, str], ...]


def example_pictures(example: Example) -> ExamplePictures:
    """Draw the outlines of the reference and of each ensemble, and its total uncertainty."""
    rows, columns = example.image.shape
    frame = Frame.fit(Window(0, rows, 0, columns), example.pixel_mm, _AREA_PX)
    low, high = np.percentile(example.image, [_DARKEST, _BRIGHTEST])
    shares = np.clip((example.image - low) / max(float(high - low), 1e-6), 0, 1)
    image = image_layer(np.rint(shares * 255).astype(np.uint8), frame)
    palette = label_palette(example.scheme)
    most = math.log(example.scheme.class_count)

    def with_layer(layer: Image.Image) -> str:
        # A third of the size, and nothing lost that the eye would miss.
        return data_uri(stacked(image, layer).quantize(_COLOURS))

    def outlined(labels: npt.NDArray[np.uint8]) -> str:
        return with_layer(outline_layer(labels, frame, palette, _LINE_PX))

    return ExamplePictures(
        example.title,
        outlined(example.reference),
        tuple(
            (
                title,
                outlined(answer.labels),
                with_layer(heat_layer(answer.total.astype(np.float32) / np.float32(most), frame)),
            )
            for title, answer in example.answers
        ),
    )
