"""The queue: what to look at, in which order, and how much is resolved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from MuscleFMSegmentLib.widgets.table_cells import prepareTable, setCell
from MuscleFMSegmentLib.widgets.ui_files import loadForm, widgetsOf

if TYPE_CHECKING:
    from musclefm.review.queue import ReviewEntry, ReviewQueue

_NUMBER, _MUSCLE, _SLICES, _WRONG, _STATUS = range(5)
_FLAG = "⚑ "


class ReviewPanel:
    """The panel.

    Parameters
    ----------
    onPrevious, onNext, onAccept, onSkip, onFlag : callable
        The buttons.
    onRegion : callable
        Given the id of a region that was clicked.
    """

    def __init__(
        self,
        onPrevious: Callable[[], None],
        onNext: Callable[[], None],
        onAccept: Callable[[], None],
        onSkip: Callable[[], None],
        onFlag: Callable[[], None],
        onRegion: Callable[[int], None],
    ) -> None:
        self.form = loadForm("ReviewPanel")
        self.ui = widgetsOf(self.form)
        self._onRegion = onRegion
        self._regionIds: list[int] = []
        # Made once: Slicer looks each text up with its file.
        self._statuses = {
            "to do": (_("to do"), "#808080"),
            "corrected": (_("✎ corrected"), "#2f6fd0"),
            "accepted": (_("✓ accepted"), "#2a8a3a"),
            "skipped": (_("– skipped"), "#b06a00"),
        }
        for button, act in (
            (self.ui.previousButton, onPrevious),
            (self.ui.nextButton, onNext),
            (self.ui.acceptButton, onAccept),
            (self.ui.skipButton, onSkip),
            (self.ui.flagButton, onFlag),
        ):
            button.connect("clicked()", act)
        self.ui.queueTable.connect("cellClicked(int,int)", self._clicked)
        prepareTable(self.ui.queueTable, stretched=_MUSCLE)
        for column, text in (
            (_SLICES, _("Slices along the leg, by their index in the image")),
            (_WRONG, _("Volume that is expected to be wrong; most of it first")),
            (_STATUS, _("A region whose voxels you change is corrected by itself")),
        ):
            self.ui.queueTable.horizontalHeaderItem(column).setToolTip(text)
        self.ui.keysGroup.collapsed = True
        self.clear()

    def showKeys(self, keys: Sequence[tuple[str, str]]) -> None:
        """Show which key does what."""
        rows = (
            f"<tr><td><b>{escape(key)}</b>&nbsp;</td><td>{escape(text)}</td></tr>"
            for key, text in keys
        )
        self.ui.keysLabel.text = f"<table>{''.join(rows)}</table>"

    def clear(self) -> None:
        """Show no case."""
        self._regionIds = []
        self.ui.queueTable.setRowCount(0)
        self.ui.shareBar.setValue(0)
        self.ui.currentLabel.text = _("Segment a volume to see what to check.")
        self.form.setEnabled(False)

    def show(self, queue: ReviewQueue, voxelMl: float) -> None:
        """Show a queue as it is now.

        Parameters
        ----------
        queue : ReviewQueue
            The queue.
        voxelMl : float
            Volume of a voxel in mL.
        """
        self.form.setEnabled(True)
        entries = queue.entries
        table = self.ui.queueTable
        if [entry.region.id for entry in entries] != self._regionIds:
            self._regionIds = [entry.region.id for entry in entries]
            table.setRowCount(len(entries))
        for row, entry in enumerate(entries):
            self._showEntry(row, entry, voxelMl)
        if queue.position is not None:
            table.selectRow(queue.position)
            table.scrollToItem(table.item(queue.position, _NUMBER))
        else:
            table.clearSelection()
        self.ui.shareBar.setValue(int(100 * queue.share_done))
        self.ui.currentLabel.text = currentText(queue)
        hasCurrent = queue.current is not None
        for button in (self.ui.acceptButton, self.ui.skipButton, self.ui.flagButton):
            button.setEnabled(hasCurrent)
        self.ui.previousButton.setEnabled(bool(queue.position))
        self.ui.nextButton.setEnabled(bool(entries) and queue.position != len(entries) - 1)

    def _showEntry(self, row: int, entry: ReviewEntry, voxelMl: float) -> None:
        region = entry.region
        muscles = ", ".join(region.muscles)
        voxels = _("{count:.0f} voxels are expected to be wrong").format(
            count=region.expected_wrong_voxels
        )
        cells: tuple[tuple[str, dict[str, Any]], ...] = (
            (str(row + 1), {"isNumber": True}),
            (f"{region.side.capitalize()} {muscles}", {}),
            (_span(region.slices), {"isNumber": True}),
            (
                _("{volume:.1f} mL").format(volume=region.expected_wrong_voxels * voxelMl),
                {"isNumber": True, "toolTip": voxels},
            ),
        )
        for column, (text, look) in enumerate(cells):
            setCell(self.ui.queueTable, row, column, text, **look)
        text, colour = self._statuses[entry.status]
        flag = _FLAG if entry.flagged else ""
        setCell(self.ui.queueTable, row, _STATUS, flag + text, colour=colour)

    def _clicked(self, row: int, column: int) -> None:
        self._onRegion(self._regionIds[row])


def currentText(queue: ReviewQueue) -> str:
    """Return one line on the current region and on what is left."""
    count, left = len(queue.entries), queue.to_do_count
    if not count:
        return _("Nothing is flagged: the model is sure everywhere.")
    if queue.current is None or queue.position is None:
        return _("{count} regions to check. Press Next to begin.").format(count=count)
    region = queue.current.region
    place = _("{number} of {count}: {side} {muscles}, slices {slices}").format(
        number=queue.position + 1,
        count=count,
        side=region.side,
        muscles=", ".join(region.muscles),
        slices=_span(region.slices),
    )
    if not left:
        return place + "\n" + _("All regions are looked at.")
    return place + "\n" + _("{left} still to do").format(left=left)


def _span(slices: tuple[int, int]) -> str:
    first, last = slices
    return str(first) if first == last else f"{first}–{last}"
