"""The module hears of every edit, of no mere renaming, and of a case that is gone."""

import numpy as np
import pytest
import slicer
import vtk
from segment_editor import SegmentEditor

from MuscleFMSegmentLib.scene.editing import Editing
from MuscleFMSegmentLib.scene.labels import applySidedLabels
from MuscleFMSegmentLib.scene.results import removeCase
from MuscleFMSegmentLib.scene.watching import CaseWatch, TransformWatch


class Ear:
    """Counts what is reported."""

    def __init__(self, case) -> None:
        self.changes = self.losses = 0
        self.watch = CaseWatch(case, self._changed, self._lost)

    def _changed(self) -> None:
        self.changes += 1

    def _lost(self) -> None:
        self.losses += 1

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


@pytest.mark.parametrize("gone", ["segmentationNode", "volumeNode"])
def test_a_deleted_node_is_told_once(scene, opened, ear, gone) -> None:
    scene.RemoveNode(getattr(opened.case, gone))
    removeCase(scene, opened.case)
    assert ear.losses == 1
    opened.case.segmentationNode.GetSegmentation().RemoveAllSegments()
    assert not ear.heard()


def test_closing_the_scene_is_told_once(scene, opened, ear) -> None:
    scene.Clear(False)
    assert ear.losses == 1


def test_other_nodes_may_come_and_go(scene, opened, ear) -> None:
    scene.RemoveNode(scene.AddNewNodeByClass("vtkMRMLSegmentationNode"))
    assert ear.losses == 0 and not ear.heard()


def test_nothing_is_told_after_the_end(scene, opened, ear) -> None:
    ear.watch.stop()
    opened.case.segmentationNode.RemoveSegment("left_sartorius")
    scene.RemoveNode(opened.case.segmentationNode)
    assert not ear.heard() and ear.losses == 0


def test_a_transform_above_the_volume_is_told_once_until_it_is_gone(scene, opened):
    volumeNode = opened.case.volumeNode
    told: list[bool] = []
    watch = TransformWatch(volumeNode, lambda: told.append(True))
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volumeNode.SetAndObserveTransformNodeID(transform.GetID())
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 5.0)
    transform.SetMatrixTransformToParent(matrix)
    assert told == [True]
    volumeNode.SetAndObserveTransformNodeID(None)
    assert told == [True]
    volumeNode.SetAndObserveTransformNodeID(transform.GetID())
    assert told == [True, True]
    volumeNode.SetAndObserveTransformNodeID(None)
    watch.stop()
    volumeNode.SetAndObserveTransformNodeID(transform.GetID())
    assert told == [True, True]
