"""U held shows the image alone; pressed, it is the switch of the heat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import slicer


@pytest.fixture
def window(opened: Any, session: Any) -> Iterator[Any]:
    """Return the window with a case at its first region."""
    session.keys("n")
    yield session.application.activeWindow().windowHandle()


def press(window: Any, session: Any) -> None:
    from PySide6 import QtCore, QtTest

    QtTest.QTest.keyPress(window, QtCore.Qt.Key.Key_U)
    session.process()


def release(window: Any, session: Any) -> None:
    from PySide6 import QtCore, QtTest

    QtTest.QTest.keyRelease(window, QtCore.Qt.Key.Key_U)
    session.process()


def shown(module: Any) -> tuple[bool, bool]:
    """Return whether the heat and the line around the region are shown."""
    heat = module.control.openCase.review.display.heatmap.isVisible
    node = slicer.mrmlScene.GetFirstNodeByName("Region to check")
    return heat, bool(node.GetDisplayVisibility())


def test_held_it_hides_heat_and_line_until_it_is_released(
    opened: Any, session: Any, window: Any
) -> None:
    box = opened.control.review.ui.heatCheckBox
    assert shown(opened) == (True, True)
    press(window, session)
    assert shown(opened) == (False, False) and box.checked
    session.process(400)
    release(window, session)
    assert shown(opened) == (True, True) and box.checked


def test_pressed_it_is_the_switch(
    opened: Any, session: Any, window: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = "MuscleFMSegmentLib.controllers.peek._LONGEST_PRESS_S"
    box = opened.control.review.ui.heatCheckBox
    # However busy the machine is, this is a moment, and the next is none.
    monkeypatch.setattr(limit, 60.0)
    session.keys("u")
    assert shown(opened) == (False, True) and not box.checked
    monkeypatch.setattr(limit, 0.0)
    press(window, session)
    release(window, session)
    assert shown(opened) == (False, True) and not box.checked
    monkeypatch.setattr(limit, 60.0)
    session.keys("u")
    assert shown(opened) == (True, True) and box.checked


def test_a_key_that_is_held_while_the_module_is_left(
    opened: Any, session: Any, window: Any
) -> None:
    press(window, session)
    session.process(400)
    session.leaveModule()
    assert shown(opened)[1]
    release(window, session)
    assert opened.control.review.ui.heatCheckBox.checked
