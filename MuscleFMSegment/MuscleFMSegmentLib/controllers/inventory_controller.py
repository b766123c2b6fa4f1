"""Models, devices and what a case will need of them, as the library knows it, in the panel."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import qt

from musclefm.inference.demand import TimedRun
from MuscleFMSegmentLib.process.library_runner import LibraryRunner
from MuscleFMSegmentLib.widgets.message_area import MessageArea
from MuscleFMSegmentLib.widgets.segment_panel import SegmentPanel

# Whoever only passes by need not start a process.
_AFTER_MS = 1000
_RUN = "MuscleFMSegment/Run/{model}/{device}"


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
        self._slices = 0
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

    def refreshAndChoose(self, model: str) -> None:
        """Ask anew, and choose a model that is there by now."""

        def show(answer: str) -> None:
            self._show(answer)
            self._panel.showChoice(model, self._panel.device)
            self._onShown()

        self._runner.ask(["inventory"], show, self._messages.showError)

    def showDemand(self, slices: int) -> None:
        """Show what the chosen model needs for a volume.

        Parameters
        ----------
        slices : int
            Of the chosen volume, 0 for none.
        """
        self._slices = slices
        earlier = None
        if key := self._key():
            # Written by this module alone, but a file of settings can be edited.
            seconds, _space, count = str(qt.QSettings().value(key, "")).partition(" ")
            with contextlib.suppress(ValueError):
                earlier = TimedRun(max(float(seconds), 1.0), max(int(count), 1))
        self._panel.showDemand(slices, earlier)

    def noteRun(self, seconds: float, slices: int) -> None:
        """Keep how long the chosen model took on the chosen device, for the runs to come."""
        if (key := self._key()) and slices:
            qt.QSettings().setValue(key, f"{seconds:.1f} {slices}")
            self.showDemand(self._slices)

    def _key(self) -> str:
        """Return the key of Slicer's settings for runs of this kind on this machine."""
        model, device = self._panel.chosenModel, self._panel.chosenDevice
        if not (model and device):
            return ""
        title = device["title"].replace("/", " ")
        return _RUN.format(model=model["sha256"][:16], device=title)

    def _onLingered(self) -> None:
        if self._panel.hasInventory:
            self._onShown()
        elif not self.isRunning:
            self.refresh()

    def _show(self, answer: str) -> None:
        with self._messages.shown():
            inventory = json.loads(answer)
            self._panel.showInventory(
                inventory["models"], inventory["devices"], inventory["downloads"]
            )
            self._onShown()
