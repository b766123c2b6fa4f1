"""Heat or contours is a choice beside the switch, remembered with the scene."""

from __future__ import annotations

from typing import Any

import slicer

NAME = "Surely and possibly the muscle"


def test_contours_in_place_of_the_heat(opened: Any, session: Any) -> None:
    ui = opened.control.review.ui
    display = opened.control.openCase.review.display
    session.keys("n")
    assert [ui.styleSelector.itemText(n) for n in range(ui.styleSelector.count)] == [
        "Heat",
        "Contours",
    ]
    assert display.heatmap.isVisible and slicer.mrmlScene.GetFirstNodeByName(NAME) is None
    ui.styleSelector.setCurrentIndex(1)
    session.process()
    node = slicer.mrmlScene.GetFirstNodeByName(NAME)
    line = slicer.mrmlScene.GetFirstNodeByName("Region to check")
    assert node.GetDisplayVisibility() and not display.heatmap.isVisible
    session.keys("n")
    assert not line.GetDisplayVisibility(), "it says again where the contours part"
    session.click(ui.heatCheckBox)
    assert not node.GetDisplayVisibility() and not display.heatmap.isVisible
    session.click(ui.heatCheckBox)
    assert node.GetDisplayVisibility()
    # Held, the key shows the image alone.
    opened.control.peek(True)
    assert not node.GetDisplayVisibility()
    opened.control.peek(False)
    assert node.GetDisplayVisibility()
    # The setting outlives leaving the module, and goes with the scene.
    session.leaveModule()
    slicer.util.selectModule("MuscleFMSegment")
    session.process()
    assert ui.styleSelector.currentIndex == 1
    assert opened._parameters.heatStyle.value == "contours"
    ui.styleSelector.setCurrentIndex(0)
    session.process()
    assert display.heatmap.isVisible and not node.GetDisplayVisibility()
    assert line.GetDisplayVisibility()
    opened.control.close()
    assert slicer.mrmlScene.GetFirstNodeByName(NAME) is None


def test_heat_and_legend_follow_the_layout(opened: Any, session: Any) -> None:
    manager = slicer.app.layoutManager()
    heat = opened.control.openCase.review.case.heatmapNodes["total"]
    composites = {
        name: manager.sliceWidget(name).mrmlSliceCompositeNode() for name in ("Red", "Yellow")
    }
    assert {c.GetForegroundVolumeID() for c in composites.values()} == {heat.GetID()}
    before = manager.layout
    manager.layout = slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpYellowSliceView
    session.process()
    assert composites["Yellow"].GetForegroundVolumeID() == heat.GetID()
    assert composites["Red"].GetForegroundVolumeID() is None
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(heat)
    assert "vtkMRMLSliceNodeRed" not in legend.GetViewNodeIDs()
    manager.layout = before
    session.process()
    assert {c.GetForegroundVolumeID() for c in composites.values()} == {heat.GetID()}
