"""The one list: muscles in the order in which they matter, each with its regions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from playing import clickRow, rowOf, settle, sidedLabels
from PySide6 import QtTest

from musclefm.labels.segment_names import segment_id
from musclefm.review.muscle_queue import muscles_of_queue
from musclefm.review.queue import main_muscle

MUSCLE, WRONG, DICE, STATUS = range(4)


def rows(module: Any) -> list[Any]:
    """Return the rows of the muscles."""
    tree = module.control.review.ui.queueTree
    return [tree.topLevelItem(n) for n in range(tree.topLevelItemCount)]


def rowOfMuscle(module: Any, muscle: Any) -> Any:
    return rows(module)[module.control.review._muscles.index(muscle)]


def selectedRow(module: Any) -> str:
    (item,) = module.control.review.ui.queueTree.selectedItems()
    return item.text(MUSCLE)


def selectedSegment(review: Any) -> str:
    return review.editing.editorNode.GetSelectedSegmentID()


def muscleOf(review: Any, region: Any) -> str:
    return segment_id(region.side, review.case.scheme.label(region.label_ids[0]))


@pytest.fixture
def review(opened: Any) -> Any:
    """Return the case under review."""
    return opened.control.openCase.review


def test_all_muscles_are_listed_once_with_their_regions_in_the_order_of_next(
    opened: Any, review: Any
) -> None:
    case = review.case
    expected = muscles_of_queue(review.queue.entries, case.muscles, case.scheme)
    found = rows(opened)
    assert len(found) == len(case.muscles) == len(expected)
    voxel = case.grid.voxel_volume_mm3 / 1000
    for item, muscle in zip(found, expected, strict=True):
        side, _label = muscle.muscle
        assert item.text(MUSCLE) == f"{side.capitalize()} {muscle.name}"
        assert item.childCount() == len(muscle.entries)
        if muscle.entries:
            assert item.text(WRONG) == f"{muscle.expected_wrong_voxels * voxel:.1f} mL"
            assert item.text(STATUS) == f"0 of {len(muscle.entries)}"
        assert float(item.text(DICE)) == pytest.approx(muscle.expected_dice, abs=0.0051)
        colour = case.segmentationNode.GetSegmentation().GetSegment(
            segment_id(side, case.scheme.label(muscle.muscle[1]))
        )
        shown = item.icon(MUSCLE).pixmap(8, 8).toImage().pixelColor(4, 4)
        assert np.allclose(shown.getRgbF()[:3], colour.GetColor(), atol=0.01)
    listed = [float(item.text(WRONG).split()[0]) for item in found if item.childCount()]
    assert listed == sorted(listed, reverse=True)


def test_a_click_on_a_muscle_selects_it_and_leaves_the_region(
    opened: Any, session: Any, review: Any
) -> None:
    session.keys("n")
    first, wanted = review.queue.current.region, None
    for entry in review.queue.entries:
        if main_muscle(entry.region) != main_muscle(first):
            wanted = entry.region
            break
    clickRow(opened, session, rowOfMuscle(opened, main_muscle(wanted)))
    assert selectedSegment(review) == muscleOf(review, wanted)
    assert review.queue.current is None
    ui = opened.control.review.ui
    assert not ui.acceptButton.enabled and not ui.flagButton.enabled
    # A region that is not shown is not accepted.
    session.keys("k")
    assert {entry.status for entry in review.queue.entries} == {"to do"}
    session.keys("n")
    assert review.queue.current.region is wanted
    assert selectedRow(opened).startswith("Slices ")


def test_the_walk_goes_through_the_muscles_and_unfolds_them(
    opened: Any, session: Any, review: Any
) -> None:
    walked = []
    for _entry in review.queue.entries:
        session.keys("n")
        region = review.queue.current.region
        item = opened.control.review.ui.queueTree.currentItem()
        muscle = rowOfMuscle(opened, main_muscle(region))
        assert item is not muscle and item.parent() is muscle and muscle.isExpanded()
        assert sum(row.isExpanded() for row in rows(opened)) == 1
        assert selectedSegment(review) == muscleOf(review, region)
        walked.append(main_muscle(region))
    assert len(set(walked)) == 1 + sum(a != b for a, b in pairwise(walked))
    assert not opened.control.review.ui.nextButton.enabled
    session.keys("Shift+N")
    assert review.queue.position == len(walked) - 2
    clickRow(opened, session, rows(opened)[0])
    session.keys("n")
    assert review.queue.position == 0 and not opened.control.review.ui.previousButton.enabled


def test_a_muscle_shows_how_far_its_regions_are_and_follows_undo(
    opened: Any, session: Any, review: Any
) -> None:
    from MuscleFMSegmentLib.scene.labels import applySidedLabels

    session.keys("n")
    region = review.queue.current.region
    muscle = rowOfMuscle(opened, main_muscle(region))
    count = muscle.childCount()
    session.keys("m")
    assert muscle.text(STATUS) == f"⚑ 0 of {count}"
    session.keys("m")

    case, before = review.case, sidedLabels(opened)
    changed = before.copy()
    changed[(case.regions == region.id) & (before > 0)] = 0
    opened.control.correct.editor.saveStateForUndo()
    applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, changed)
    settle(opened, session)
    assert rowOf(opened, region.id).text(STATUS) == "✎ corrected"
    assert f"1 of {count}" in muscle.text(STATUS)
    session.keys("z")
    settle(opened, session)
    assert rowOf(opened, region.id).text(STATUS) == "to do"
    assert muscle.text(STATUS) == f"0 of {count}"

    for entry in review.queue.entries[:count]:
        clickRow(opened, session, rowOf(opened, entry.region.id))
        session.keys("k")
    assert muscle.text(STATUS) == f"✓ {count} of {count}"


def test_a_row_is_gone_to_by_the_return_key_and_slicers_keys_move_the_selection(
    opened: Any, session: Any, review: Any
) -> None:
    import qt

    tree = opened.control.review.ui.queueTree
    wanted = review.queue.entries[1].region
    tree.setFocus()
    tree.setCurrentItem(rowOf(opened, wanted.id))
    assert review.queue.current is None, "the arrow keys only look"
    QtTest.QTest.keyClick(tree, qt.Qt.Key_Return)
    session.process()
    assert review.queue.current.region is wanted

    before = selectedSegment(review)
    session.keys("w")
    assert selectedSegment(review) != before
    name = review.case.segmentationNode.GetSegmentation().GetSegment(selectedSegment(review))
    assert selectedRow(opened) == name.GetName()
    assert review.queue.current.region is wanted


def test_one_muscle_is_shown_alone_and_the_others_come_back_as_they_were(
    opened: Any, session: Any, review: Any
) -> None:
    node = review.case.segmentationNode
    display = node.GetDisplayNode()

    def shown() -> set[str]:
        ids = node.GetSegmentation().GetSegmentIDs()
        return {segment for segment in ids if display.GetSegmentVisibility(segment)}

    session.keys("n")
    hidden = next(iter(shown() - {selectedSegment(review)}))
    display.SetSegmentVisibility(hidden, False)
    before = shown()
    box = opened.control.correct.ui.aloneCheckBox
    session.click(box)
    assert shown() == {selectedSegment(review)}
    clickRow(opened, session, rows(opened)[-1])
    assert shown() == {selectedSegment(review)}
    session.click(box)
    assert shown() == before and hidden not in before
    session.click(box)
    opened.control.close()
    assert not box.checked


def test_slicers_own_table_of_segments_is_folded_away_and_not_lost(
    opened: Any, session: Any
) -> None:
    import slicer

    editor = opened.control.correct.editor
    (table,) = slicer.util.findChildren(editor, name="SegmentsTableView")
    assert not table.isVisible() and not editor.maskingSectionVisible
    session.click(opened.control.correct.ui.segmentsButton)
    assert table.isVisible() and editor.maskingSectionVisible
    session.click(opened.control.correct.ui.segmentsButton)
    assert not table.isVisible()
