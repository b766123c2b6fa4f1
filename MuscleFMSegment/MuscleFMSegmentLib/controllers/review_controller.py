"""The review as the panels show it: what is open, what is pressed, what is saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from MuscleFMSegmentLib.process.background import Background
from MuscleFMSegmentLib.process.library_runner import LibraryRunner
from MuscleFMSegmentLib.widgets.correct_panel import CorrectPanel
from MuscleFMSegmentLib.widgets.message_area import MessageArea
from MuscleFMSegmentLib.widgets.muscles_panel import MusclesPanel
from MuscleFMSegmentLib.widgets.review_panel import ReviewPanel
from MuscleFMSegmentLib.widgets.save_panel import SavePanel
from MuscleFMSegmentLib.widgets.uncertainty_panel import UncertaintyPanel

if TYPE_CHECKING:
    from MuscleFMSegmentLib.parameter_node import MuscleFMSegmentParameterNode
    from MuscleFMSegmentLib.review.case_review import CaseReview
    from MuscleFMSegmentLib.review.open_case import OpenCase
    from MuscleFMSegmentLib.review.review_folders import ReviewFolder


@dataclass(frozen=True)
class ReviewContext:
    """What the control works with.

    Attributes
    ----------
    messages : MessageArea
        Shows what goes wrong.
    background : Background
        Measures and writes.
    exporter : LibraryRunner
        Writes exported files.
    makeTimer : callable
        Returns a new ``qt.QTimer``.
    parameters : callable
        Returns the parameter node, None while the module is not shown.
    onOpened, onLost, onSaved : callable
        Told that a case is shown, was lost, or was saved by Save and next case.
    """

    messages: MessageArea
    background: Background
    exporter: LibraryRunner
    makeTimer: Callable[[], Any]
    parameters: Callable[[], MuscleFMSegmentParameterNode | None]
    onOpened: Callable[[], None]
    onLost: Callable[[], None]
    onSaved: Callable[[], None]


class ReviewController:
    """One case at a time, from its results to its save."""

    def __init__(self, context: ReviewContext) -> None:
        self._around = context
        self._open: OpenCase | None = None
        self._isSaving = False
        self.review = ReviewPanel(
            onPrevious=self.previous,
            onNext=self.next,
            onAccept=self.accept,
            onSkip=self.skip,
            onFlag=self.toggleFlag,
            onRegion=lambda regionId: self._do(lambda review: review.goTo(regionId)),
        )
        self.correct = CorrectPanel()
        self.uncertainty = UncertaintyPanel(
            lambda index: self._do(lambda review: review.goToSlice(index))
        )
        self.muscles = MusclesPanel(
            lambda side, label: self._do(lambda review: review.goToMuscle(side, label))
        )
        self.save = SavePanel(self.saveCase, self.saveAndNext, self.export)

    @property
    def openCase(self) -> OpenCase | None:
        """The case that is open."""
        return self._open

    def open(
        self,
        folder: ReviewFolder,
        volumeNode: slicer.vtkMRMLScalarVolumeNode,
        ownsVolume: bool = False,
    ) -> None:
        """Show a case in place of the one before.

        Parameters
        ----------
        folder : ReviewFolder
            Holds its images, results and session.
        volumeNode : vtkMRMLScalarVolumeNode
            Its image, in the scene.
        ownsVolume : bool
            Whether the volume goes with the case.

        Raises
        ------
        MuscleFMError
            Its results or its session cannot be read, or the case before cannot be
            kept; that one stays.
        """
        from MuscleFMSegmentLib.review.open_case import OpenCase

        around = self._around
        if self._open:
            self._open.keep()
        opened = OpenCase(folder, volumeNode, ownsVolume, around.background, around.makeTimer, self)
        self.close()
        self._open = opened
        review = opened.review
        self.correct.show(review.editing)
        self.uncertainty.show(review.legProfile())
        self.muscles.show(review.case.muscles)
        self.followParameters()
        review.begin()
        opened.autosave()
        around.onOpened()

    def close(self, removeNodes: bool = True) -> None:
        """Close the case; what is not saved is kept on the disk."""
        opened, self._open = self._open, None
        self.correct.clear()
        self.review.clear()
        self.uncertainty.clear()
        self.muscles.clear()
        self.save.clear()
        if opened:
            opened.close(removeNodes)

    def followParameters(self) -> None:
        """Show heat, comparison and masking as the parameter node says.

        There is none while the module is not shown: results may come then, too.
        """
        parameters = self._around.parameters()
        if not self._open or parameters is None:
            return
        review = self._open.review
        review.showHeat(
            parameters.heatKind.value,
            parameters.heatOpacity,
            parameters.heatThreshold,
            parameters.heatVisible,
        )
        if review.comparison.isVisible != parameters.compareWithModel:
            review.comparison.setVisible(parameters.compareWithModel)
        self.correct.setNeighboursKept(parameters.protectNeighbours)

    def next(self) -> None:
        """Go to the next region."""
        self._do(lambda review: review.next())

    def previous(self) -> None:
        """Go to the region before."""
        self._do(lambda review: review.previous())

    def accept(self) -> None:
        """Leave the current region as it is and go on."""
        self._do(lambda review: review.accept())

    def skip(self) -> None:
        """Put the current region off and go on."""
        self._do(lambda review: review.skip())

    def toggleFlag(self) -> None:
        """Mark the current region for another look, or take that back."""
        self._do(lambda review: review.toggleFlag())

    def autosave(self) -> None:
        """Keep the review on the disk now."""
        if self._open:
            self._open.autosave()

    def saveCase(self) -> None:
        """Save the corrected case as a training sample."""
        self._save(lambda: None)

    def saveAndNext(self) -> None:
        """Save the corrected case and go on with the worklist."""
        self._save(self._around.onSaved)

    def export(self, exportFormat: str) -> None:
        """Write the labels as they are now into a folder that the user chooses."""
        from musclefm.exchange.formats import FORMATS
        from MuscleFMSegmentLib.review.case_export import dicomFileOf, exportArguments

        opened = self._open
        if not opened:
            return
        folder = qt.QFileDialog.getExistingDirectory(
            self.save.form, _("Folder for the exported files")
        )
        image: Path | None = None
        needsSource = FORMATS[exportFormat].needs_source
        if folder and needsSource:
            image = dicomFileOf(opened.review.case.volumeNode)
            if image is None:
                chosen = qt.QFileDialog.getExistingDirectory(
                    self.save.form, _("Folder of the DICOM series that was segmented")
                )
                image = Path(chosen) if chosen else None
        if not folder or (needsSource and image is None):
            return
        opened.autosave()
        self._around.background.wait()
        arguments = exportArguments(opened.folder.results, exportFormat, Path(folder), image)
        self.save.ui.savedLabel.text = _("Exporting…")
        self._around.exporter.ask(arguments, self._onExported, self._onExportFailed)

    def onQueueChanged(self) -> None:
        """Show the queue."""
        if self._open:
            review = self._open.review
            self.review.show(review.queue)
            current = review.queue.current
            if current is not None:
                self.uncertainty.plot.setCurrent(review.shownSlice)
            self._showSaved()

    def onMeasured(self) -> None:
        """Show volumes and fat fractions."""
        if self._open:
            self.muscles.showMeasures(self._open.review.measures)
            self._showSaved()

    def onCaseLost(self) -> None:
        """Keep what is there of a case whose nodes are gone."""
        self.close(removeNodes=not slicer.mrmlScene.IsClosing())
        self._around.onLost()

    def onFailed(self, error: Exception) -> None:
        """Say what went wrong beside."""
        self._around.messages.showError(error)

    def _do(self, act: Callable[[CaseReview], None]) -> None:
        if self._open:
            with self._around.messages.shown():
                act(self._open.review)

    def _save(self, afterwards: Callable[[], None]) -> None:
        if self._open and not self._isSaving:
            with self._around.messages.shown():
                self._store(self._open, afterwards)

    def _store(self, opened: OpenCase, afterwards: Callable[[], None]) -> None:
        from MuscleFMSegmentLib.review.correction_saving import Correction

        review = opened.review
        review.settleEdits()
        review.noteTime()
        extent = self._around.parameters().reviewedExtent.value
        correction = Correction.of(review.case, review.sidedVolume(), extent)
        revision = review.revision

        def saved(sample: str) -> None:
            self._isSaving = False
            if review.revision == revision:
                review.noteStored(sample)
                opened.autosave()
            self._showSaved()
            if self._open is opened:
                afterwards()

        def failed(error: Exception) -> None:
            self._isSaving = False
            self._showSaved()
            self._around.messages.showError(error)

        self._isSaving = True
        self.save.showSaving()
        self._around.background.run(lambda: correction.store(opened.folder.input), saved, failed)

    def _showSaved(self) -> None:
        if self._open and not self._isSaving:
            review = self._open.review
            left = sum(entry.status in ("to do", "skipped") for entry in review.queue.entries)
            self.save.show(review.storedSample is not None, left)

    def _onExported(self, output: str) -> None:
        self._showSaved()
        self.save.ui.savedLabel.text = _("Exported.")

    def _onExportFailed(self, error: Exception) -> None:
        self._showSaved()
        self._around.messages.showError(error)
