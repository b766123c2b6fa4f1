"""The queue by muscle: what to look at, in which order, and how much is resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import isnan
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from MuscleFMSegmentLib.widgets.table_cells import (
    millilitres,
    newTreeRow,
    prepareTree,
    setSwatch,
    setTreeCell,
)
from MuscleFMSegmentLib.widgets.ui_files import loadForm, widgetsOf

if TYPE_CHECKING:
    from musclefm.review.findings import FlaggedRegion
    from musclefm.review.muscle_queue import MuscleEntry
    from musclefm.review.queue import Muscle, ReviewEntry, ReviewQueue

_MUSCLE, _WRONG, _DICE, _STATUS = range(4)
_FLAG = "⚑ "
_UNKNOWN = "–"


class ReviewPanel:
    """The panel.

    Parameters
    ----------
    onPrevious, onNext, onAccept, onSkip, onFlag : callable
        The buttons.
    onRegion : callable
        Given the id of a region that was clicked.
    onMuscle : callable
        Given side and label id of a muscle that was clicked.
    """

    def __init__(
        self,
        onPrevious: Callable[[], None],
        onNext: Callable[[], None],
        onAccept: Callable[[], None],
        onSkip: Callable[[], None],
        onFlag: Callable[[], None],
        onRegion: Callable[[int], None],
        onMuscle: Callable[[Muscle], None],
    ) -> None:
        self.form = loadForm("ReviewPanel")
        self.ui = widgetsOf(self.form)
        self._onRegion = onRegion
        self._onMuscle = onMuscle
        self._muscles: list[Muscle] = []
        self._regionIds: list[list[int]] = []
        # The muscle that was unfolded for the walk, and is folded when that goes on.
        self._unfolded: Muscle | None = None
        # Made once: Slicer looks each text up with its file.
        self._statuses = {
            "to do": _("to do"),
            "corrected": _("✎ corrected"),
            "accepted": _("✓ accepted"),
            "skipped": _("– skipped"),
        }
        for button, act in (
            (self.ui.previousButton, onPrevious),
            (self.ui.nextButton, onNext),
            (self.ui.acceptButton, onAccept),
            (self.ui.skipButton, onSkip),
            (self.ui.flagButton, onFlag),
        ):
            button.connect("clicked()", act)
        tree = self.ui.queueTree
        tree.connect("clicked(QModelIndex)", self._goTo)
        tree.connect("activated(QModelIndex)", self._goTo)
        prepareTree(tree, stretched=_MUSCLE)
        for column, text in (
            (_MUSCLE, _("Muscles, and under each its regions to check, in the order of Next")),
            (_WRONG, _("Volume that is expected to be wrong in the regions; most of it first")),
            (_DICE, _("Dice that the model expects of its own label, 0 to 1")),
            (_STATUS, _("Regions that are corrected or accepted; an edit corrects by itself")),
        ):
            tree.headerItem().setToolTip(column, text)
        label = self.ui.keysLabel
        self.ui.keysButton.connect("toggled(bool)", lambda isShown: label.setVisible(isShown))
        self.ui.keysLabel.setVisible(False)
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
        self._muscles, self._regionIds, self._unfolded = [], [], None
        self.ui.queueTree.clear()
        self.ui.shareBar.setValue(0)
        self.ui.currentLabel.text = _("Segment a volume to see what to check.")
        self.ui.opinionButton.setChecked(False)
        self.form.setEnabled(False)

    def show(
        self,
        queue: ReviewQueue,
        muscles: Sequence[MuscleEntry],
        colours: Mapping[Muscle, tuple[float, float, float]],
    ) -> None:
        """Show a queue as it is now.

        Parameters
        ----------
        queue : ReviewQueue
            The queue.
        muscles : sequence of MuscleEntry
            Its regions by muscle, in its order.
        colours : mapping
            Red, green and blue in [0, 1] of the muscles' segments.
        """
        self.form.setEnabled(True)
        self._makeRows(muscles)
        for row, muscle in enumerate(muscles):
            item = self.ui.queueTree.topLevelItem(row)
            self._showMuscle(item, muscle)
            if colour := colours.get(muscle.muscle):
                setSwatch(item, _MUSCLE, colour)
            for child, entry in enumerate(muscle.entries):
                self._showRegion(item.child(child), entry)
        self.ui.shareBar.setValue(int(100 * queue.share_done))
        self.ui.currentLabel.text = currentText(queue)
        hasCurrent = queue.current is not None
        for button in (self.ui.acceptButton, self.ui.skipButton, self.ui.flagButton):
            button.setEnabled(hasCurrent)
        self.ui.previousButton.setEnabled(queue.has_previous)
        self.ui.nextButton.setEnabled(queue.has_next)

    def select(self, muscle: Muscle | None, regionId: int | None) -> None:
        """Select the row of a region, or of a muscle as a whole, and bring it into sight.

        Parameters
        ----------
        muscle : tuple or None
            The muscle that is selected for editing.
        regionId : int or None
            The current region where that is the muscle's.
        """
        tree = self.ui.queueTree
        if muscle not in self._muscles:
            tree.clearSelection()
            return
        row = self._muscles.index(muscle)
        item = tree.topLevelItem(row)
        if not item.isExpanded():
            if self._unfolded in self._muscles:
                tree.topLevelItem(self._muscles.index(self._unfolded)).setExpanded(False)
            item.setExpanded(True)
            self._unfolded = muscle
        if regionId in self._regionIds[row]:
            item = item.child(self._regionIds[row].index(regionId))
        tree.setCurrentItem(item)
        tree.scrollToItem(item)

    def _makeRows(self, muscles: Sequence[MuscleEntry]) -> None:
        regionIds = [[entry.region.id for entry in muscle.entries] for muscle in muscles]
        names = [muscle.muscle for muscle in muscles]
        if (names, regionIds) == (self._muscles, self._regionIds):
            return
        tree = self.ui.queueTree
        tree.clear()
        self._muscles, self._regionIds, self._unfolded = names, regionIds, None
        for ids in regionIds:
            item = newTreeRow(_MUSCLE)
            tree.addTopLevelItem(item)
            for _id in ids:
                item.addChild(newTreeRow(_MUSCLE))

    def _showMuscle(self, item: Any, muscle: MuscleEntry) -> None:
        side, _label = muscle.muscle
        dice = _UNKNOWN if isnan(muscle.expected_dice) else f"{muscle.expected_dice:.2f}"
        setTreeCell(item, _MUSCLE, f"{side.capitalize()} {muscle.name}")
        setTreeCell(item, _DICE, dice, isNumber=True)
        if not muscle.entries:
            setTreeCell(item, _STATUS, _UNKNOWN, toolTip=_("Nothing is flagged in this muscle"))
            return
        self._showWrong(item, muscle)
        done, count = muscle.resolved_count, len(muscle.entries)
        text = _("{done} of {count}").format(done=done, count=count)
        flag = _FLAG if muscle.flagged else ""
        setTreeCell(item, _STATUS, flag + ("✓ " if done == count else "") + text)

    def _showRegion(self, item: Any, entry: ReviewEntry) -> None:
        place = _("Slices {slices}").format(slices=_span(entry.region.slices))
        toolTip = _("{muscles}; slices along the leg by their index in the image").format(
            muscles=", ".join(entry.region.muscles)
        )
        if entry.region.disagrees:
            place += _(", disagrees")
            toolTip = _("Disagrees with the second opinion: {what}").format(what=toolTip)
        setTreeCell(item, _MUSCLE, place, toolTip=toolTip)
        self._showWrong(item, entry.region)
        flag = _FLAG if entry.flagged else ""
        setTreeCell(item, _STATUS, flag + self._statuses[entry.status])

    def _showWrong(self, item: Any, of: FlaggedRegion | MuscleEntry) -> None:
        text = _("{count:.0f} voxels are expected to be wrong")
        toolTip = text.format(count=of.expected_wrong_voxels)
        setTreeCell(item, _WRONG, millilitres(of.expected_wrong_ml), isNumber=True, toolTip=toolTip)

    def _goTo(self, index: Any) -> None:
        # What the reader unfolds by a click stays so.
        self._unfolded = None
        parent = index.parent()
        if parent.isValid():
            self._onRegion(self._regionIds[parent.row()][index.row()])
        else:
            self._onMuscle(self._muscles[index.row()])


def currentText(queue: ReviewQueue) -> str:
    """Return two lines: the current region, and how much is left."""
    count, left = len(queue.entries), queue.to_do_count
    if not count:
        return _("Nothing is flagged: the model is sure everywhere.")
    rest = _("{left} of {count} regions still to do").format(left=left, count=count)
    if not left:
        rest = _("All regions are looked at.")
    if queue.current is None or queue.position is None:
        return _("Press Next to go to a region.") + "\n" + rest
    region = queue.current.region
    place = _("{muscles}, slices {slices}: {wrong} expected wrong").format(
        muscles=_concerned(region),
        slices=_span(region.slices),
        wrong=millilitres(region.expected_wrong_ml),
    )
    number = _("Region {number} of {count}").format(number=queue.position + 1, count=count)
    if region.disagrees:
        number += _(" (disagrees with the second opinion)")
    if not left:
        return f"{place}\n{number}. {rest}"
    return f"{place}\n{number}, " + _("{left} still to do").format(left=left)


def _concerned(region: FlaggedRegion) -> str:
    first, *others = region.muscles
    name = f"{region.side.capitalize()} {first}"
    return name + (_(" and {count} more").format(count=len(others)) if others else "")


def _span(slices: tuple[int, int]) -> str:
    first, last = slices
    return str(first) if first == last else f"{first}–{last}"
