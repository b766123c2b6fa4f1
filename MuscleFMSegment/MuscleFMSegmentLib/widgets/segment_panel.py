"""Choosing volume, model and device, and running."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slicer.i18n import tr as _

from musclefm.defaults import DEFAULT_DEVICE
from musclefm.plain_text import printable
from MuscleFMSegmentLib.process.progress_updates import ProgressUpdate, duration
from MuscleFMSegmentLib.widgets.model_card import cardHtml
from MuscleFMSegmentLib.widgets.ui_files import loadForm, widgetsOf

_GIGA = 1e9


class SegmentPanel:
    """The panel; nothing is run here.

    Parameters
    ----------
    onApply, onStop : callable
        The big button, before and during a run.
    onChoice : callable
        Called when model or device are chosen by the user.
    """

    def __init__(
        self,
        onApply: Callable[[], None],
        onStop: Callable[[], None],
        onChoice: Callable[[], None],
    ) -> None:
        self.form = loadForm("SegmentPanel")
        self.ui = widgetsOf(self.form)
        self._onApply, self._onStop, self._onChoice = onApply, onStop, onChoice
        self._models: dict[str, Mapping[str, Any]] = {}
        self._devices: Sequence[Mapping[str, Any]] = ()
        self._running = False
        self._slices = 0
        self._secondsPerSlice: float | None = None
        ui = self.ui
        ui.applyButton.connect("clicked()", self._pressed)
        ui.modelSelector.connect("activated(int)", self._chosen)
        ui.deviceSelector.connect("activated(int)", self._chosen)
        ui.progressFrame.setVisible(False)
        ui.logGroup.collapsed = True
        ui.cardGroup.collapsed = True
        ui.deviceSelector.addItem(_("Automatic"), DEFAULT_DEVICE)

    @property
    def model(self) -> str:
        """Name of the chosen model, empty where there is none."""
        return str(self.ui.modelSelector.currentData or "")

    @property
    def device(self) -> str:
        """Name of the chosen device."""
        return str(self.ui.deviceSelector.currentData or DEFAULT_DEVICE)

    @property
    def hasInventory(self) -> bool:
        """Whether models and devices are known."""
        return bool(self._devices)

    @property
    def runsOnCpu(self) -> bool:
        """Whether the chosen device is the CPU, as far as is known."""
        gpus = [device for device in self._devices if device["name"] != "cpu"]
        return self.device == "cpu" or (self.device == DEFAULT_DEVICE and not gpus)

    def showChoice(self, model: str, device: str) -> None:
        """Show the model and the device that are chosen, known ones or not."""
        for selector, name in ((self.ui.modelSelector, model), (self.ui.deviceSelector, device)):
            if selector.findData(name) < 0:
                selector.addItem(printable(name), name)
            selector.setCurrentIndex(selector.findData(name))
        self._showCard()

    def showInventory(
        self, models: Sequence[Mapping[str, Any]], devices: Sequence[Mapping[str, Any]]
    ) -> None:
        """Offer what ``musclefm inventory`` printed; the choice stays where it can."""
        model, device = self.model, self.device
        self._models = {entry["name"]: entry for entry in models}
        self._devices = devices
        usable = [entry for entry in models if entry["usable"]]
        self._fill(
            self.ui.modelSelector,
            [(f"{entry['title']}  ({entry['name']})", entry["name"]) for entry in usable],
        )
        best = _deviceTitle(devices[0]) if devices else ""
        self._fill(
            self.ui.deviceSelector,
            [
                (_("Automatic: {device}").format(device=best), DEFAULT_DEVICE),
                *((_deviceTitle(entry), entry["name"]) for entry in devices),
            ],
        )
        names = [entry["name"] for entry in usable]
        self.showChoice(
            model if model in names or not names else names[0],
            device if self.ui.deviceSelector.findData(device) >= 0 else DEFAULT_DEVICE,
        )
        self._showDevice()

    def hideVolumes(self, identifiers: Sequence[str]) -> None:
        """Do not offer these volumes of the scene."""
        for selector in (self.ui.inputSelector, self.ui.secondSelector):
            selector.sortFilterProxyModel().hiddenNodeIDs = list(identifiers)

    def showTiming(self, secondsPerSlice: float | None, slices: int) -> None:
        """Show how long a CPU is expected to take; None where it is not measured."""
        self._secondsPerSlice, self._slices = secondsPerSlice, slices
        self._showDevice()

    def showSecondImage(self, isThere: bool) -> None:
        """Ask what the two images are only where there are two."""
        self.ui.pairSelector.setVisible(isThere)
        self.ui.pairSelectorLabel.setVisible(isThere)

    def setReady(self, ready: bool, why: str) -> None:
        """Let the user start, or show why not yet."""
        self.ui.applyButton.setEnabled(ready or self._running)
        self.ui.applyButton.toolTip = why

    def showRunning(self, running: bool) -> None:
        """Show a run as begun or ended."""
        self._running = running
        ui = self.ui
        ui.applyButton.text = _("Stop") if running else _("Apply")
        ui.applyButton.setEnabled(True)
        ui.progressFrame.setVisible(running)
        for choice in (
            ui.inputSelector,
            ui.secondSelector,
            ui.pairSelector,
            ui.modelSelector,
            ui.deviceSelector,
        ):
            choice.setEnabled(not running)
        if running:
            ui.logText.clear()
            self.showProgress(ProgressUpdate(0.0, _("Starting")))

    def showStopping(self) -> None:
        """Show that the run is being stopped."""
        self.ui.applyButton.setEnabled(False)
        self.ui.progressLabel.text = _("Stopping")

    def showProgress(self, update: ProgressUpdate) -> None:
        """Show how far the run is."""
        self.ui.progressBar.setValue(round(1000 * update.fraction))
        self.ui.progressLabel.text = update.text

    def log(self, line: str) -> None:
        """Add a line to the log."""
        self.ui.logText.appendPlainText(printable(line))

    def _pressed(self) -> None:
        if self._running:
            self._onStop()
        else:
            self._onApply()

    def _chosen(self, index: int) -> None:
        self._showCard()
        self._showDevice()
        self._onChoice()

    def _fill(self, selector: Any, items: Sequence[tuple[str, str]]) -> None:
        wasBlocked = selector.blockSignals(True)
        selector.clear()
        for text, name in items:
            selector.addItem(printable(text), name)
        selector.blockSignals(wasBlocked)

    def _showCard(self) -> None:
        model = self._models.get(self.model)
        self.ui.cardGroup.setVisible(model is not None)
        self.ui.cardLabel.text = cardHtml(model) if model else ""

    def _showDevice(self) -> None:
        text = ""
        if self._devices and self.runsOnCpu:
            text = _("No GPU is used.")
            if self._secondsPerSlice and self._slices:
                expected = duration(self._secondsPerSlice * self._slices)
                text += " " + _("Expect {time} for this volume.").format(time=expected)
        self.ui.deviceLabel.text = text
        self.ui.deviceLabel.setVisible(bool(text))


def _deviceTitle(device: Mapping[str, Any]) -> str:
    if device["total_bytes"] is None:
        return _("{name}, {count} cores").format(name=device["title"], count=device["cores"])
    return _("{name}, {free:.0f} of {total:.0f} GB free").format(
        name=device["title"],
        free=device["free_bytes"] / _GIGA,
        total=device["total_bytes"] / _GIGA,
    )
