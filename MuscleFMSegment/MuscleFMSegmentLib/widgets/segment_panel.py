"""Choosing volume, model and device, and running."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slicer.i18n import tr as _

from musclefm.defaults import DEFAULT_DEVICE
from musclefm.inference.demand import TimedRun, expected_seconds
from musclefm.plain_text import printable
from MuscleFMSegmentLib.process.progress_updates import ProgressUpdate, duration
from MuscleFMSegmentLib.widgets.model_card import cardHtml, downloadHtml
from MuscleFMSegmentLib.widgets.ui_files import loadForm, widgetsOf

_MEGA, _GIGA = 1e6, 1e9


class SegmentPanel:
    """The panel; nothing is run here.

    Parameters
    ----------
    onApply, onStop : callable
        The big button, before and during a run.
    onChoice : callable
        Called when model or device are chosen by the user.
    onDownload : callable
        Given the name of the weights that the user wants downloaded.
    """

    def __init__(
        self,
        onApply: Callable[[], None],
        onStop: Callable[[], None],
        onChoice: Callable[[], None],
        onDownload: Callable[[str], None],
    ) -> None:
        self.form = loadForm("SegmentPanel")
        self.ui = widgetsOf(self.form)
        self._onApply, self._onStop, self._onChoice = onApply, onStop, onChoice
        self._onDownload = onDownload
        self._models: dict[str, Mapping[str, Any]] = {}
        self._downloads: dict[str, Mapping[str, Any]] = {}
        self._devices: Sequence[Mapping[str, Any]] = ()
        self._running = False
        self._isReady, self._why = False, ""
        self._slices = 0
        self._earlier: TimedRun | None = None
        ui = self.ui
        ui.applyButton.connect("clicked()", self._pressed)
        ui.downloadButton.connect("clicked()", self._pressedDownload)
        ui.downloadButton.setVisible(False)
        ui.modelSelector.connect("activated(int)", self._chosen)
        ui.deviceSelector.connect("activated(int)", self._chosen)
        ui.progressFrame.setVisible(False)
        ui.logGroup.collapsed = True
        ui.cardGroup.collapsed = True
        ui.deviceSelector.addItem(_("Automatic"), DEFAULT_DEVICE)

    @property
    def model(self) -> str:
        """Name of the chosen model, empty where there is none yet."""
        chosen = str(self.ui.modelSelector.currentData or "")
        return "" if chosen in self._downloads else chosen

    @property
    def device(self) -> str:
        """Name of the chosen device."""
        return str(self.ui.deviceSelector.currentData or DEFAULT_DEVICE)

    def choice(self) -> tuple[str, str]:
        """Return the names of the chosen model and device."""
        return self.model, self.device

    @property
    def hasInventory(self) -> bool:
        """Whether models and devices are known."""
        return bool(self._devices)

    @property
    def chosenModel(self) -> Mapping[str, Any] | None:
        """The chosen model's entry of the inventory, where it has one."""
        return self._models.get(self.model)

    @property
    def chosenDevice(self) -> Mapping[str, Any] | None:
        """The chosen device's entry of the inventory: the first where the choice is automatic."""
        found = (entry for entry in self._devices if entry["name"] == self.device)
        first = self._devices[0] if self._devices and self.device == DEFAULT_DEVICE else None
        return next(found, first)

    def showChoice(self, model: str, device: str) -> None:
        """Show the model and the device that are chosen, known ones or not."""
        for selector, name in ((self.ui.modelSelector, model), (self.ui.deviceSelector, device)):
            if selector.findData(name) < 0:
                selector.addItem(printable(name), name)
            selector.setCurrentIndex(selector.findData(name))
        self._showChosen()

    def showInventory(
        self,
        models: Sequence[Mapping[str, Any]],
        devices: Sequence[Mapping[str, Any]],
        downloads: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Offer what ``musclefm inventory`` printed; the choice stays where it can."""
        model, device = self.model, self.device
        self._models = {entry["name"]: entry for entry in models}
        self._downloads = {entry["name"]: entry for entry in downloads}
        self._devices = devices
        usable = [entry for entry in models if entry["usable"]]
        # Those that have to learn before they can segment.
        pretrained = [entry for entry in models if not entry["usable"] and not entry["fault"]]
        self._fill(
            self.ui.modelSelector,
            [
                *(
                    (f"{entry['title']}  ({entry['name']})", entry["name"])
                    for entry in (*usable, *pretrained)
                ),
                *((_downloadTitle(entry), entry["name"]) for entry in downloads),
            ],
        )
        best = _deviceTitle(devices[0]) if devices else ""
        self._fill(
            self.ui.deviceSelector,
            [
                (_("Automatic: {device}").format(device=best), DEFAULT_DEVICE),
                *((_deviceTitle(entry), entry["name"]) for entry in devices),
            ],
        )
        names = [entry["name"] for entry in (*usable, *pretrained)]
        self.showChoice(
            model if model in names or not names else names[0],
            device if self.ui.deviceSelector.findData(device) >= 0 else DEFAULT_DEVICE,
        )
        self._showDevice()

    def hideVolumes(self, identifiers: Sequence[str]) -> None:
        """Do not offer these volumes of the scene."""
        for selector in (self.ui.inputSelector, self.ui.secondSelector):
            selector.sortFilterProxyModel().hiddenNodeIDs = list(identifiers)

    def showDemand(self, slices: int, earlier: TimedRun | None) -> None:
        """Show what a volume of so many slices needs, by an earlier run where there is one."""
        self._slices, self._earlier = slices, earlier
        self._showDevice()

    def showSecondImage(self, isThere: bool) -> None:
        """Ask what the two images are only where there are two."""
        self.ui.pairSelector.setVisible(isThere)
        self.ui.pairSelectorLabel.setVisible(isThere)

    def setReady(self, ready: bool, why: str) -> None:
        """Let the user start, or show why not yet."""
        self._isReady, self._why = ready, why
        self._showReady()

    def showDownloading(self, isRunning: bool) -> None:
        """Show a download as begun or ended."""
        self.showRunning(isRunning)
        self.ui.applyButton.text = _("Apply")
        self._showChosen()
        if isRunning:
            self.ui.downloadButton.text = _("Stop the download")
            self.ui.applyButton.setEnabled(False)

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
        """Show that the run or the download is being stopped."""
        self.ui.applyButton.setEnabled(False)
        self.ui.downloadButton.setEnabled(False)
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

    def _pressedDownload(self) -> None:
        self._onDownload(str(self.ui.modelSelector.currentData))

    def _chosen(self, index: int) -> None:
        self._showChosen()
        self._showDevice()
        # What is not there yet cannot be the model of a run.
        if self.model:
            self._onChoice()

    def _fill(self, selector: Any, items: Sequence[tuple[str, str]]) -> None:
        wasBlocked = selector.blockSignals(True)
        selector.clear()
        for text, name in items:
            selector.addItem(printable(text), name)
        selector.blockSignals(wasBlocked)

    def _showChosen(self) -> None:
        ui = self.ui
        model = self.chosenModel
        offered = self._downloads.get(str(ui.modelSelector.currentData or ""))
        ui.cardGroup.setVisible(bool(model or offered))
        ui.cardLabel.text = downloadHtml(offered) if offered else cardHtml(model) if model else ""
        ui.downloadButton.setVisible(offered is not None)
        ui.downloadButton.setEnabled(True)
        if offered:
            ui.cardGroup.collapsed = False
            ui.downloadButton.text = _("Download {size:.0f} MB from {host}").format(
                size=offered["bytes"] / _MEGA, host=printable(offered["host"])
            )
        self._showReady()

    def _showReady(self) -> None:
        model, why = self.chosenModel, self._why
        if not self.model:
            why = _("Download the model first, or choose another one")
        elif model and not model["usable"] and not model["fault"]:
            why = _("These are weights to train from: they segment once they were trained")
        isReady = self._isReady and why == self._why
        self.ui.applyButton.setEnabled(isReady or self._running)
        self.ui.applyButton.toolTip = why

    def _showDevice(self) -> None:
        text = ""
        device, model = self.chosenDevice, self.chosenModel
        if device:
            parts = [_("No GPU is used.")] if device["name"] == "cpu" else []
            if model and model["usable"] and self._slices:
                parts += _demand(model, device, self._slices, self._earlier)
            text = " ".join(parts)
        self.ui.deviceLabel.text = text
        self.ui.deviceLabel.setVisible(bool(text))


def _demand(
    model: Mapping[str, Any], device: Mapping[str, Any], slices: int, earlier: TimedRun | None
) -> list[str]:
    """Return what a volume needs on a device, a sentence each."""
    seconds = expected_seconds(model["operations_per_slice"], slices, device["cores"], earlier)
    time = duration(seconds)
    if device["total_bytes"] is None:
        return [_("Expect {time} for this volume.").format(time=time)]
    needed, free = model["gpu_bytes"] / _GIGA, device["free_bytes"] / _GIGA
    text = _("Expect {time} and about {needed:.1f} GB of GPU memory for this volume.")
    sentences = [text.format(time=time, needed=needed)]
    if needed > free:
        text = _("Only {free:.1f} GB are free: it takes longer, or the CPU is the better choice.")
        sentences.append(text.format(free=free))
    return sentences


def _downloadTitle(entry: Mapping[str, Any]) -> str:
    return _("Download {title}, {size:.0f} MB…").format(
        title=entry["title"], size=entry["bytes"] / _MEGA
    )


def _deviceTitle(device: Mapping[str, Any]) -> str:
    if device["total_bytes"] is None:
        return _("{name}, {count} cores").format(name=device["title"], count=device["cores"])
    return _("{name}, {free:.0f} of {total:.0f} GB free").format(
        name=device["title"],
        free=device["free_bytes"] / _GIGA,
        total=device["total_bytes"] / _GIGA,
    )
