"""The module's keys, there only while the module is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import qt

if TYPE_CHECKING:
    from MuscleFMSegmentLib.controllers.review_controller import ReviewController


class Shortcuts:
    """Keys of the whole window.

    Parameters
    ----------
    window : qt.QWidget
        Slicer's main window.
    acts : mapping
        What each key does, e.g. ``{"n": …, "Shift+n": …}``.
    onlyIfUnassigned : collection of str
        Keys that are left to whoever has them already.
    """

    def __init__(
        self,
        window: Any,
        acts: Mapping[str, Callable[[], None]],
        onlyIfUnassigned: frozenset[str] = frozenset(),
    ) -> None:
        self._window = window
        self._acts = acts
        self._onlyIfUnassigned = onlyIfUnassigned
        self._shortcuts: list[Any] = []

    def install(self) -> None:
        """Listen to the keys."""
        if self._shortcuts:
            return
        taken = self._takenKeys() if self._onlyIfUnassigned else set()
        for key, act in self._acts.items():
            sequence = qt.QKeySequence(key)
            if key in self._onlyIfUnassigned and sequence.toString() in taken:
                continue
            shortcut = qt.QShortcut(sequence, self._window)
            shortcut.setAutoRepeat(False)
            shortcut.connect("activated()", act)
            self._shortcuts.append(shortcut)

    def remove(self) -> None:
        """Give the keys back."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []

    def _takenKeys(self) -> set[str]:
        actions = self._window.findChildren(qt.QAction)
        shortcuts = self._window.findChildren(qt.QShortcut)
        taken = {action.shortcut.toString() for action in actions}
        return taken | {shortcut.key.toString() for shortcut in shortcuts}


def reviewShortcuts(
    window: Any, review: ReviewController, toggleHeat: Callable[[], None]
) -> Shortcuts:
    """Return the keys of a review, not yet installed."""
    return Shortcuts(
        window,
        {
            "n": review.next,
            "Shift+n": review.previous,
            "a": review.accept,
            "s": review.skip,
            "f": review.toggleFlag,
            "u": toggleHeat,
            "Ctrl+Return": review.saveAndNext,
            "Ctrl+Enter": review.saveAndNext,
        },
        onlyIfUnassigned=frozenset({"s"}),
    )
