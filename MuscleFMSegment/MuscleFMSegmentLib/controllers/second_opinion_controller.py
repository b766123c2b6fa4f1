"""Choosing a second opinion, and letting its regions join the queue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from musclefm.plain_text import printable
from musclefm.storage.regular_file import is_file
from MuscleFMSegmentLib.process.background import Background
from MuscleFMSegmentLib.widgets.message_area import MessageArea

if TYPE_CHECKING:
    from musclefm.exchange.external_labels import ExternalLabels
    from MuscleFMSegmentLib.review.open_case import OpenCase
    from MuscleFMSegmentLib.review.second_opinion import FlaggedAnew

# Whose mappings are shipped, by their names in small letters.
_PROGRAMS = ("MuscleMap", "TotalSegmentator")
_MAPPING = "MuscleFMSegment/SecondOpinionMapping"


class SecondOpinionController:
    """The part of the review's panel that is folded away until it is asked for.

    Parameters
    ----------
    ui : object
        Widgets of the review's panel.
    messages : MessageArea
        Shows what goes wrong.
    background : Background
        Reads and compares.
    openCase : callable
        Returns the case that is open, or None.
    """

    def __init__(
        self,
        ui: Any,
        messages: MessageArea,
        background: Background,
        openCase: Callable[[], OpenCase | None],
    ) -> None:
        self._ui = ui
        self._messages = messages
        self._background = background
        self._openCase = openCase
        frame = ui.opinionFrame
        ui.opinionButton.connect("toggled(bool)", lambda isShown: frame.setVisible(isShown))
        frame.setVisible(False)
        ui.opinionSelector.setMRMLScene(slicer.mrmlScene)
        # An empty mapping: names of muscles, or the model's own values.
        ui.opinionMeaningSelector.addItem(_("Names of muscles"), "")
        for program in _PROGRAMS:
            ui.opinionMeaningSelector.addItem(program, program.lower())
        self._mapping = ""
        known = str(qt.QSettings().value(_MAPPING, ""))
        self._take(known if not Path(known).suffix or is_file(Path(known)) else "")
        ui.opinionMeaningSelector.addItem(_("Mapping file…"))
        ui.opinionMeaningSelector.connect("activated(int)", self._chooseMapping)
        ui.opinionCompareButton.connect("clicked()", self._compareNode)
        ui.opinionFileButton.connect("clicked()", self._compareFile)
        ui.opinionRemoveButton.connect("clicked()", self._takeAway)

    def show(self) -> None:
        """Show what the open case has."""
        opened = self._openCase()
        stored = opened.review.secondOpinion if opened else None
        self._ui.opinionRemoveButton.setEnabled(stored is not None)
        if stored:
            self._ui.opinionButton.setChecked(True)
        count = 0
        if opened:
            count = sum(entry.region.disagrees for entry in opened.review.queue.entries)
        self._ui.opinionLabel.text = (
            _("It disagrees in {count} regions; its outlines are yellow.").format(count=count)
            if stored
            else _("Labels of the same scan, by another program or reader.")
        )

    def _chooseMapping(self, _index: int = 0) -> None:
        chosen = self._ui.opinionMeaningSelector.currentData
        if chosen is None:
            frame, kinds = self._ui.opinionFrame, _("Mappings") + " (*.json *.csv)"
            chosen = qt.QFileDialog.getOpenFileName(frame, _("Mapping file"), "", kinds)
            chosen = chosen or self._mapping
        self._take(str(chosen))
        qt.QSettings().setValue(_MAPPING, self._mapping)

    def _take(self, mapping: str) -> None:
        """Show a mapping by its name, or a file of the user's own, as chosen."""
        selector = self._ui.opinionMeaningSelector
        if selector.findData(mapping) < 0:
            selector.insertItem(1 + len(_PROGRAMS), printable(Path(mapping).name), mapping)
        selector.setCurrentIndex(selector.findData(mapping))
        self._mapping = mapping

    def _compareNode(self) -> None:
        from MuscleFMSegmentLib.scene.comparison import externalLabels

        opened = self._openCase()
        with self._messages.shown():
            if opened:
                node = self._ui.opinionSelector.currentNode()
                self._compare(opened, externalLabels(node, opened.review.case))

    def _compareFile(self) -> None:
        opened = self._openCase()
        chosen = qt.QFileDialog.getOpenFileName(self._ui.opinionFrame, _("Second opinion"))
        if opened and chosen:
            self._compare(opened, Path(chosen))

    def _compare(self, opened: OpenCase, source: Path | ExternalLabels) -> None:
        mapping = Path(self._mapping) if self._mapping else None
        results = opened.folder.results
        self._ui.opinionLabel.text = _("Comparing…")

        def work() -> FlaggedAnew:
            from MuscleFMSegmentLib.review.second_opinion import flagWithOpinion

            return flagWithOpinion(results, source, mapping)

        self._run(opened, work)

    def _takeAway(self) -> None:
        opened = self._openCase()
        if opened:
            results = opened.folder.results

            def work() -> FlaggedAnew:
                from MuscleFMSegmentLib.review.second_opinion import flagWithoutOpinion

                return flagWithoutOpinion(results)

            self._run(opened, work)

    def _run(self, opened: OpenCase, work: Callable[[], FlaggedAnew]) -> None:
        def done(found: FlaggedAnew) -> None:
            if self._openCase() is opened:
                with self._messages.shown():
                    opened.review.flagAnew(found)
                    opened.autosave()
            self.show()

        def failed(error: Exception) -> None:
            self._messages.showError(error)
            self.show()

        self._background.run(work, done, failed)
