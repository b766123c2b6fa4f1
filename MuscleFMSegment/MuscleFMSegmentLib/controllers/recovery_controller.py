"""Going on with a review that ended without a save."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from MuscleFMSegmentLib.controllers.review_controller import ReviewController
from MuscleFMSegmentLib.widgets.message_area import MessageArea
from MuscleFMSegmentLib.widgets.recovery_offer import RecoveryOffer

if TYPE_CHECKING:
    from MuscleFMSegmentLib.review.interrupted_reviews import InterruptedReview


class RecoveryController:
    """Offers one review after another, latest first.

    Parameters
    ----------
    ui : object
        As for :class:`RecoveryOffer`.
    messages : MessageArea
        Shows what goes wrong.
    control : ReviewController
        Opens a review.
    """

    def __init__(self, ui: Any, messages: MessageArea, control: ReviewController) -> None:
        self._messages = messages
        self._control = control
        self._kept: list[InterruptedReview] = []
        self._offer = RecoveryOffer(ui, self._recover, self._discard)

    def offer(self) -> None:
        """Offer what waits, unless a case is open."""
        from musclefm.storage.user_data import user_data_folder

        self.release()
        root = user_data_folder() / "reviews"
        # Looked at first: most often there is none, and the library takes time to import.
        if self._control.openCase or not any(root.glob("*/results")):
            return
        from MuscleFMSegmentLib.review.interrupted_reviews import findKeptReviews
        from MuscleFMSegmentLib.review.review_folders import ReviewFolders

        self._kept = findKeptReviews(ReviewFolders(root))
        self._show()

    def release(self) -> None:
        """Offer nothing for now; what waits is kept, and other Slicers may have it."""
        for kept in self._kept:
            kept.folder.keep()
        self._kept = []
        self._offer.hide()

    def _show(self) -> None:
        if not self._kept:
            self._offer.hide()
            return
        kept = self._kept[0]
        count = len(kept.session.entries)
        self._offer.show(kept.savedAt, kept.done, count, len(self._kept) - 1)

    def _recover(self) -> None:
        from MuscleFMSegmentLib.review.stored_image import volumeOfImages

        if not self._kept:
            return
        kept = self._kept.pop(0)
        with self._messages.shown():
            try:
                volumeNode, isNew = volumeOfImages(kept.folder.input, _("Recovered MR"))
                self._control.open(kept.folder, volumeNode, ownsVolume=isNew)
            except BaseException:
                kept.folder.keep()
                self._show()
                raise

    def _discard(self) -> None:
        if not self._kept:
            return
        question = _("Delete this review with its segmentation? This cannot be undone.")
        if slicer.util.confirmYesNoDisplay(question):
            self._kept.pop(0).folder.remove()
            self._show()
