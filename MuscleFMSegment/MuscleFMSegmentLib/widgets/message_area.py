"""One line with what went wrong and what to do, in the module and not in a pop-up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from musclefm.plain_text import printable


class MessageArea:
    """Shows the latest message until it is dismissed or outdated.

    Parameters
    ----------
    ui : object
        Has ``messageFrame``, ``messageLabel``, ``messageActionButton`` and
        ``dismissMessageButton``.
    """

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._action: Callable[[], None] | None = None
        ui.dismissMessageButton.connect("clicked()", self.clear)
        ui.messageActionButton.connect("clicked()", self._act)
        self.clear()

    @property
    def text(self) -> str:
        """What is shown, empty where nothing is."""
        return str(self._ui.messageLabel.text)

    def show(self, text: str, action: str = "", act: Callable[[], None] | None = None) -> None:
        """Show a message in place of the one before.

        Parameters
        ----------
        text : str
            One line.
        action : str
            On a button beside it; without, there is no button.
        act : callable, optional
            What the button does.
        """
        self._action = act
        text = printable(text)
        first, _space, _rest = text.partition(" ")
        # The name of a file keeps its case.
        self._ui.messageLabel.text = text[:1].upper() + text[1:] if first.isalpha() else text
        self._ui.messageActionButton.text = action
        self._ui.messageActionButton.setVisible(bool(action))
        self._ui.messageFrame.setVisible(True)

    def clear(self) -> None:
        """Show nothing."""
        self._action = None
        self._ui.messageLabel.text = ""
        self._ui.messageFrame.setVisible(False)

    def showError(self, error: Exception) -> None:
        """Show what went wrong: the line of an error that the user can fix, else where to look.

        An error's ``action``, if it has one, is the text of a button and what that does.
        """
        if isinstance(error, MuscleFMError):
            self.show(str(error), *getattr(error, "action", ()))
            return
        logging.error("MuscleFMSegment", exc_info=error)
        self.show(
            _("something unexpected went wrong ({kind}): see the Python console").format(
                kind=type(error).__name__
            )
        )

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show an exception instead of raising it."""
        try:
            yield
        except Exception as error:
            self.showError(error)

    def _act(self) -> None:
        act = self._action
        self.clear()
        if act:
            act()
