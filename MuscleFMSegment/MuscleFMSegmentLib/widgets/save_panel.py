"""Saving the corrected case, and exporting its labels."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from musclefm.exchange.formats import FORMATS
from MuscleFMSegmentLib.widgets.ui_files import loadForm, widgetsOf


class SavePanel:
    """The panel.

    Parameters
    ----------
    onSave, onSaveAndNext : callable
        The buttons.
    onExport : callable
        Given the format, a name of :data:`musclefm.exchange.formats.FORMATS`.
    """

    def __init__(
        self,
        onSave: Callable[[], None],
        onSaveAndNext: Callable[[], None],
        onExport: Callable[[str], None],
    ) -> None:
        self.form = loadForm("SavePanel")
        self.ui = widgetsOf(self.form)
        self.ui.saveButton.connect("clicked()", onSave)
        self.ui.saveNextButton.connect("clicked()", onSaveAndNext)
        self.exportMenu = qt.QMenu(self.ui.exportButton)
        texts = {
            "nifti": _("Labelmap (NIfTI)…"),
            "seg.nrrd": _("Segmentation (.seg.nrrd)…"),
            "dicom": _("DICOM SEG…"),
        }
        for exportFormat, known in FORMATS.items():
            # One that was added from outside has its own title.
            text = texts.get(exportFormat, f"{known.title}…")
            action = qt.QAction(text, self.exportMenu)
            self.exportMenu.addAction(action)
            action.connect("triggered()", lambda chosen=exportFormat: onExport(chosen))
        self.ui.exportButton.setMenu(self.exportMenu)
        self.clear()

    def clear(self) -> None:
        """Show no case."""
        self.form.setEnabled(False)
        self.ui.savedLabel.text = ""

    def show(self, isSaved: bool, openRegions: int) -> None:
        """Show whether the case is saved as it is."""
        self.form.setEnabled(True)
        if isSaved:
            self.ui.savedLabel.text = _("Saved as a training sample.")
        elif openRegions:
            self.ui.savedLabel.text = _(
                "Not saved yet. {count} regions are still open: choose the verified part above."
            ).format(count=openRegions)
        else:
            self.ui.savedLabel.text = _("Not saved yet.")

    def showSaving(self) -> None:
        """Show that the case is being written."""
        self.form.setEnabled(False)
        self.ui.savedLabel.text = _("Saving…")
