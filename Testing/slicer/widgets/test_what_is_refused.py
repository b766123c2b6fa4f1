"""Whatever is wrong, the message area says it in one line; no pop-up, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from playing import MODULE, chooseVerified, openResults, settle, sidedLabels


def volume(array: np.ndarray) -> Any:
    return slicer.util.addVolumeFromArray(array)


def apply(module: Any, session: Any, node: Any, second: Any = None) -> str:
    """Choose volumes, press Apply, and return what is said, once nothing runs."""
    module.segment.ui.inputSelector.setCurrentNode(node)
    module.segment.ui.secondSelector.setCurrentNode(second)
    session.process()
    session.click(module.segment.ui.applyButton)
    session.waitFor(lambda: not module.run.isRunning)
    assert not session.messages, "a pop-up was shown"
    text = module.messages.text
    assert "\n" not in text
    assert module.ui.messageFrame.visible == bool(text)
    return text


def test_without_a_volume_the_button_says_what_is_missing(module: Any, session: Any) -> None:
    button = module.segment.ui.applyButton
    assert not button.enabled and "volume" in button.toolTip


def test_a_colour_volume_is_refused(module: Any) -> None:
    """The chooser does not offer it; a script may give it."""
    import MuscleFMSegment
    from musclefm.errors import MuscleFMError

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode")
    image = vtk.vtkImageData()
    image.SetDimensions(64, 64, 5)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    node.SetAndObserveImageData(image)
    with pytest.raises(MuscleFMError, match="colour"):
        MuscleFMSegment.MuscleFMSegmentLogic().segment(node)


def test_a_volume_of_a_sequence_is_refused(module: Any, session: Any, water: Any) -> None:
    sequence = slicer.mrmlScene.AddNode(slicer.vtkMRMLSequenceNode())
    sequence.SetDataNodeAtValue(water, "0")
    browser = slicer.mrmlScene.AddNode(slicer.vtkMRMLSequenceBrowserNode())
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    browser.AddProxyNode(water, sequence, False)
    assert "4-D" in apply(module, session, water)


def test_an_empty_and_a_constant_volume_are_refused(module: Any, session: Any) -> None:
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert "empty" in apply(module, session, empty)
    assert "same value" in apply(module, session, volume(np.ones((6, 64, 64), np.int16)))


def test_the_same_volume_twice_is_no_dixon_scan(module: Any, session: Any, water: Any) -> None:
    assert "same volume" in apply(module, session, water, water)


def test_a_linear_transform_is_hardened_on_a_click(
    module: Any, session: Any, water: Any, whileRunning: Any
) -> None:
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 25.0)
    transform.SetMatrixTransformToParent(matrix)
    water.SetAndObserveTransformNodeID(transform.GetID())
    origin = np.array(water.GetOrigin())
    assert "transform" in apply(module, session, water)
    session.click(module.ui.messageActionButton)
    assert water.GetParentTransformNode() is None
    assert np.allclose(np.array(water.GetOrigin()) - origin, (25.0, 0.0, 0.0))
    assert module.run.isRunning
    module.run.end()


def test_a_transform_above_the_volume_of_an_open_case_is_reported_and_taken_away(
    opened: Any, session: Any
) -> None:
    volumeNode = opened.control.openCase.review.case.volumeNode
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volumeNode.SetAndObserveTransformNodeID(transform.GetID())
    assert "transform lies above the volume" in opened.messages.text
    session.click(opened.ui.messageActionButton)
    assert volumeNode.GetParentTransformNode() is None and opened.control.openCase


def test_a_bent_transform_is_refused(module: Any, session: Any, water: Any) -> None:
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    transform.SetAndObserveTransformFromParent(vtk.vtkThinPlateSplineTransform())
    bent = vtk.vtkThinPlateSplineTransform()
    points, targets = vtk.vtkPoints(), vtk.vtkPoints()
    for corner in ((0, 0, 0), (90, 0, 0), (0, 90, 0), (0, 0, 90), (50, 50, 50)):
        points.InsertNextPoint(corner)
        targets.InsertNextPoint(corner[0] + 3 * (corner[0] > 60), corner[1], corner[2])
    bent.SetSourceLandmarks(points)
    bent.SetTargetLandmarks(targets)
    transform.SetAndObserveTransformToParent(bent)
    water.SetAndObserveTransformNodeID(transform.GetID())
    assert "non-linear" in apply(module, session, water)
    assert not module.ui.messageActionButton.visible


def test_what_does_not_look_like_mr_is_warned_of_and_run(module: Any, session: Any) -> None:
    rng = np.random.default_rng(3)
    ct = rng.normal(-40.0, 60.0, (6, 64, 64)).astype(np.int16)
    ct[:, :20] = -1000
    node = volume(ct)
    module.segment.ui.inputSelector.setCurrentNode(node)
    session.process()
    session.click(module.segment.ui.applyButton)
    assert "CT" in module.messages.text and module.run.isRunning
    module.run.end()


def test_a_model_that_was_removed_is_reported(module: Any, session: Any, water: Any) -> None:
    module.segment.showChoice("gone", "auto")
    assert "no model 'gone'" in apply(module, session, water)


def test_a_volume_deleted_during_the_run_is_reported(
    module: Any, session: Any, water: Any, few_slices: Any
) -> None:
    module.segment.ui.inputSelector.setCurrentNode(water)
    session.process()
    session.click(module.segment.ui.applyButton)
    slicer.mrmlScene.RemoveNode(water)
    session.waitFor(lambda: not module.run.isRunning)
    assert "deleted" in module.messages.text and module.control.openCase is None


def test_damaged_results_leave_the_scene_as_it_was(
    module: Any, session: Any, water: Any, results: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(results, broken)
    (broken / "regions.json").write_text("{}")
    count = slicer.mrmlScene.GetNumberOfNodes()
    with module.messages.shown():
        openResults(module, session, water, broken)
    assert "regions.json" in module.messages.text
    assert slicer.mrmlScene.GetNumberOfNodes() == count and module.control.openCase is None


def test_a_scene_of_another_version_is_opened_with_new_settings(module: Any, session: Any) -> None:
    session.leaveModule()
    node = slicer.modules.MuscleFMSegmentWidget.logic.getParameterNode().parameterNode
    node.SetParameter("heatKind", "SOMETHING_OLD")
    node.SetParameter("heatOpacity", "thick")
    session.openModule(MODULE)
    assert module.control.uncertainty.ui.kindSelector.currentText == "Total uncertainty"
    assert "another version" in module.messages.text
    assert not session.errors and not session.messages


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX access rights")
def test_a_disk_that_refuses_is_reported_and_the_case_stays(
    opened: Any, session: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import musclefm.storage.atomic as writing

    session.keys("n")
    session.keys("k")
    chooseVerified(opened, "whole case")
    labels = sidedLabels(opened)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(writing.os, "fsync", refuse)
        session.click(opened.control.saving.panel.ui.saveButton)
        settle(opened, session)
        assert "disk is full" in opened.messages.text and not session.messages
        assert "Not saved" in opened.control.saving.panel.ui.savedLabel.text
        opened.control.autosave()
        settle(opened, session)
        assert "not saved" in opened.messages.text
        assert opened.control.openCase is not None
    assert np.array_equal(sidedLabels(opened), labels)
    session.click(opened.control.saving.panel.ui.saveButton)
    settle(opened, session)
    assert "Saved" in opened.control.saving.panel.ui.savedLabel.text
    session.click(opened.ui.dismissMessageButton)
    assert not opened.ui.messageFrame.visible


def test_results_without_any_flagged_region_are_shown(
    module: Any, session: Any, water: Any, results: Path, tmp_path: Path
) -> None:
    sure = tmp_path / "sure"
    shutil.copytree(results, sure)
    document = json.loads((sure / "regions.json").read_text())
    document["regions"] = []
    (sure / "regions.json").write_text(json.dumps(document))
    import SimpleITK as sitk

    from musclefm.results.folder import write_provenance

    regions = sitk.ReadImage(str(sure / "regions.nii.gz"))
    sitk.WriteImage(regions * 0, str(sure / "regions.nii.gz"))
    write_provenance(sure, json.loads((sure / "provenance.json").read_text()))
    openResults(module, session, water, sure)
    assert "Nothing is flagged" in module.control.review.ui.currentLabel.text
    for key in ("n", "Shift+N", "k", "m", "u"):
        session.keys(key)
    assert not module.messages.text
