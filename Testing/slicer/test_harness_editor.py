"""The harness's Segment Editor edits real segments by mouse and keys, within the masking."""

from __future__ import annotations

import numpy as np
import pytest

AFFINE = np.diag([2.0, 2.0, 6.0, 1.0])


@pytest.fixture
def editor(slicer_session):
    """Return an editor of two segments: a box, and an empty one that is selected."""
    import slicer

    volume = slicer.util.addVolumeFromArray(
        np.random.default_rng(0).uniform(0, 99, (12, 60, 50)).astype(np.float32), AFFINE
    )
    volume.CreateDefaultDisplayNodes()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for name in ("box", "painted"):
        node.GetSegmentation().AddEmptySegment(name, name)
    box = np.zeros((12, 60, 50), np.uint8)
    box[4:9, 20:40, 5:25] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(box, node, "box", volume)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    editorNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    widget = slicer.qMRMLSegmentEditorWidget()
    widget.setMRMLScene(slicer.mrmlScene)
    widget.setMRMLSegmentEditorNode(editorNode)
    widget.setSegmentationNode(node)
    widget.setSourceVolumeNode(volume)
    widget.setCurrentSegmentID("painted")
    widget.setupViewObservations()
    widget.installKeyboardShortcuts()
    yield widget
    widget.uninstallKeyboardShortcuts()
    widget.removeViewObservations()
    widget.setMRMLSegmentEditorNode(None)
    widget.delete()


def voxels(editor, name: str) -> np.ndarray:
    import slicer

    return slicer.util.arrayFromSegmentBinaryLabelmap(
        editor.segmentationNode(), name, editor.sourceVolumeNode()
    ).astype(bool)


def test_a_stroke_keeps_the_neighbour_and_can_be_undone(slicer_session, editor) -> None:
    import slicer

    modes = slicer.vtkMRMLSegmentationNode
    editor.mrmlSegmentEditorNode().SetMaskMode(modes.EditAllowedOutsideAllSegments)
    before = voxels(editor, "box")
    slicer_session.keys("1")
    assert editor.activeEffect().name == "Paint"
    editor.activeEffect().setCommonParameter("BrushDiameterIsRelative", 0)
    editor.activeEffect().setCommonParameter("BrushAbsoluteDiameter", 12.0)
    slice_ = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode().GetSliceOffset()
    slicer_session.stroke([(40.0, 60.0, slice_), (70.0, 60.0, slice_)])
    painted = voxels(editor, "painted")
    k = round(slice_ / 6)
    assert painted[k, 30, 26:34].all()
    assert not painted[np.arange(12) != k].any()
    assert (voxels(editor, "box") == before).all() and not (painted & before).any()

    slicer_session.keys("z")
    assert not voxels(editor, "painted").any()
    slicer_session.keys("y")
    assert (voxels(editor, "painted") == painted).all()

    slicer_session.keys("3")
    slicer_session.stroke([(60.0, 60.0, slice_), (80.0, 60.0, slice_)])
    assert voxels(editor, "painted").sum() < painted.sum()
    slicer_session.keys("Esc")
    assert editor.activeEffect() is None
    left = voxels(editor, "painted").sum()
    slicer_session.stroke([(40.0, 60.0, slice_), (70.0, 60.0, slice_)])
    assert voxels(editor, "painted").sum() == left


def test_the_table_selects_what_is_edited(slicer_session, editor) -> None:
    import slicer

    changes = []
    editor.connect("currentSegmentIDChanged(QString)", changes.append)
    editor.show()
    table = editor.findChildren("qMRMLSegmentsTableView")[0]
    assert table.selectedSegmentIDs() == ["painted"]
    slicer_session.keys("q")
    assert editor.currentSegmentID() == "box" and table.selectedSegmentIDs() == ["box"]
    table.setSelectedSegmentIDs(["painted"])
    # As in Slicer, a key changes the node and the table, and only the table is heard of.
    assert changes == ["painted"]
    segment = editor.segmentationNode().GetSegmentation().GetSegment("box")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(segment, logic.Flagged)
    assert table.tableWidget().item(table.rowForSegmentID("box"), 2).text() == "Flagged"
