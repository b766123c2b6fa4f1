"""Choosing a second opinion, and letting its regions join the queue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from MuscleFMSegmentLib.process.background import Background
from MuscleFMSegmentLib.widgets.message_area import MessageArea

if TYPE_CHECKING:
    from musclefm.exchange.external_labels import ExternalLabels
    from MuscleFMSegmentLib.review.open_case import OpenCase
    from MuscleFMSegmentLib.review.second_opinion import FlaggedAnew

# Names of shipped mappings; an empty one: names of muscles, or the model's own values.
_MAPPINGS = ("", "musclemap", "totalsegmentator")


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
        ui.opinionMeaningSelector.addItems([_("Names of muscles"), "MuscleMap", "TotalSegmentator"])
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
        name = _MAPPINGS[self._ui.opinionMeaningSelector.currentIndex]
        mapping, results = Path(name) if name else None, opened.folder.results
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
