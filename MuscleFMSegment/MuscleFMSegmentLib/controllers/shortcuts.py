"""The module's keys, there only while the module is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

if TYPE_CHECKING:
    from MuscleFMSegmentLib.controllers.review_controller import ReviewController


@dataclass(frozen=True)
class Key:
    """What one key does.

    Attributes
    ----------
    sequences : tuple of str
        The keys, e.g. ``("Ctrl+Return", "Ctrl+Enter")``; the first one is shown.
    title : str
        What it does, for the table of keys.
    act : callable
        Does it.
    onlyIfUnassigned : bool
        Whether it is left to whoever has it already.
    """

    sequences: tuple[str, ...]
    title: str
    act: Callable[[], None]
    onlyIfUnassigned: bool = False


class Shortcuts:
    """Keys of the whole window.

    Parameters
    ----------
    window : qt.QWidget
        Slicer's main window.
    keys : sequence of Key
        The keys.
    """

    def __init__(self, window: Any, keys: Sequence[Key]) -> None:
        self._window = window
        self._keys = keys
        self._shortcuts: list[Any] = []

    def install(self) -> None:
        """Listen to the keys."""
        if self._shortcuts:
            return
        taken = self._takenKeys()
        for key in self._keys:
            for text in key.sequences:
                sequence = qt.QKeySequence(text)
                if key.onlyIfUnassigned and sequence.toString() in taken:
                    continue
                shortcut = qt.QShortcut(sequence, self._window)
                shortcut.setAutoRepeat(False)
                shortcut.connect("activated()", key.act)
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


def reviewKeys(review: ReviewController, pressHeat: Callable[[], None]) -> tuple[Key, ...]:
    """Return the keys of a review.

    None is a key of Slicer's slice views, Segment Editor or effects, which hear it too:
    the Draw effect applies its polygon with A, and F is the next slice.
    """
    return (
        Key(("N",), _("Next region"), review.next),
        Key(("Shift+N",), _("Previous region"), review.previous),
        Key(("K",), _("Accept: the region is right as it is"), review.accept),
        Key(("S",), _("Skip: come back to the region later"), review.skip, onlyIfUnassigned=True),
        Key(("M",), _("Flag the region for another look, or not"), review.toggleFlag),
        Key(("C",), _("Carry the muscle to the slices between; again: take it"), review.carry),
        Key(("U",), _("Show or hide the heatmap; held: see the image alone"), pressHeat),
        Key(
            ("Ctrl+Enter", "Ctrl+Return"),
            _("Save, and open the next case"),
            review.saving.saveAndNext,
        ),
    )
