"""The module hears of every edit, of no mere renaming, and of a case that is gone."""

import numpy as np
import pytest
import slicer
import vtk
from segment_editor import SegmentEditor

from MuscleFMSegmentLib.scene.editing import Editing
from MuscleFMSegmentLib.scene.labels import applySidedLabels
from MuscleFMSegmentLib.scene.results import removeCase
from MuscleFMSegmentLib.scene.watching import CaseWatch


class Ear:
    """Counts what is reported."""

    def __init__(self, case) -> None:
        self.changes = self.losses = 0
        self.faults: list[str] = []
        self.watch = CaseWatch(case, self._changed, self._lost, self._faulty)

    def _changed(self) -> None:
        self.changes += 1

    def _lost(self) -> None:
        self.losses += 1

    def _faulty(self) -> None:
        self.faults.append(str(self.watch.fault or ""))

    def heard(self) -> bool:
        """Tell whether anything changed since the last time."""
        changes, self.changes = self.changes, 0
        return changes > 0


@pytest.fixture
def ear(opened) -> Ear:
    return Ear(opened.case)


def test_an_edit_its_undoing_and_redoing_are_heard(application, opened, ear) -> None:
    case = opened.case
    editing = Editing(application.scene, case)
    editor = SegmentEditor(application, editing.editorNode, case)
    editing.selectMuscle("right", 1)
    ear.heard()
    editor.apply(np.ones(case.grid.shape, bool), "erase")
    assert ear.heard()
    editor.logic.Undo()
    assert ear.heard()
    editor.logic.Redo()
    assert ear.heard()


def test_a_deleted_segment_and_recovered_labels_are_heard(opened, ear) -> None:
    case = opened.case
    case.segmentationNode.RemoveSegment("left_sartorius")
    assert ear.heard()
    applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, case.modelLabels)
    assert ear.heard()


def test_names_colours_and_statuses_are_no_edits(opened, ear) -> None:
    segment = opened.case.segmentationNode.GetSegmentation().GetSegment("left_sartorius")
    segment.SetName("another name")
    segment.SetColor(1, 0, 0)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(segment, logic.Flagged)
    assert not ear.heard()


def a_transform(scene, x_mm: float = 0.0):
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, x_mm)
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(matrix)
    return node


@pytest.mark.parametrize("moved", ["volumeNode", "segmentationNode"])
def test_a_transform_above_the_case_is_reported_with_the_remedy(scene, opened, ear, moved) -> None:
    node = getattr(opened.case, moved)
    transform = a_transform(scene)
    node.SetAndObserveTransformNodeID(transform.GetID())
    assert ear.watch.fault.isMoved and not opened.case.isInPlace
    (reported,) = ear.faults
    assert reported.startswith("a transform lies above") and "take it out" in reported
    # Reported once, whatever the transform does meanwhile.
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(1, 3, 40.0)
    transform.SetMatrixTransformToParent(matrix)
    assert len(ear.faults) == 1
    node.SetAndObserveTransformNodeID(None)
    assert ear.faults[1:] == [""] and ear.watch.fault is None and opened.case.isInPlace
    assert not ear.heard(), "a transform is no edit"


def test_a_deleted_transform_is_none_any_more(scene, opened, ear) -> None:
    transform = a_transform(scene)
    opened.case.volumeNode.SetAndObserveTransformNodeID(transform.GetID())
    scene.RemoveNode(transform)
    assert ear.faults[1:] == [""]


def test_a_volume_that_was_moved_for_good_is_reported(scene, opened, ear) -> None:
    volumeNode = opened.case.volumeNode
    volumeNode.SetAndObserveTransformNodeID(a_transform(scene, 30.0).GetID())
    volumeNode.HardenTransform()
    assert "not where it was segmented" in ear.faults[-1] and ear.watch.fault.isMoved
    origin = opened.case.grid.ijk_to_ras[:3, 3]
    volumeNode.SetOrigin(*origin.tolist())
    assert ear.faults[-1] == ""


def test_a_volume_that_was_under_a_transform_from_the_start_is_reported(scene, opened) -> None:
    opened.case.volumeNode.SetAndObserveTransformNodeID(a_transform(scene).GetID())
    assert Ear(opened.case).watch.fault.isMoved


def test_a_deleted_segment_is_reported_until_its_deletion_was_undone(
    application, opened, ear
) -> None:
    case = opened.case
    editing = Editing(application.scene, case)
    editor = SegmentEditor(application, editing.editorNode, case)
    editor.logic.SaveStateForUndo()
    case.segmentationNode.GetSegmentation().RemoveSegment("left_sartorius")
    (reported,) = ear.faults
    assert reported.startswith("the segment Left sartorius was deleted: undo that")
    assert [case.scheme.labels_of_sides()[value][0] for value in ear.watch.deleted] == ["left"]
    editor.logic.Undo()
    assert ear.faults[1:] == [""] and not ear.watch.deleted
    editor.logic.Redo()
    assert "was deleted" in ear.faults[-1]


def test_a_renamed_segment_is_reported_and_harmless_unless_it_takes_anothers_name(
    opened, ear
) -> None:
    segment = opened.case.segmentationNode.GetSegmentation().GetSegment("left_sartorius")
    segment.SetName("Sartorius links")
    assert "renamed Sartorius links: it is saved as Left sartorius" in ear.faults[-1]
    assert ear.watch.fault.isHarmless
    segment.SetName("Left gracilis")
    assert "another muscle: give it its name back" in ear.faults[-1]
    assert not ear.watch.fault.isHarmless
    segment.SetName("Left sartorius")
    assert ear.faults[-1] == "" and not ear.heard()


@pytest.mark.parametrize("gone", ["segmentationNode", "volumeNode"])
def test_a_deleted_node_is_reported_once(scene, opened, ear, gone) -> None:
    scene.RemoveNode(getattr(opened.case, gone))
    removeCase(scene, opened.case)
    assert ear.losses == 1
    opened.case.segmentationNode.GetSegmentation().RemoveAllSegments()
    assert not ear.heard()


def test_closing_the_scene_is_reported_once(scene, opened, ear) -> None:
    scene.Clear(False)
    assert ear.losses == 1


def test_other_nodes_may_come_and_go(scene, opened, ear) -> None:
    scene.RemoveNode(scene.AddNewNodeByClass("vtkMRMLSegmentationNode"))
    assert ear.losses == 0 and not ear.heard()


def test_nothing_is_reported_after_the_end(scene, opened, ear) -> None:
    ear.watch.stop()
    opened.case.segmentationNode.RemoveSegment("left_sartorius")
    scene.RemoveNode(opened.case.segmentationNode)
    assert not ear.heard() and ear.losses == 0
