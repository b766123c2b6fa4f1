"""What the reader sees and turns: heat, muscles, the leg, the queue, the comparison."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from playing import clickRow, rowOf, settle, sidedLabels

from musclefm.review.leg_profile import PROFILE_TITLE

VIEWS = ("Red", "Yellow", "Green")


def foregrounds() -> list[tuple[str | None, float]]:
    layout = slicer.app.layoutManager()
    nodes = [layout.sliceWidget(name).mrmlSliceCompositeNode() for name in VIEWS]
    return [(node.GetForegroundVolumeID(), round(node.GetForegroundOpacity(), 2)) for node in nodes]


def centreOf(view: str) -> np.ndarray:
    matrix = slicer.app.layoutManager().sliceWidget(view).mrmlSliceNode().GetSliceToRAS()
    return np.array([matrix.GetElement(row, 3) for row in range(3)])


def voxelAt(case: Any, view: str) -> tuple[int, int, int]:
    """Return ``(i, j, k)`` of the voxel in the middle of a view."""
    ijk = np.linalg.inv(case.grid.ijk_to_ras) @ [*centreOf(view), 1.0]
    i, j, k = np.rint(ijk[:3]).astype(int).tolist()
    return i, j, k


def test_heat_is_switched_by_key_and_box_and_follows_its_sliders(opened: Any, session: Any) -> None:
    ui, box = opened.control.uncertainty.ui, opened.control.review.ui.heatCheckBox
    case = opened.control.openCase.review.case
    total = case.heatmapNodes["total"].GetID()
    assert foregrounds() == [(total, 0.6)] * 3
    session.keys("u")
    assert not box.checked
    assert all(volume != total for volume, _opacity in foregrounds())
    session.click(box)
    assert foregrounds() == [(total, 0.6)] * 3
    opened.control.review.ui.opacitySlider.value = 0.3
    ui.thresholdSlider.value = 0.4
    session.process()
    assert foregrounds() == [(total, 0.3)] * 3
    display = case.heatmapNodes["total"].GetDisplayNode()
    assert display.GetLowerThreshold() == pytest.approx(0.4)
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 1.0)
    ui.kindSelector.setCurrentIndex(2)
    session.process()
    assert foregrounds() == [(case.heatmapNodes["epistemic"].GetID(), 0.3)] * 3


def test_a_click_on_a_muscle_goes_there_and_selects_it(opened: Any, session: Any) -> None:
    table = opened.control.muscles.ui.muscleTable
    review = opened.control.openCase.review
    case = review.case
    row = next(row for row, muscle in enumerate(case.muscles) if muscle.volume_ml > 5)
    rectangle = table.visualItemRect(table.item(row, 0))
    session.click(table.viewport(), rectangle.center().x(), rectangle.center().y())
    muscle = case.muscles[row]
    segment = review.editing.editorNode.GetSelectedSegmentID()
    assert segment.startswith(muscle.side) and muscle.name.replace(" ", "_") in segment
    value = muscle.label_id + (len(case.scheme.labels) if muscle.side == "left" else 0)
    areas = (sidedLabels(opened) == value).sum(axis=(1, 2))
    assert areas[voxelAt(case, "Red")[2]] == areas.max()


def test_a_click_on_the_plot_goes_to_the_slice(opened: Any, session: Any) -> None:
    plot = opened.control.uncertainty.plot
    case = opened.control.openCase.review.case
    count = case.grid.shape[0]
    assert [bar.index for bar in plot._bars] == list(range(count))
    for bar in (0, count - 1):
        x = 34 + (bar + 0.5) * (plot.width - 40) / count
        session.click(plot, round(x), 40)
        assert voxelAt(case, "Red")[2] == bar and plot._current == bar


def test_the_plot_shows_what_the_report_shows(opened: Any, session: Any, results: Path) -> None:
    report = (results / "report.html").read_text("utf-8")
    shown = re.findall(
        r"<title>Slice (\d+), [^:]*: ([\d.]+) mL uncertain, ([\d.]+) mL of it in regions", report
    )
    import qt

    panel = opened.control.uncertainty
    expected = [
        (str(bar.index), f"{bar.uncertain_ml:.1f}", f"{bar.flagged_ml:.1f}")
        for bar in panel.plot._bars
    ]
    assert shown == expected and len(shown) == opened.control.openCase.review.case.grid.shape[0]
    assert any(float(whole) > float(flagged) > 0 for _index, whole, flagged in shown)
    titles = [label.text for label in panel.form.findChildren(qt.QLabel)]
    assert PROFILE_TITLE in titles and f"<h3>{PROFILE_TITLE}</h3>" in report


def test_a_click_on_a_region_goes_there(opened: Any, session: Any) -> None:
    review = opened.control.openCase.review
    case = review.case
    wanted = review.queue.entries[2].region
    clickRow(opened, session, rowOf(opened, wanted.id))
    assert review.queue.position == 2 and review.queue.current.region is wanted
    areas = (case.regions == wanted.id).sum(axis=(1, 2))
    assert areas[voxelAt(case, "Red")[2]] == areas.max()
    text = opened.control.review.ui.currentLabel.text
    assert text.lower().startswith(f"{wanted.side} {wanted.muscles[0]}")
    assert "Region 3 of " in text and " mL expected wrong" in text


def test_what_is_expected_to_be_wrong_is_a_volume_beside_its_voxels(opened: Any) -> None:
    tree, case = opened.control.review.ui.queueTree, opened.control.openCase.review.case
    for entry in case.queue.entries:
        item = rowOf(opened, entry.region.id)
        volume = entry.region.expected_wrong_voxels * case.grid.voxel_volume_mm3 / 1000
        number, unit = item.text(1).split()
        assert unit == "mL" and float(number) == pytest.approx(volume, abs=0.051)
        assert item.toolTip(1).startswith(f"{entry.region.expected_wrong_voxels:.0f} voxels")
    assert tree.headerItem().text(1) == "Expected\nwrong"
    assert tree.headerItem().text(2) == "Expected\nDice"


def test_buttons_walk_and_show_how_much_is_resolved(opened: Any, session: Any) -> None:
    ui = opened.control.review.ui
    queue = opened.control.openCase.review.queue
    assert not ui.acceptButton.enabled and not ui.previousButton.enabled
    session.click(ui.nextButton)
    session.click(ui.acceptButton)
    session.click(ui.skipButton)
    session.click(ui.previousButton)
    session.click(ui.flagButton)
    first, second, third = queue.entries[:3]
    assert [entry.status for entry in (first, second, third)] == ["accepted", "skipped", "to do"]
    assert second.flagged
    assert rowOf(opened, first.region.id).text(3) == "✓ accepted"
    assert rowOf(opened, second.region.id).text(3) == "⚑ – skipped"
    assert ui.shareBar.value == int(100 * queue.share_done) > 0


def test_the_models_outlines_come_and_go(opened: Any, session: Any) -> None:
    review = opened.control.openCase.review
    box = opened.control.correct.ui.compareCheckBox
    session.click(box)
    assert review.display.comparison.isVisible
    session.click(box)
    assert not review.display.comparison.isVisible


def test_protection_is_the_editors_masking(opened: Any, session: Any) -> None:
    review = opened.control.openCase.review
    assert review.editing.neighboursKept
    session.click(opened.control.correct.ui.protectCheckBox)
    assert not review.editing.neighboursKept


def test_settings_go_with_the_scene(opened: Any, session: Any) -> None:
    opened.control.review.ui.opacitySlider.value = 0.35
    session.process()
    parameters = slicer.modules.MuscleFMSegmentWidget.logic.getParameterNode()
    assert parameters.heatOpacity == pytest.approx(0.35)
    parameters.heatOpacity = 0.8
    session.process()
    assert opened.control.review.ui.opacitySlider.value == pytest.approx(0.8)


def test_the_table_follows_an_edit_that_a_script_made(opened: Any, session: Any) -> None:
    from MuscleFMSegmentLib.scene.labels import applySidedLabels

    review = opened.control.openCase.review
    case = review.case
    labels = sidedLabels(opened)
    labels[labels == 3] = 0
    applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, labels)
    settle(opened, session)
    table = opened.control.muscles.ui.muscleTable
    row = next(
        row
        for row, muscle in enumerate(case.muscles)
        if (muscle.side, muscle.label_id) == ("right", 3)
    )
    assert table.item(row, 1).text() == "0.0" and table.item(row, 2).text() == "–"


def test_the_card_and_the_devices_are_reported_with_the_time_on_a_cpu(
    module: Any, session: Any, water: Any
) -> None:
    ui = module.segment.ui
    ui.inputSelector.setCurrentNode(water)
    session.waitFor(lambda: module.segment.hasInventory)
    for text in ("Apache-2.0", "rectus femoris", "Research only"):
        assert text in ui.cardLabel.text
    assert ui.deviceSelector.itemText(0).startswith("Automatic: ")
    ui.deviceSelector.setCurrentIndex(ui.deviceSelector.findData("cpu"))
    ui.deviceSelector.activated.emit(ui.deviceSelector.currentIndex)
    session.waitFor(lambda: "Expect" in ui.deviceLabel.text)
