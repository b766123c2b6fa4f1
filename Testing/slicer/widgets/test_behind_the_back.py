"""A case that is moved, or its segments deleted or renamed: reported, and never saved wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from playing import settle, sidedLabels

from musclefm.corrections.store import CorrectionStore
from musclefm.review.session_file import load_session
from MuscleFMSegmentLib.scene.labels import sidedLabels as read_labels


@pytest.fixture
def transform(session: Any) -> Any:
    """Return a transform of 30 mm to the left."""
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, -30.0)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(matrix)
    return node


@pytest.fixture
def bentTransform(session: Any) -> Any:
    """Return a transform that bends the middle of the image away by 20 mm."""
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for x, y in ((-200, -200), (200, -200), (-200, 200), (200, 200), (0, 0)):
        source.InsertNextPoint(x, y, 0)
        target.InsertNextPoint(x, y if x or y else 20, 0)
    bent = vtk.vtkThinPlateSplineTransform()
    bent.SetSourceLandmarks(source)
    bent.SetTargetLandmarks(target)
    bent.SetBasisToR()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    node.SetAndObserveTransformToParent(bent)
    return node


def segmentation(module: Any) -> Any:
    return module.control.openCase.review.case.segmentationNode.GetSegmentation()


def autosaved(module: Any, session: Any) -> np.ndarray:
    """Return the labels that a crash would leave."""
    module.control.autosave()
    settle(module, session)
    saved = load_session(module.control.openCase.folder.results)
    assert saved
    return saved[1].array


def isSaved(module: Any, session: Any) -> bool:
    """Save the whole case, and return whether there is a sample of it as it is."""
    selector = module.control.saving.panel.ui.extentSelector
    selector.setCurrentIndex(selector.count - 1)
    session.click(module.control.saving.panel.ui.saveButton)
    settle(module, session)
    return module.control.openCase.review.storedSample is not None


@pytest.mark.parametrize("moved", ["volumeNode", "segmentationNode"])
def test_a_transform_stops_edits_and_saving_until_it_is_gone(
    opened: Any, session: Any, transform: Any, moved: str
) -> None:
    review = opened.control.openCase.review
    case, correct = review.case, opened.control.correct
    before = sidedLabels(opened)
    visited = review.visits.slices
    session.keys("n")
    session.process(300)
    correct.editor.setActiveEffectByName("Paint")
    getattr(case, moved).SetAndObserveTransformNodeID(transform.GetID())
    session.process()
    assert "transform lies above" in opened.messages.text
    assert "take it out" in opened.messages.text
    assert not correct.form.isEnabled() and correct.editor.activeEffect() is None
    # What another module draws meanwhile lies elsewhere in the image.
    segmentation(opened).GetSegment("right_sartorius").SetLabelValue(99)
    settle(opened, session)
    assert np.array_equal(sidedLabels(opened), before)
    opened.messages.clear()
    status = review.queue.current.status
    session.keys("k")
    assert review.queue.current.status == status and "take it out" in opened.messages.text
    visited = review.visits.slices
    review.goToSlice(0 if 0 not in visited else 5)
    session.process(400)
    assert review.visits.slices == visited
    assert not isSaved(opened, session) and "take it out" in opened.messages.text
    assert np.array_equal(autosaved(opened, session), before)

    getattr(case, moved).SetAndObserveTransformNodeID(None)
    settle(opened, session)
    assert opened.messages.text == "" and correct.form.isEnabled()
    assert np.array_equal(sidedLabels(opened), before), "what was drawn meanwhile was kept"
    assert isSaved(opened, session)


@pytest.mark.parametrize(
    "moved", [("volumeNode",), ("segmentationNode",), ("volumeNode", "segmentationNode")]
)
def test_a_hardened_transform_is_put_back_on_a_click(
    opened: Any, session: Any, transform: Any, moved: tuple[str, ...]
) -> None:
    """It leaves no transform above, but another matrix of the volume, or other labelmaps."""
    case, correct = opened.control.openCase.review.case, opened.control.correct
    before = sidedLabels(opened)
    for name in moved:
        getattr(case, name).SetAndObserveTransformNodeID(transform.GetID())
    for name in moved:
        getattr(case, name).HardenTransform()
    settle(opened, session)
    assert not case.isTransformed
    if "volumeNode" in moved:
        assert not case.isOnItsGrid and not correct.form.isEnabled()
        assert "not where it was segmented" in opened.messages.text
        assert "\n" not in opened.messages.text
        session.keys("k")
        assert not isSaved(opened, session)
        session.click(opened.ui.messageActionButton)
        settle(opened, session)
    # Of the labels those from before are known.
    assert case.isInPlace and correct.form.isEnabled() and not opened.messages.text
    assert np.array_equal(sidedLabels(opened), before)
    assert np.array_equal(read_labels(case.segmentationNode, case.scheme, case.volumeNode), before)
    assert isSaved(opened, session)


def test_voxels_that_a_hardened_non_linear_transform_made_are_put_back_on_a_click(
    opened: Any, session: Any, bentTransform: Any
) -> None:
    case, before = opened.control.openCase.review.case, sidedLabels(opened)
    voxels = slicer.util.arrayFromVolume(case.volumeNode).copy()
    for node in (case.volumeNode, case.segmentationNode):
        node.SetAndObserveTransformNodeID(bentTransform.GetID())
    for node in (case.volumeNode, case.segmentationNode):
        node.HardenTransform()
    settle(opened, session)
    assert not np.array_equal(slicer.util.arrayFromVolume(case.volumeNode), voxels)
    assert "other voxels than were segmented" in opened.messages.text
    assert not opened.control.correct.form.isEnabled() and not isSaved(opened, session)
    session.click(opened.ui.messageActionButton)
    settle(opened, session)
    assert case.isInPlace and not opened.messages.text
    assert np.array_equal(slicer.util.arrayFromVolume(case.volumeNode), voxels)
    assert np.array_equal(sidedLabels(opened), before)
    assert np.array_equal(read_labels(case.segmentationNode, case.scheme, case.volumeNode), before)
    assert isSaved(opened, session)


def test_a_deleted_segment_is_no_correction_and_comes_back(opened: Any, session: Any) -> None:
    review = opened.control.openCase.review
    case, before = review.case, sidedLabels(opened)
    muscles = case.muscles
    row = next(row for row, muscle in enumerate(muscles) if muscle.volume_ml > 5)
    name = f"{muscles[row].side}_{muscles[row].name.replace(' ', '_')}"
    case.segmentationNode.RemoveSegment(name)
    settle(opened, session)
    assert "was deleted: undo that, or click on the muscle" in opened.messages.text
    assert np.array_equal(sidedLabels(opened), before)
    assert all(entry.status == "to do" for entry in review.queue.entries)
    assert not isSaved(opened, session) and "was deleted" in opened.messages.text
    assert np.array_equal(autosaved(opened, session), before)

    table = opened.control.muscles.ui.muscleTable
    place = table.visualItemRect(table.item(row, 0)).center()
    session.click(table.viewport(), place.x(), place.y())
    settle(opened, session)
    assert segmentation(opened).GetSegment(name) is not None and opened.messages.text == ""
    assert review.editing.editorNode.GetSelectedSegmentID() == name
    assert np.array_equal(sidedLabels(opened), before)
    assert isSaved(opened, session)
    (sample,) = CorrectionStore().ids()
    assert np.array_equal(CorrectionStore().load(sample).labels.array, before)


def test_a_deletion_that_is_undone_leaves_nothing(opened: Any, session: Any) -> None:
    before = sidedLabels(opened)
    correct = opened.control.correct
    correct.editor.saveStateForUndo()
    segmentation(opened).RemoveSegment("left_gracilis")
    settle(opened, session)
    assert "was deleted" in opened.messages.text
    correct.editor.undo()
    settle(opened, session)
    assert opened.messages.text == "" and np.array_equal(sidedLabels(opened), before)
    assert isSaved(opened, session)


def test_a_renamed_segment_is_reported_and_another_muscles_name_is_not_saved(
    opened: Any, session: Any
) -> None:
    segment = segmentation(opened).GetSegment("left_gracilis")
    segment.SetName("Left sartorius")
    settle(opened, session)
    assert "renamed Left sartorius, another muscle" in opened.messages.text
    assert not isSaved(opened, session) and "another muscle" in opened.messages.text
    segment.SetName("Gracilis links")
    settle(opened, session)
    assert "it is saved as Left gracilis all the same" in opened.messages.text
    assert isSaved(opened, session)
