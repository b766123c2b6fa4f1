"""What a widget observes of the scene; it ends with the widget, as in C++."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6 import QtCore


class Observations:
    """Observers that are taken off when their owner is destroyed."""

    def __init__(self, owner: QtCore.QObject) -> None:
        self._tags: list[tuple[Any, int]] = []
        tags = self._tags
        owner.destroyed.connect(lambda: _takeOff(tags))

    def add(
        self, source: Any, event: Any, function: Callable[..., None], priority: float = 0.0
    ) -> int:
        """Observe an event of a VTK object; return the observer's tag."""
        tag = source.AddObserver(event, function, priority)
        self._tags.append((source, tag))
        return tag

    def clear(self) -> None:
        """Observe nothing more."""
        _takeOff(self._tags)


def _takeOff(tags: list[tuple[Any, int]]) -> None:
    for source, tag in tags:
        source.RemoveObserver(tag)
    tags.clear()
