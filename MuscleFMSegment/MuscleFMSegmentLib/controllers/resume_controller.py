"""Offers to resume a review that ended without a save."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from MuscleFMSegmentLib.controllers.review_controller import ReviewController
from MuscleFMSegmentLib.widgets.message_area import MessageArea

if TYPE_CHECKING:
    from MuscleFMSegmentLib.review.review_folders import InterruptedReview


class ResumeController:
    """Offers one review after another, latest first, in a strip of the panel.

    Parameters
    ----------
    ui : object
        Has ``resumeFrame``, ``resumeLabel``, ``resumeButton`` and ``discardButton``.
    messages : MessageArea
        Shows what goes wrong.
    control : ReviewController
        Opens a review.
    """

    def __init__(self, ui: Any, messages: MessageArea, control: ReviewController) -> None:
        self._ui = ui
        self._messages = messages
        self._control = control
        self._interrupted: list[InterruptedReview] = []
        ui.resumeButton.connect("clicked()", self._resume)
        ui.discardButton.connect("clicked()", self._discard)
        self._show()

    def offer(self) -> None:
        """Offer what was interrupted, unless a case is open."""
        from musclefm.storage.user_data import user_data_folder

        self.release()
        root = user_data_folder() / "reviews"
        # Looked at first: most often there is none, and the library takes time to import.
        if self._control.openCase or not any(root.glob("*/results")):
            return
        from MuscleFMSegmentLib.review.review_folders import ReviewFolders

        self._interrupted = ReviewFolders(root).interrupted()
        self._show()

    def release(self) -> None:
        """Offer nothing for now; what was interrupted stays, and other Slicers may resume it."""
        for review in self._interrupted:
            review.folder.release()
        self._interrupted = []
        self._show()

    def _show(self) -> None:
        self._ui.resumeFrame.setVisible(bool(self._interrupted))
        if not self._interrupted:
            return
        review, *more = self._interrupted
        text = _("A review of {time} was not finished: {done} of {count} regions done.").format(
            time=review.savedAt, done=review.done, count=len(review.session.entries)
        )
        if more:
            text += " " + _("{count} more can be resumed.").format(count=len(more))
        self._ui.resumeLabel.text = text

    def _resume(self) -> None:
        if not self._interrupted:
            return
        review = self._interrupted.pop(0)
        self._show()
        with self._messages.shown():
            self._control.opening.beginStored(review.folder, _("Resumed MR"))

    def _discard(self) -> None:
        if not self._interrupted:
            return
        question = _("Delete this review with its segmentation? This cannot be undone.")
        if slicer.util.confirmYesNoDisplay(question):
            self._interrupted.pop(0).folder.remove()
            self._show()
