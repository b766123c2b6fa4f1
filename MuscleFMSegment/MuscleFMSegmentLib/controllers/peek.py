"""A look at the image beneath: heat and region line are away while a key is held."""

from __future__ import annotations

import time
from collections.abc import Callable

import qt
import slicer

# Whoever presses the key for longer peeks, and does not want the switch.
_LONGEST_PRESS_S = 0.3


class Peek(qt.QObject):
    """Tells a press of a key from holding it.

    Parameters
    ----------
    key : int
        The key, e.g. ``qt.Qt.Key_U``.
    onPeek : callable
        Given True when the key goes down, and False when it is up again.
    onPress : callable
        Called without arguments after that where the key was pressed for a moment only.
    """

    def __init__(
        self, key: int, onPeek: Callable[[bool], None], onPress: Callable[[], None]
    ) -> None:
        qt.QObject.__init__(self)
        self._key = key
        self._onPeek = onPeek
        self._onPress = onPress
        self._since: float | None = None

    def begin(self) -> None:
        """Note that the key went down."""
        if self._since is None:
            self._since = time.monotonic()
            # Only while the key is held: in Python a filter sees each event of Slicer's.
            slicer.app.installEventFilter(self)
            self._onPeek(True)

    def end(self) -> None:
        """Note that the key is up, or that nobody would hear of it."""
        if self._since is not None:
            slicer.app.removeEventFilter(self)
            isPress = time.monotonic() - self._since < _LONGEST_PRESS_S
            self._since = None
            self._onPeek(False)
            if isPress:
                self._onPress()

    def eventFilter(self, watched: qt.QObject, event: qt.QEvent) -> bool:
        """Hear the key's release; called by Qt."""
        kind = event.type()
        if kind == qt.QEvent.KeyRelease:
            if event.key() == self._key and not event.isAutoRepeat():
                self.end()
        elif kind == qt.QEvent.ApplicationDeactivate:
            self.end()
        return False
