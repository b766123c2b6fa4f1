"""The muscle table: size, fat and trust; a click goes there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _

from MuscleFMSegmentLib.widgets.table_cells import prepareTable, setCell
from MuscleFMSegmentLib.widgets.ui_files import loadForm, widgetsOf

if TYPE_CHECKING:
    from musclefm.labels.scheme import Side
    from musclefm.review.findings import MuscleSummary
    from musclefm.review.measures import MuscleMeasure

_MUSCLE, _VOLUME, _FAT, _UNCERTAINTY, _DICE, _FLAG = range(6)
_UNKNOWN = "–"


class MusclesPanel:
    """The panel.

    Parameters
    ----------
    onMuscle : callable
        Given side and label id of a muscle that was clicked.
    onExport : callable
        Given the table as CSV, to be written to a file.
    onShow3d : callable
        Given whether the muscles are to be seen in 3-D.
    """

    def __init__(
        self,
        onMuscle: Callable[[Side, int], None],
        onExport: Callable[[str], None],
        onShow3d: Callable[[bool], None],
    ) -> None:
        self.form = loadForm("MusclesPanel")
        self.ui = widgetsOf(self.form)
        self._onMuscle = onMuscle
        self._summaries: list[MuscleSummary] = []
        self._muscles: list[tuple[Side, int]] = []
        self.ui.copyButton.connect("clicked()", self._copy)
        self.ui.exportTableButton.connect("clicked()", lambda: onExport(self._text(",")))
        self.ui.show3dButton.connect("toggled(bool)", onShow3d)
        table = self.ui.muscleTable
        table.connect("cellClicked(int,int)", self._clicked)
        prepareTable(table, stretched=_MUSCLE)
        for column, text in (
            (_VOLUME, _("Volume in mL; follows your edits")),
            (_FAT, _("Mean fat fraction; follows your edits. Needs both images of a Dixon scan.")),
            (_UNCERTAINTY, _("Mean total uncertainty of the model, 0 to 1")),
            (_DICE, _("Dice that the model expects of its own label, 0 to 1")),
            (_FLAG, _("Whether a region to check touches the muscle")),
        ):
            table.horizontalHeaderItem(column).setToolTip(text)
        self.clear()

    def clear(self) -> None:
        """Show no case."""
        self._muscles, self._summaries = [], []
        self.ui.show3dButton.setChecked(False)
        self.ui.muscleTable.setRowCount(0)
        self.form.setEnabled(False)

    def show(self, muscles: Iterable[MuscleSummary]) -> None:
        """Show the muscles as the model left them."""
        muscles = self._summaries = list(muscles)
        self._muscles = [(muscle.side, muscle.label_id) for muscle in muscles]
        self.form.setEnabled(True)
        table = self.ui.muscleTable
        table.setRowCount(len(muscles))
        for row, muscle in enumerate(muscles):
            setCell(table, row, _MUSCLE, f"{muscle.side.capitalize()} {muscle.name}")
            self._showSize(row, muscle.volume_ml, muscle.fat_fraction)
            setCell(table, row, _UNCERTAINTY, _number(muscle.mean_uncertainty), isNumber=True)
            setCell(table, row, _DICE, _number(muscle.expected_dice), isNumber=True)
            setCell(table, row, _FLAG, "●" if muscle.flagged else "")

    def showMeasures(self, measures: Iterable[MuscleMeasure]) -> None:
        """Let volumes and fat fractions follow an edit."""
        for measure in measures:
            muscle = (measure.side, measure.label_id)
            if muscle in self._muscles:
                row = self._muscles.index(muscle)
                self._summaries[row] = replace(
                    self._summaries[row],
                    volume_ml=measure.volume_ml,
                    fat_fraction=measure.fat_fraction,
                )
                self._showSize(row, measure.volume_ml, measure.fat_fraction)

    def _text(self, delimiter: str) -> str:
        """Return the table with all digits, in the columns of the results' muscles.csv."""
        from musclefm.results.tables import muscles_table

        return muscles_table(self._summaries, delimiter)

    def _copy(self) -> None:
        # Spreadsheets take cells that tabs separate.
        qt.QApplication.clipboard().setText(self._text("\t"))

    def _showSize(self, row: int, volume: float, fat: float | None) -> None:
        table = self.ui.muscleTable
        setCell(table, row, _VOLUME, f"{volume:.1f}", isNumber=True)
        text = _UNKNOWN if fat is None else f"{100 * fat:.1f} %"
        setCell(table, row, _FAT, text, isNumber=True)

    def _clicked(self, row: int, column: int) -> None:
        self._onMuscle(*self._muscles[row])


def _number(value: float) -> str:
    return _UNKNOWN if isnan(value) else f"{value:.2f}"
