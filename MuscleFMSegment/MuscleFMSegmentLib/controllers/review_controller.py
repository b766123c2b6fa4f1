"""The review as the panels show it: what is open, what is pressed, what is saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import slicer

from MuscleFMSegmentLib.controllers.save_controller import SaveController
from MuscleFMSegmentLib.controllers.second_opinion_controller import SecondOpinionController
from MuscleFMSegmentLib.process.background import Background
from MuscleFMSegmentLib.process.library_runner import LibraryRunner
from MuscleFMSegmentLib.review.opening import CaseToOpen, Opening
from MuscleFMSegmentLib.widgets.correct_panel import CorrectPanel
from MuscleFMSegmentLib.widgets.message_area import MessageArea
from MuscleFMSegmentLib.widgets.muscles_panel import MusclesPanel
from MuscleFMSegmentLib.widgets.review_panel import ReviewPanel
from MuscleFMSegmentLib.widgets.uncertainty_panel import UncertaintyPanel

if TYPE_CHECKING:
    from MuscleFMSegmentLib.parameter_node import MuscleFMSegmentParameterNode
    from MuscleFMSegmentLib.review.case_review import CaseReview
    from MuscleFMSegmentLib.review.open_case import OpenCase
    from MuscleFMSegmentLib.review.review_folders import ReviewFolder
    from MuscleFMSegmentLib.review.stored_case import StoredCase
    from MuscleFMSegmentLib.scene.watching import CaseFault


@dataclass(frozen=True)
class ReviewContext:
    """What the controller works with.

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
        Called when a case is shown, was lost, or was saved by Save and next case.
    onStep : callable
        Called when the step of the work may have changed.
    """

    messages: MessageArea
    background: Background
    exporter: LibraryRunner
    makeTimer: Callable[[], Any]
    parameters: Callable[[], MuscleFMSegmentParameterNode | None]
    onOpened: Callable[[], None]
    onLost: Callable[[], None]
    onSaved: Callable[[], None]
    onStep: Callable[[], None]


class ReviewController:
    """One case at a time, from its results to its save."""

    def __init__(self, context: ReviewContext) -> None:
        self._context = context
        self._open: OpenCase | None = None
        self.opening = Opening(
            context.background,
            context.makeTimer(),
            lambda: self._open,
            self._show,
            context.messages.showError,
        )
        self.review = ReviewPanel(
            onPrevious=self.previous,
            onNext=self.next,
            onAccept=self.accept,
            onSkip=self.skip,
            onFlag=self.toggleFlag,
            onRegion=lambda regionId: self._do(lambda review: review.goTo(regionId)),
            onMuscle=lambda muscle: self._do(lambda review: review.goToMuscle(*muscle)),
        )
        self.opinion = SecondOpinionController(
            self.review.ui, context.messages, context.background, lambda: self._open
        )
        self.correct = CorrectPanel(self.carry, self._showSelected)
        self.uncertainty = UncertaintyPanel(
            lambda index: self._do(lambda review: review.goToSlice(index))
        )
        self.saving = SaveController(
            context.messages,
            context.background,
            context.exporter,
            context.parameters,
            lambda: self._open,
            context.onSaved,
            context.onStep,
        )
        self.muscles = MusclesPanel(
            lambda side, label: self._do(lambda review: review.goToMuscle(side, label)),
            self.saving.exporter.exportTable,
            lambda isShown: self._do(lambda review: review.show3d(isShown)),
        )

    @property
    def openCase(self) -> OpenCase | None:
        """The case that is open."""
        return self._open

    @property
    def isOpening(self) -> bool:
        """Whether a case is on its way from the disk."""
        return self.opening.isBusy

    def open(
        self,
        folder: ReviewFolder,
        volumeNode: slicer.vtkMRMLScalarVolumeNode,
        ownsVolume: bool = False,
        onFailed: Callable[[], None] = lambda: None,
    ) -> None:
        """Show a case in place of the one before, which stays until this one is read.

        What goes wrong is shown; the case before then stays.

        Parameters
        ----------
        folder, volumeNode, ownsVolume, onFailed
            As in :class:`MuscleFMSegmentLib.review.opening.CaseToOpen`.
        """
        self.opening.begin(CaseToOpen(folder, volumeNode, ownsVolume, onFailed))

    def _show(self, wanted: CaseToOpen, stored: StoredCase) -> Iterator[None]:
        from MuscleFMSegmentLib.review.open_case import OpenCase

        context = self._context
        place = (wanted.folder, stored, wanted.volumeNode, wanted.ownsVolume)
        opened = OpenCase(*place, context.background, context.makeTimer, self)
        self._clear()
        self._open = opened
        review = opened.review
        for act in (
            lambda: self._fill(opened),
            self.followParameters,
            review.display.begin,
            review.begin,
            opened.autosave,
            context.onOpened,
        ):
            yield
            # Closed or lost since the last step.
            if self._open is not opened:
                return
            act()

    def _fill(self, opened: OpenCase) -> None:
        """Show a case in the panels."""
        self.correct.show(opened.review.editing)
        self.uncertainty.show(opened.legProfile)
        self.muscles.show(opened.review.case.muscles)
        self.saving.begin(opened)

    def close(self, removeNodes: bool = True) -> None:
        """Close the case; what is not saved is kept on the disk."""
        self.opening.cancel()
        self._clear(removeNodes)

    def _clear(self, removeNodes: bool = True) -> None:
        opened, self._open = self._open, None
        self.correct.clear()
        self.review.clear()
        self.uncertainty.clear()
        self.muscles.clear()
        self.saving.panel.clear()
        if opened:
            opened.close(removeNodes)

    def followParameters(self) -> None:
        """Show heat, comparison and masking as the parameter node has them.

        There is none while the module is not shown: results may come then, too.
        """
        parameters = self._context.parameters()
        if not self._open or parameters is None:
            return
        review = self._open.review
        review.display.follow(parameters)
        self.correct.setNeighboursKept(parameters.protectNeighbours)
        self.saving.showVerified()

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

    def carry(self) -> None:
        """Show the selected muscle's proposed outline in the slices between, or take it."""

        def carry(review: CaseReview) -> None:
            review.labels.requireSound()
            review.carrying.carry(self.correct.editor.saveStateForUndo)

        self._do(carry)

    def peek(self, isPeeking: bool) -> None:
        """Show the image without uncertainty and region line, or with them again."""
        self._do(lambda review: review.display.peek(isPeeking))
        if not isPeeking:
            self.followParameters()

    def autosave(self) -> None:
        """Keep the review on the disk now."""
        if self._open:
            self._open.autosave()

    def onQueueChanged(self) -> None:
        """Show the queue."""
        from musclefm.review.muscle_queue import muscles_of_queue

        if self._open:
            review, case = self._open.review, self._open.review.case
            self.review.show(
                review.queue,
                muscles_of_queue(review.queue.entries, case.muscles, case.scheme),
                case.colours,
            )
            self.opinion.show()
            self._showSelected()
            if review.queue.current is not None:
                self.uncertainty.plot.setCurrent(review.shownSlice)
            self.saving.show()
            self._context.onStep()

    def onMeasured(self) -> None:
        """Show volumes and fat fractions."""
        if self._open:
            review = self._open.review
            self.muscles.showMeasures(review.measures)
            if not review.case.hasSurfaces:
                # Labels that were replaced as a whole leave no surfaces.
                self.muscles.ui.show3dButton.setChecked(False)
            self.saving.show()
            self._context.onStep()

    def onVisited(self) -> None:
        """Show what would be verified."""
        self.saving.showVerified()

    def onProposed(self, isProposed: bool) -> None:
        """Show what the button does now."""
        self.correct.showProposal(isProposed)

    def onCaseLost(self) -> None:
        """Keep what is there of a case whose nodes are gone."""
        self._clear(removeNodes=not slicer.mrmlScene.IsClosing())
        self._context.onLost()

    def onFault(self, fault: CaseFault | None) -> None:
        """Say what the user has to put right; while image and labels lie apart, edit nothing."""
        self.correct.setPaused(fault is not None and fault.isMoved)
        if fault is None or self._open is None:
            self._context.messages.clear()
        else:
            self._context.messages.showError(fault)

    def onFailed(self, error: Exception) -> None:
        """Show what went wrong in the background."""
        self._context.messages.showError(error)

    def _showSelected(self) -> None:
        """Let the list, and what else is shown, follow the muscle that is selected for editing."""
        if self._open is None:
            return
        editing, current = self._open.review.editing, self._open.review.queue.current
        self.review.select(editing.selectedMuscle, current.region.id if current else None)
        self.correct.showAlone(editing)

    def _do(self, act: Callable[[CaseReview], None]) -> None:
        if self._open:
            with self._context.messages.shown():
                act(self._open.review)
