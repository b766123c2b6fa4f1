"""Where along the leg the labels are expected to be wrong: bars for an inline SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from musclefm.results.report.display import CaseDisplay

_PLOT_WIDTH, _PLOT_HEIGHT = 880.0, 130.0
_TICKS_AT_MOST = 16


@dataclass(frozen=True)
class Bar:
    """A slice in the plot. Lengths are in the SVG's units, from its lower left.

    Attributes
    ----------
    index : int
        Of the slice, on the input grid.
    position : str
        Of its middle, e.g. ``"S 12.5 mm"``.
    wrong, queued : float
        Expected wrong voxels of the slice, and of its part in the queue.
    x, width : float
        Where the bar stands.
    height, queued_height : float
        Of the whole and of the part in the queue.
    labelled : bool
        Whether its index is written below.
    """

    index: int
    position: str
    wrong: float
    queued: float
    x: float
    width: float
    height: float
    queued_height: float
    labelled: bool


@dataclass(frozen=True)
class LegProfile:
    """The plot.

    Attributes
    ----------
    width, height : float
        Of the area of the bars, in the SVG's units.
    top : float
        Expected wrong voxels at the upper edge, a round number.
    bars : tuple of Bar
        From inferior to superior.
    """

    width: float
    height: float
    top: float
    bars: tuple[Bar, ...]

    @property
    def worst(self) -> Bar:
        """The slice with the most expected wrong voxels."""
        return max(self.bars, key=lambda bar: bar.wrong)


def leg_profile(display: CaseDisplay) -> LegProfile:
    """Sum up the expected wrong voxels of each slice, inside and outside the queue."""
    count = display.grid.shape[0]
    wrong = [float(display.error[k].sum(dtype=np.float64)) for k in range(count)]
    queued = [
        float(display.error[k][display.region_ids[k] > 0].sum(dtype=np.float64))
        for k in range(count)
    ]
    top = _round_up(max(wrong))
    step = _PLOT_WIDTH / count
    every = math.ceil(count / _TICKS_AT_MOST)
    bars = tuple(
        Bar(
            index=display.input_index(k),
            position=display.position(k),
            wrong=wrong[k],
            queued=queued[k],
            x=k * step + 0.1 * step,
            width=0.8 * step,
            height=_PLOT_HEIGHT * wrong[k] / top,
            queued_height=_PLOT_HEIGHT * queued[k] / top,
            labelled=display.input_index(k) % every == 0,
        )
        for k in range(count)
    )
    return LegProfile(_PLOT_WIDTH, _PLOT_HEIGHT, top, bars)


def _round_up(value: float) -> float:
    """Return the next 1, 2, 4, 5 or 8 times a power of ten, at least 1."""
    if value <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(m * power for m in (1, 2, 4, 5, 8, 10) if m * power >= value)
