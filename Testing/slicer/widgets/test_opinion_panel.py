"""A second opinion in the panel: chosen, ranked, kept over a restart, taken away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from playing import MODULE, rowOf, settle

from musclefm.labels.segment_names import segment_id
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume


@pytest.fixture
def other(opened: Any) -> tuple[np.ndarray, int]:
    """Return the model's labels without most of the largest muscle, and that muscle's value."""
    labels = opened.control.openCase.review.case.modelLabels.copy()
    value = int(np.bincount(labels[labels > 0]).argmax())
    labels[1:][labels[1:] == value] = 0
    return labels, value


def disagreeing(module: Any) -> list[Any]:
    entries = module.control.openCase.review.queue.entries
    return [entry for entry in entries if entry.region.disagrees]


def outlines() -> list[Any]:
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    return [node for node in nodes if node.GetName() == "Second opinion"]


def shown(node: Any, scheme: Any) -> set[int]:
    """Return the sided values of the muscles that are outlined."""
    display = node.GetDisplayNode()
    return {
        value
        for value, (side, label) in scheme.labels_of_sides().items()
        if display.GetSegmentVisibility(segment_id(side, label))
    }


def test_a_segmentation_of_the_scene_joins_the_queue_and_stays(
    opened: Any, session: Any, other: tuple[np.ndarray, int]
) -> None:
    from MuscleFMSegmentLib.scene.geometry import orientedImage
    from MuscleFMSegmentLib.scene.labels import addMuscles

    ui, review = opened.control.review.ui, opened.control.openCase.review
    case, (labels, value) = review.case, other
    assert not ui.opinionFrame.visible
    session.keys("n")
    session.keys("k")
    accepted = next(x.region.id for x in review.queue.entries if x.status == "accepted")
    before = len(review.queue.entries)
    node = slicer.vtkMRMLSegmentationNode()
    node.SetName("Another program")
    layer = orientedImage(labels, case.grid.ijk_to_ras)
    addMuscles(node.GetSegmentation(), case.scheme, ("left", "right"), layer)
    slicer.mrmlScene.AddNode(node)

    session.click(ui.opinionButton)
    ui.opinionSelector.setCurrentNode(node)
    session.click(ui.opinionCompareButton)
    settle(opened, session)
    assert not opened.messages.text
    side, label = case.scheme.labels_of_sides()[value]
    found = disagreeing(opened)
    new = [x.region for x in found if x.region.id > before]
    assert any((x.side, x.label_ids[0]) == (side, label.id) for x in new), "it was not flagged"
    assert {x.region.id: x.status for x in review.queue.entries}[accepted] == "accepted"
    row = rowOf(opened, new[0].id)
    assert "disagrees" in row.text(0) and "second opinion" in row.toolTip(0)
    assert f"in {len(found)} regions" in ui.opinionLabel.text and len(outlines()) == 1
    opened.control.review._onRegion(new[0].id)
    settle(opened, session)
    assert "disagrees with the second opinion" in ui.currentLabel.text
    assert value in shown(outlines()[0], case.scheme) <= set(case.musclesOf(new[0]))
    assert (case.regions == new[0].id).sum() == new[0].voxels

    # As after a crash: the scene is gone, the review is not.
    queue = [(x.region, x.status) for x in review.queue.entries]
    session.closeScene()
    settle(opened, session)
    session.click(opened.ui.resumeButton)
    settle(opened, session)
    again = opened.control.openCase.review
    assert [(x.region, x.status) for x in again.queue.entries] == queue
    assert len(outlines()) == 1
    assert ui.opinionFrame.visible and f"in {len(found)} regions" in ui.opinionLabel.text

    session.click(ui.opinionRemoveButton)
    settle(opened, session)
    assert not disagreeing(opened) and not outlines() and again.secondOpinion is None
    assert len(again.queue.entries) == before
    assert {x.region.id: x.status for x in again.queue.entries}[accepted] == "accepted"


def test_a_file_is_compared_and_a_bad_one_said_in_one_line(
    opened: Any, session: Any, other: tuple[np.ndarray, int], tmp_path: Path
) -> None:
    ui, case = opened.control.review.ui, opened.control.openCase.review.case
    session.click(ui.opinionButton)
    session.click(ui.opinionCompareButton)
    assert "no segmentation is chosen" in opened.messages.text.lower()
    (tmp_path / "broken.nii.gz").write_bytes(b"nothing")
    write_volume(Volume(other[0], case.grid), tmp_path / "other.nii.gz")
    for name, isGood in (("broken", False), ("other", True)):
        opened.messages.clear()
        session.answer(str(tmp_path / f"{name}.nii.gz"))
        session.click(ui.opinionFileButton)
        settle(opened, session)
        assert bool(opened.messages.text) is not isGood
        assert bool(disagreeing(opened)) is isGood


def test_a_mapping_file_of_ones_own_is_taken_and_remembered(
    opened: Any, session: Any, other: tuple[np.ndarray, int], tmp_path: Path
) -> None:
    import qt

    ui, case = opened.control.review.ui, opened.control.openCase.review.case
    values = other[0].astype(np.int16) + 100 * (other[0] > 0)
    write_volume(Volume(values, case.grid), tmp_path / "other.nii.gz")
    sides = case.scheme.labels_of_sides().items()
    meanings = {str(100 + value): f"{side} {label.name}" for value, (side, label) in sides}
    (tmp_path / "mine.json").write_text(json.dumps(meanings))
    session.click(ui.opinionButton)
    selector = ui.opinionMeaningSelector

    def chooseFile() -> None:
        selector.setCurrentIndex(selector.count - 1)
        selector.activated.emit(selector.currentIndex)

    try:
        session.answer(str(tmp_path / "mine.json"), str(tmp_path / "other.nii.gz"))
        chooseFile()
        session.click(ui.opinionFileButton)
        settle(opened, session)
        assert not opened.messages.text and disagreeing(opened)
        stored = opened.control.openCase.review.secondOpinion
        assert len(stored.mapping) == 64
        # A dialog that is cancelled changes nothing.
        chooseFile()
        assert selector.currentText == "mine.json"
        session.closeModules()
        again = session.openModule(MODULE).panel.control.review.ui.opinionMeaningSelector
        assert again.currentText == "mine.json" and again.currentIndex == again.count - 2
    finally:
        qt.QSettings().remove("MuscleFMSegment/SecondOpinionMapping")
