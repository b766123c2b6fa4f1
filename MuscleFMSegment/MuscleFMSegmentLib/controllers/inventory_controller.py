"""Models, devices and how long a CPU takes, as the library knows them, in the panel."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from MuscleFMSegmentLib.process.library_runner import LibraryRunner
from MuscleFMSegmentLib.widgets.message_area import MessageArea
from MuscleFMSegmentLib.widgets.segment_panel import SegmentPanel

# Whoever only passes by need not start a process.
_AFTER_MS = 1000


class InventoryController:
    """Asks for the inventory once the module is looked at, and again where it has changed.

    Parameters
    ----------
    panel : SegmentPanel
        Shows it.
    messages : MessageArea
        Shows what goes wrong.
    runner : LibraryRunner
        Of its own.
    timer : qt.QTimer
        Of its own.
    onShown : callable
        Called without arguments once models and devices are shown.
    """

    def __init__(
        self,
        panel: SegmentPanel,
        messages: MessageArea,
        runner: LibraryRunner,
        timer: Any,
        onShown: Callable[[], None],
    ) -> None:
        self._panel = panel
        self._messages = messages
        self._runner = runner
        self._onShown = onShown
        self._secondsPerSlice: dict[str, float | None] = {}
        self._timer = timer
        timer.setSingleShot(True)
        timer.interval = _AFTER_MS
        timer.connect("timeout()", self._onLingered)

    @property
    def isRunning(self) -> bool:
        """Whether the library is being asked."""
        return self._runner.isRunning

    def enter(self) -> None:
        """Ask soon, unless the module is left before."""
        self._timer.start()

    def exit(self) -> None:
        """Ask no more."""
        self._timer.stop()

    def end(self) -> None:
        """End what runs."""
        self._timer.stop()
        self._runner.end()

    def refresh(self) -> None:
        """Ask for models and devices."""
        self._runner.ask(["inventory"], self._show, self._messages.showError)

    def showTiming(self, slices: int, isBusy: bool) -> None:
        """Show how long the chosen model takes for a volume, and measure that where needed.

        Parameters
        ----------
        slices : int
            Of the chosen volume, 0 for none.
        isBusy : bool
            Whether the CPU has other work now.
        """
        model = self._panel.model
        self._panel.showTiming(self._secondsPerSlice.get(model), slices)
        isKnown = model in self._secondsPerSlice or not self._panel.hasInventory
        if not slices or isKnown or isBusy or self.isRunning or not self._panel.runsOnCpu:
            return

        def onTimed(seconds: float | None) -> None:
            # A model that cannot be timed is not asked about again: Apply will show why.
            self._secondsPerSlice[model] = seconds
            self.showTiming(slices, isBusy=True)

        self._runner.ask(
            ["inventory", "--time", model],
            lambda answer: onTimed(json.loads(answer)["seconds_per_slice"]),
            lambda error: onTimed(None),
        )

    def _onLingered(self) -> None:
        if self._panel.hasInventory:
            self._onShown()
        elif not self.isRunning:
            self.refresh()

    def _show(self, answer: str) -> None:
        with self._messages.shown():
            inventory = json.loads(answer)
            self._panel.showInventory(inventory["models"], inventory["devices"])
            self._onShown()
