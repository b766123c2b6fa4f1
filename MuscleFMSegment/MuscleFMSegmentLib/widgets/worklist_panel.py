"""A folder of cases: how far each is, most uncertain first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from MuscleFMSegmentLib.widgets.table_cells import millilitres, prepareTable, setCell
from MuscleFMSegmentLib.widgets.ui_files import loadForm, widgetsOf

if TYPE_CHECKING:
    from musclefm.pipeline.worklist_index import CaseState

_CASE, _STATUS, _WRONG = range(3)


class WorklistPanel:
    """The panel.

    Parameters
    ----------
    onFolder : callable
        Given the path of a chosen folder.
    onProcess : callable
        The button that starts and stops the work in the background.
    onOpen : callable
        Given the row of a case that is to be opened.
    """

    def __init__(
        self,
        onFolder: Callable[[str], None],
        onProcess: Callable[[], None],
        onOpen: Callable[[int], None],
    ) -> None:
        self.form = loadForm("WorklistPanel")
        self.ui = widgetsOf(self.form)
        self._onOpen = onOpen
        # Made once: Slicer looks each text up with its file.
        self._statuses = {
            "waiting": _("waiting"),
            "running": _("running"),
            "ready": _("ready"),
            "in review": _("in review"),
            "saved": _("saved"),
            "failed": _("failed"),
        }
        ui = self.ui
        ui.worklistPath.connect("currentPathChanged(QString)", onFolder)
        ui.processButton.connect("clicked()", onProcess)
        ui.openButton.connect("clicked()", lambda: onOpen(ui.caseTable.currentRow()))
        ui.caseTable.connect("cellDoubleClicked(int,int)", lambda row, column: onOpen(row))
        prepareTable(ui.caseTable, stretched=_CASE)
        self.show((), ())

    def show(self, titles: Sequence[str], states: Sequence[CaseState]) -> None:
        """Show the cases, in this order."""
        table = self.ui.caseTable
        table.setRowCount(len(states))
        for row, (title, state) in enumerate(zip(titles, states, strict=True)):
            setCell(table, row, _CASE, title)
            setCell(table, row, _STATUS, self._statuses[state.status], toolTip=state.fault)
            wrong = state.expected_wrong_ml
            text = "" if wrong is None else millilitres(wrong)
            setCell(table, row, _WRONG, text, isNumber=True)
        self.ui.processButton.setEnabled(bool(states))
        self.ui.openButton.setEnabled(bool(states))

    def showProcessing(self, isProcessing: bool, text: str) -> None:
        """Show whether cases are being segmented, and how far that is."""
        self.ui.processButton.text = (
            _("Stop segmenting") if isProcessing else _("Segment all in background")
        )
        self.ui.worklistLabel.text = text
