"""Writing labels and measures of the open case to where the user chooses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from musclefm.exchange.formats import FORMATS
from MuscleFMSegmentLib.process.library_runner import LibraryRunner
from MuscleFMSegmentLib.widgets.message_area import MessageArea
from MuscleFMSegmentLib.widgets.save_panel import SavePanel

if TYPE_CHECKING:
    from MuscleFMSegmentLib.review.open_case import OpenCase


class ExportController:
    """One export at a time.

    Parameters
    ----------
    panel : SavePanel
        Shows how it goes.
    messages : MessageArea
        Shows what goes wrong.
    runner : LibraryRunner
        Of its own.
    onEnd : callable
        Called without arguments when nothing is exported any more.
    """

    def __init__(
        self,
        panel: SavePanel,
        messages: MessageArea,
        runner: LibraryRunner,
        onEnd: Callable[[], None],
    ) -> None:
        self._panel = panel
        self._messages = messages
        self._runner = runner
        self._onEnd = onEnd

    def export(self, opened: OpenCase, exportFormat: str) -> None:
        """Write the labels as they are now.

        Parameters
        ----------
        opened : OpenCase
            The case.
        exportFormat : str
            A name of :data:`musclefm.exchange.formats.FORMATS`.
        """
        folder = self._chosenFolder(_("Folder for the exported files"))
        command = ["export", "--case", str(opened.folder.results), "--format", exportFormat]
        if folder and FORMATS[exportFormat].needs_source:
            series = dicomFileOf(opened.review.case.volumeNode) or self._chosenFolder(
                _("Folder of the DICOM series that was segmented")
            )
            if series is None:
                return
            command += ["--image", str(series)]
        if folder:
            self._panel.ui.savedLabel.text = _("Exporting…")
            command += ["--out", str(folder)]
            opened.keep(
                lambda: self._runner.ask(command, self._onExported, self._onFailed),
                self._onFailed,
            )

    def exportTable(self, text: str) -> None:
        """Write the muscle table into a file that the user chooses.

        Parameters
        ----------
        text : str
            The table as CSV.
        """
        from musclefm.results.files import MUSCLES_FILE
        from musclefm.storage.atomic import atomic_text

        chosen = qt.QFileDialog.getSaveFileName(
            self._panel.form, _("Muscle table"), MUSCLES_FILE, _("Tables (*.csv)")
        )
        if chosen:
            with self._messages.shown():
                atomic_text(Path(chosen), text)
                self._panel.ui.savedLabel.text = _("Exported.")

    def _chosenFolder(self, title: str) -> Path | None:
        chosen = qt.QFileDialog.getExistingDirectory(self._panel.form, title)
        return Path(chosen) if chosen else None

    def _onExported(self, output: str) -> None:
        self._onEnd()
        self._panel.ui.savedLabel.text = _("Exported.")

    def _onFailed(self, error: Exception) -> None:
        self._onEnd()
        self._messages.showError(error)


def dicomFileOf(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> Path | None:
    """Return a file of the series that a volume was loaded from, if Slicer's database knows it."""
    instances = (volumeNode.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if not instances or database is None:
        return None
    file = database.fileForInstance(instances[0])
    return Path(file) if file else None
