"""Saving the corrected case, and exporting its labels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _

from musclefm.exchange.formats import FORMATS
from musclefm.plain_text import printable
from musclefm.review.muscle_slices import slices_text
from MuscleFMSegmentLib.widgets.ui_files import loadForm, widgetsOf

if TYPE_CHECKING:
    from musclefm.corrections.case import Reviewed


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
        self._values: list[int] = []
        self.isChosenByReader = False
        self.ui.verifiedEdit.connect("textEdited(QString)", lambda text: self._choose())
        self.ui.verifiedList.connect("itemChanged(QListWidgetItem*)", lambda item: self._choose())
        # A choice in the chooser, unlike an edit below it, follows the reader's way again.
        self.ui.extentSelector.connect("currentIndexChanged(int)", lambda index: self._follow())
        self.clear()

    def clear(self) -> None:
        """Show no case."""
        self.form.setEnabled(False)
        self.ui.savedLabel.text = ""
        self.ui.personEdit.text = ""
        self._follow()

    def show(self, isSaved: bool, openRegions: int) -> None:
        """Show whether the case is saved as it is."""
        self.form.setEnabled(True)
        if isSaved:
            self.ui.savedLabel.text = _("Saved as a training sample.")
        elif openRegions:
            self.ui.savedLabel.text = _(
                "Not saved yet. {count} regions are still open: see the verified part above."
            ).format(count=openRegions)
        else:
            self.ui.savedLabel.text = _("Not saved yet.")

    @property
    def checkedMuscles(self) -> tuple[int, ...]:
        """Sided values of the muscles that are checked."""
        items = (self.ui.verifiedList.item(row) for row in range(len(self._values)))
        checked = [item.checkState() == qt.Qt.Checked for item in items]
        return tuple(value for value, yes in zip(self._values, checked, strict=True) if yes)

    def showVerified(self, proposed: Reviewed, names: Mapping[int, str]) -> None:
        """Show what would be verified; what the reader chose there stays.

        Parameters
        ----------
        proposed : Reviewed
            What the reader looked at.
        names : mapping
            Of all muscles, by their sided values.
        """
        self.ui.verifiedEdit.setVisible(proposed.kind == "slices")
        self.ui.verifiedList.setVisible(proposed.kind == "muscles")
        self.ui.verifiedLabel.setVisible(proposed.kind != "all")
        if self.isChosenByReader:
            return
        if proposed.kind == "slices":
            self.ui.verifiedLabel.text = _("Slices:")
            self.ui.verifiedEdit.text = slices_text(proposed.slices)
        elif proposed.kind == "muscles":
            self.ui.verifiedLabel.text = _("Muscles:")
            self._showMuscles(names, proposed.muscles)

    def _showMuscles(self, names: Mapping[int, str], checked: Collection[int]) -> None:
        muscles = self.ui.verifiedList
        wasBlocked = muscles.blockSignals(True)
        if self._values != list(names):
            self._values = list(names)
            muscles.clear()
            muscles.addItems([printable(name) for name in names.values()])
        for row, value in enumerate(self._values):
            state = qt.Qt.Checked if value in checked else qt.Qt.Unchecked
            muscles.item(row).setCheckState(state)
        muscles.blockSignals(wasBlocked)

    def _choose(self) -> None:
        self.isChosenByReader = True

    def _follow(self) -> None:
        self.isChosenByReader = False

    def showSaving(self) -> None:
        """Show that the case is being written."""
        self.form.setEnabled(False)
        self.ui.savedLabel.text = _("Saving…")
