"""Offers to go on with a review that ended without a save."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _


class RecoveryOffer:
    """The strip with the offer.

    Parameters
    ----------
    ui : object
        Has ``recoveryFrame``, ``recoveryLabel``, ``recoverButton`` and ``discardButton``.
    onRecover, onDiscard : callable
        The buttons.
    """

    def __init__(
        self, ui: Any, onRecover: Callable[[], None], onDiscard: Callable[[], None]
    ) -> None:
        self._ui = ui
        ui.recoverButton.connect("clicked()", onRecover)
        ui.discardButton.connect("clicked()", onDiscard)
        self.hide()

    def show(self, savedAt: str, done: int, count: int, more: int) -> None:
        """Offer a review.

        Parameters
        ----------
        savedAt : str
            When it was saved last, for people.
        done, count : int
            Regions that are dealt with, and all of them.
        more : int
            How many other reviews wait.
        """
        text = _("A review of {time} was not finished: {done} of {count} regions done.").format(
            time=savedAt, done=done, count=count
        )
        if more:
            text += " " + _("{more} more wait.").format(more=more)
        self._ui.recoveryLabel.text = text
        self._ui.recoveryFrame.setVisible(True)

    def hide(self) -> None:
        """Offer nothing."""
        self._ui.recoveryFrame.setVisible(False)
