"""What is saved from the scene comes back to a voxel, as .seg.nrrd and as .mrb."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from harness.scene import startScene
from made_results import sided
from reading import adjust
from segment_editor import SegmentEditor

from MuscleFMSegmentLib.scene.comparison import Comparison
from MuscleFMSegmentLib.scene.editing import Editing
from MuscleFMSegmentLib.scene.labels import sidedLabels
from MuscleFMSegmentLib.scene.nodes import nodesOfClass
from MuscleFMSegmentLib.scene.region_marker import RegionMarker
from MuscleFMSegmentLib.scene.uncertainty.heatmap import Heatmap


@pytest.fixture
def corrected(application, opened) -> np.ndarray:
    """Return the labels after most of a muscle was erased in the scene."""
    case = opened.case
    editing = Editing(application.scene, case)
    editor = SegmentEditor(application, editing.editorNode, case)
    editing.selectMuscle("left", 4)
    erased = case.modelLabels == 16
    erased[5] = False
    editor.apply(erased, "erase")
    return np.where(erased, 0, case.modelLabels)


def test_a_corrected_segmentation_is_saved_as_it_is_on_the_volumes_grid(
    scene, opened, corrected, tmp_path
) -> None:
    path = tmp_path / "corrected.seg.nrrd"
    storage = slicer.vtkMRMLSegmentationStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.WriteData(opened.case.segmentationNode)
    assert sitk.ReadImage(str(path)).GetSize() == opened.case.grid.shape[::-1]
    read = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert storage.ReadData(read)
    labels = sidedLabels(read, opened.case.scheme, opened.case.volumeNode)
    assert np.array_equal(labels, corrected)


def test_a_scene_file_holds_case_look_and_statuses_but_no_marks(
    application, opened, corrected, tmp_path
) -> None:
    case, scene = opened.case, application.scene
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    muscle = case.segmentationNode.GetSegmentation().GetSegment("left_gracilis")
    logic.SetSegmentStatus(muscle, logic.Flagged)
    adjust(Heatmap(scene, case.heatmapNodes), threshold=0.4)
    RegionMarker(scene).show(case, case.queue.entries[0].region)
    Comparison(scene, case).setVisible(True)
    assert scene.WriteToMRB(str(tmp_path / "case.mrb"))

    again = startScene(tmp_path / "again").scene
    assert again.ReadFromMRB(str(tmp_path / "case.mrb"))
    (segmentationNode,) = nodesOfClass(again, "vtkMRMLSegmentationNode")
    volumes = {node.GetName(): node for node in nodesOfClass(again, "vtkMRMLScalarVolumeNode")}
    assert set(volumes) == {
        "thighs",
        "Uncertainty",
        "Uncertainty, aleatoric",
        "Uncertainty, epistemic",
    }
    labels = sidedLabels(segmentationNode, case.scheme, volumes["thighs"])
    assert np.array_equal(labels, corrected) and not np.array_equal(labels, sided(opened.maps))
    segment = segmentationNode.GetSegmentation().GetSegment("left_gracilis")
    assert segment.GetName() == "Left gracilis"
    assert logic.GetSegmentStatus(segment) == logic.Flagged
    display = volumes["Uncertainty"].GetScalarVolumeDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 1.0)
    assert display.GetApplyThreshold() and display.GetLowerThreshold() == 0.4
    assert display.GetColorNode().GetName() == "MuscleFM uncertainty"
    assert not segmentationNode.GetDisplayNode().GetVisibility2DFill()
