"""The uncertain volume along the leg as bars of an inline SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass

from musclefm.results.report.display import CaseDisplay, position
from musclefm.review.leg_profile import SliceUncertainty, leg_profile

_PLOT_WIDTH, _PLOT_HEIGHT = 880.0, 130.0
_TICKS_AT_MOST = 16


@dataclass(frozen=True)
class Bar:
    """A slice in the plot. Lengths are in the SVG's units, from its lower left.

    Attributes
    ----------
    slice : SliceUncertainty
        What the bar shows.
    position : str
        Of its middle, e.g. ``"S 12.5 mm"``.
    x, width : float
        Where the bar stands.
    height, flagged_height : float
        Of the whole and of the part in flagged regions.
    labelled : bool
        Whether its index is written below.
    """

    slice: SliceUncertainty
    position: str
    x: float
    width: float
    height: float
    flagged_height: float
    labelled: bool


@dataclass(frozen=True)
class ProfileChart:
    """The plot.

    Attributes
    ----------
    width, height : float
        Of the area of the bars, in the SVG's units.
    top : float
        Uncertain volume in mL at the upper edge, a round number.
    bars : tuple of Bar
        From inferior to superior.
    """

    width: float
    height: float
    top: float
    bars: tuple[Bar, ...]

    @property
    def highest(self) -> Bar:
        """The slice with the largest uncertain volume."""
        return max(self.bars, key=lambda bar: bar.slice.uncertain_ml)


def profile_chart(display: CaseDisplay) -> ProfileChart:
    """Return the plot of a case."""
    profile = leg_profile(display.uncertainty, display.case.region_labels, display.case.image.grid)
    top = _round_up(max(part.uncertain_ml for part in profile))
    step = _PLOT_WIDTH / len(profile)
    every = math.ceil(len(profile) / _TICKS_AT_MOST)
    bars = tuple(
        Bar(
            slice=part,
            position=position(part.superior_mm),
            x=number * step + 0.1 * step,
            width=0.8 * step,
            height=_PLOT_HEIGHT * part.uncertain_ml / top,
            flagged_height=_PLOT_HEIGHT * part.flagged_ml / top,
            labelled=part.index % every == 0,
        )
        for number, part in enumerate(profile)
    )
    return ProfileChart(_PLOT_WIDTH, _PLOT_HEIGHT, top, bars)


def _round_up(value: float) -> float:
    """Return the next 1, 2, 4, 5 or 8 times a power of ten; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(m * power for m in (1, 2, 4, 5, 8, 10) if m * power >= value)
