"""How the uncertainty is shown: heat over the slices, and a plot along the leg."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from MuscleFMSegmentLib.widgets.leg_profile_plot import LegProfilePlot
from MuscleFMSegmentLib.widgets.ui_files import loadForm, widgetsOf

if TYPE_CHECKING:
    from musclefm.review.leg_profile import SliceUncertainty


class UncertaintyPanel:
    """The panel; its controls belong to the parameter node.

    Parameters
    ----------
    onSlice : callable
        Given the index of a slice that was clicked.
    """

    def __init__(self, onSlice: Callable[[int], None]) -> None:
        self.form = loadForm("UncertaintyPanel")
        self.ui = widgetsOf(self.form)
        self.plot = LegProfilePlot(onSlice)
        self.form.layout().addWidget(self.plot)
        self.form.setEnabled(False)

    def show(self, profile: Sequence[SliceUncertainty]) -> None:
        """Show a case."""
        self.form.setEnabled(True)
        self.plot.setProfile(profile)

    def clear(self) -> None:
        """Show no case."""
        self.plot.setProfile([])
        self.form.setEnabled(False)
