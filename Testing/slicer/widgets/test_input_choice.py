"""Only an image of the user's is chosen or offered as input, first the one that is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
from playing import MODULE


def image(name: str) -> Any:
    array = np.random.default_rng(0).uniform(0, 100, (6, 64, 64)).astype(np.float32)
    node = slicer.util.addVolumeFromArray(array, name=name)
    node.CreateDefaultDisplayNodes()
    return node


def parameters() -> Any:
    return slicer.modules.MuscleFMSegmentWidget.logic.getParameterNode()


def offered(module: Any) -> set[str]:
    selector = module.segment.ui.inputSelector
    return {selector.nodeFromIndex(index).GetName() for index in range(selector.nodeCount())}


def test_the_image_in_the_red_view_is_the_first_choice(session: Any) -> None:
    image("first")
    looked = image("second")
    composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    composite.SetBackgroundVolumeID(looked.GetID())
    panel = session.openModule(MODULE).panel
    assert panel.segment.ui.inputSelector.currentNode() is looked
    assert parameters().inputVolume is looked


def test_a_labelmap_or_a_vector_volume_is_never_chosen(session: Any) -> None:
    for kind in ("vtkMRMLLabelMapVolumeNode", "vtkMRMLVectorVolumeNode"):
        slicer.mrmlScene.AddNewNodeByClass(kind, kind)
    panel = session.openModule(MODULE).panel
    assert offered(panel) == set() and parameters().inputVolume is None
    labelmap = slicer.util.getNode("vtkMRMLLabelMapVolumeNode")
    parameters().inputVolume = labelmap
    session.process()
    assert parameters().inputVolume is None
    assert panel.segment.ui.inputSelector.currentNode() is None


def test_our_heatmaps_are_not_offered_nor_after_the_scene_was_saved(
    opened: Any, session: Any, water: Any, tmp_path: Path
) -> None:
    heatmaps = {
        node.GetName() for node in opened.control.openCase.review.case.heatmapNodes.values()
    }
    assert len(heatmaps) == 3 and offered(opened) == {water.GetName()}
    path = str(tmp_path / "scene.mrb")
    assert slicer.util.saveScene(path)
    session.closeScene()
    slicer.util.loadScene(path)
    session.process()
    names = {node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")}
    assert heatmaps <= names and offered(opened) == {water.GetName()}
    assert parameters().inputVolume.GetName() == water.GetName()


def test_a_heatmap_is_refused_to_a_script(opened: Any) -> None:
    import pytest

    import MuscleFMSegment

    heatmap = opened.control.openCase.review.case.heatmapNodes["total"]
    with pytest.raises(Exception, match="uncertainty map"):
        MuscleFMSegment.MuscleFMSegmentLogic().segment(heatmap)
