"""Colours of the overlays: palettes of 256 entries, RGBA."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps

from musclefm.labels.scheme import LabelScheme

Palette = npt.NDArray[np.uint8]

HEAT_FROM = 0.1
"""Normalised uncertainty below which nothing is drawn: the network is sure there."""

# Borders of muscles are a little uncertain everywhere and stay faint; from the
# second value on a colour means one uncertainty whatever lies beneath, and the
# bare image is always at hand beside it.
_OPAQUE_FROM = 0.3


@lru_cache
def heat_palette() -> Palette:
    """Return the colours ``(256, 4) uint8`` of normalised uncertainty 0 to 1.

    Plasma is perceptually uniform and safe for the colour-blind, and its low
    end is a visible blue: uncertainty between two of twelve muscles is 0.28 at most,
    which inferno or magma would show nearly black.
    """
    value = np.linspace(0.0, 1.0, 256)
    colours = colormaps["plasma"](value)
    colours[:, 3] = np.clip((value - HEAT_FROM) / (_OPAQUE_FROM - HEAT_FROM), 0.0, 1.0)
    return np.rint(colours * 255).astype(np.uint8)


def heat_index(normalised: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return the palette entries of uncertainties; what is not a number counts as 0."""
    return np.rint(np.clip(np.nan_to_num(normalised), 0.0, 1.0) * 255).astype(np.uint8)


def label_palette(scheme: LabelScheme) -> Palette:
    """Return the scheme's colours by label id; all other entries are transparent."""
    palette = np.zeros((256, 4), np.uint8)
    for label in scheme.labels:
        palette[label.id] = (*label.colour, 255)
    return palette


@lru_cache
def mark_palette() -> Palette:
    """Return the colours of marks: 0 is transparent, 1 to 254 black to white, 255 cyan.

    Cyan is for the regions' borders: it occurs neither in the heat nor in a
    grey image nor in the schemes.
    """
    grey = np.linspace(0.0, 1.0, 254)[:, None]
    palette = np.full((256, 4), 255, np.uint8)
    palette[1:255, :3] = np.rint(grey * [255, 255, 255])
    palette[0] = 0
    palette[255, :3] = (0, 235, 255)
    return palette
