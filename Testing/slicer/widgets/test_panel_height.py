"""Review and Correct on one screen, and the sections in the order of the work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playing import chooseVerified, openResults, settle

# What Slicer leaves to a module's panel of a window 1000 pixels high: its menu, toolbars,
# logo, help, data probe and status bar take the rest.
PANEL_HEIGHT = 800
PANEL_WIDTH = 490
ORDER = ("segment", "review", "correct", "save", "learn", "worklist", "muscles", "uncertainty")


@pytest.fixture
def viewport(opened: Any, session: Any) -> Iterator[Any]:
    """Return what is seen of the panel, as high as in Slicer."""
    import slicer

    (area,) = slicer.util.findChildren(session.window, name="PanelModule")
    before = session.window.size
    session.window.resize(1600, 1000)
    session.process()
    session.window.resize(1600, 1000 - area.viewport().height + PANEL_HEIGHT)
    session.process(50)
    yield area.viewport()
    session.window.resize(before)
    session.process()


def folded(module: Any) -> set[str]:
    return {name for name in ORDER if getattr(module.ui, f"{name}Section").collapsed}


def bottom(widget: Any, viewport: Any) -> int:
    return widget.mapTo(viewport, widget.rect.bottomLeft()).y()


def test_review_and_correct_are_seen_without_scrolling(
    opened: Any, session: Any, viewport: Any
) -> None:
    assert viewport.height == PANEL_HEIGHT
    session.keys("n")
    ui, tree = opened.ui, opened.control.review.ui.queueTree
    rowHeight = tree.visualItemRect(tree.currentItem()).height()
    for effect, rowCount in (("", 10), ("Paint", 9)):
        opened.control.correct.editor.setActiveEffectByName(effect)
        session.process(50)
        assert bottom(ui.correctSection, viewport) < PANEL_HEIGHT
        assert ui.researchLabel.mapTo(viewport, ui.researchLabel.rect.topLeft()).y() >= 0
        assert tree.viewport().height >= rowCount * rowHeight
    assert opened.form.minimumSizeHint().width() <= PANEL_WIDTH
    assert tree.horizontalScrollBar().maximum == 0
    for column in range(1, tree.columnCount):
        assert tree.columnWidth(column) > 30
    session.keys("k")
    session.keys("Shift+N")
    shown = tree.fontMetrics().horizontalAdvance(tree.currentItem().text(3))
    assert tree.currentItem().text(3) == "✓ accepted" and tree.columnWidth(3) > shown
    longest = max(
        tree.fontMetrics().horizontalAdvance(tree.topLevelItem(n).text(0))
        for n in range(tree.topLevelItemCount)
    )
    assert tree.columnWidth(0) > 40 + longest, "names of muscles are read in full"


def test_the_sections_are_in_the_order_of_the_work(opened: Any) -> None:
    places = [getattr(opened.ui, f"{name}Section").y for name in ORDER]
    assert places == sorted(places)


def test_a_step_that_is_done_folds_and_the_next_one_unfolds(
    module: Any, session: Any, water: Any, results: Any
) -> None:
    rest = {"learn", "worklist", "muscles", "uncertainty"}
    assert folded(module) == {"review", "correct", "save"} | rest
    openResults(module, session, water, results)
    assert folded(module) == {"segment", "save"} | rest
    # What the reader unfolds stays.
    module.ui.musclesSection.collapsed = False
    session.keys("n")
    review = module.control.openCase.review
    while review.queue.to_do_count:
        session.keys("k")
    assert folded(module) == {"segment"} | rest - {"muscles"}
    chooseVerified(module, "whole case")
    session.click(module.control.saving.panel.ui.saveButton)
    settle(module, session)
    assert folded(module) == {"segment", "review", "correct"} | rest - {"muscles"}
    session.keys("m")
    assert folded(module) == {"segment"} | rest - {"muscles"}
    module.control.close()
    module.sections.follow()
    assert folded(module) == {"review", "correct", "save"} | rest
