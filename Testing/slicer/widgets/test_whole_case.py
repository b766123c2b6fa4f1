"""A radiologist's way with mouse and keys: volume, run, walk, correct, save, close, reopen."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from playing import MODULE, chooseVerified, openResults, settle
from playing import sidedLabels as sided

from musclefm.corrections.store import CorrectionStore
from musclefm.labels.segment_names import segment_id


def nodes() -> set[str]:
    scene = slicer.mrmlScene
    return {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}


def inMuscle(module: Any, region: Any) -> tuple[tuple[float, float, float], int]:
    """Return a point in the muscle of a region, on its shown slice, and the muscle's value."""
    case = module.control.openCase.review.case
    value = next(
        value
        for value, (side, label) in case.scheme.labels_of_sides().items()
        if (side, label.id) == (region.side, region.label_ids[0])
    )
    k = (region.slices[0] + region.slices[1]) // 2
    inside = case.modelLabels[k] == value
    wanted = np.argwhere(inside & (case.regions[k] == region.id))
    j, i = wanted[len(wanted) // 2]
    ras = case.grid.ijk_to_ras @ (i, j, k, 1.0)
    return (float(ras[0]), float(ras[1]), float(ras[2])), value


def test_from_volume_to_saved_correction(
    module: Any, session: Any, scan: Any, whileRunning
) -> None:
    ui = module.segment.ui
    ui.inputSelector.setCurrentNode(scan)
    session.process()
    before = nodes()

    session.click(ui.applyButton)
    assert ui.applyButton.text == "Stop" and not ui.inputSelector.enabled
    session.waitFor(
        lambda: "PyTorch" in ui.progressLabel.text or "Loading" in ui.progressLabel.text
    )
    session.click(ui.applyButton)
    # Without the request it would go on for longer.
    whileRunning(30.0)
    assert ui.applyButton.text == "Apply" and module.control.openCase is None
    assert nodes() == before and not module.messages.text

    seen: list[str] = []
    module.segment.showProgress = _recorded(module.segment.showProgress, seen)
    session.click(ui.applyButton)
    whileRunning()
    assert any(text.startswith("Slice ") for text in seen)
    control, review = module.control, module.control.openCase.review
    count = len(review.queue.entries)
    assert count and sum(map(len, control.review._regionIds)) == count
    muscles = control.muscles.ui.muscleTable
    assert muscles.rowCount == len(review.case.muscles)

    session.keys("n")
    region = review.queue.current.region
    assert review.queue.position == 0
    assert review.editing.editorNode.GetSelectedSegmentID() == segment_id(
        region.side, review.case.scheme.label(region.label_ids[0])
    )
    session.keys("Shift+N")
    assert review.queue.position == 0
    session.keys("m")
    assert review.queue.current.flagged

    model = sided(module)
    point, value = inMuscle(module, region)
    editor = control.correct.editor
    editor.setActiveEffectByName("Erase")
    effect = editor.activeEffect()
    effect.setCommonParameter("BrushDiameterIsRelative", 0)
    effect.setCommonParameter("BrushAbsoluteDiameter", 12.0)
    slicer.vtkMRMLSliceNode.JumpAllSlices(
        slicer.mrmlScene, *point, slicer.vtkMRMLSliceNode.CenteredJumpSlice
    )
    session.process(100)
    volume = shownVolume(module, region)
    session.stroke([point])
    settle(module, session)
    erased = sided(module)
    assert ((model == value) & (erased == 0)).sum() > 0
    assert np.array_equal(model[model != value], erased[model != value])
    assert review.queue.current.status == "corrected"
    assert shownVolume(module, region) < volume

    session.keys("z")
    settle(module, session)
    assert np.array_equal(sided(module), model)
    assert review.queue.current.status == "to do"
    assert shownVolume(module, region) == volume
    session.keys("y")
    settle(module, session)
    assert np.array_equal(sided(module), erased)

    session.keys("Esc")
    session.keys("n")
    if count > 1:
        session.keys("k")
        assert review.queue.entries[1].status == "accepted"
    assert control.review.ui.shareBar.value > 0

    chooseVerified(module, "whole case")
    session.click(control.saving.panel.ui.saveButton)
    settle(module, session)
    (sample,) = CorrectionStore().samples()
    stored = CorrectionStore().load(sample.id)
    assert np.array_equal(stored.labels.array, erased)
    assert np.array_equal(stored.model_labels.array, model)
    assert stored.review.entries[0].status == "corrected" and stored.review.entries[0].flagged
    assert "Saved" in control.saving.panel.ui.savedLabel.text

    session.closeScene()
    assert control.openCase is None and not module.messages.text
    assert not module.ui.resumeFrame.visible
    assert not session.messages, "a pop-up was shown"


def test_an_unsaved_review_is_offered_after_the_scene_was_closed(opened: Any, session: Any) -> None:
    session.keys("n")
    session.keys("m")
    queue = opened.control.openCase.review.queue
    labels = sided(opened)
    session.closeScene()
    settle(opened, session)
    assert opened.control.openCase is None
    assert opened.ui.resumeFrame.visible
    session.click(opened.ui.resumeButton)
    settle(opened, session)
    review = opened.control.openCase.review
    assert review.queue.position == 0 and review.queue.current.flagged
    assert [entry.status for entry in review.queue.entries] == [e.status for e in queue.entries]
    assert np.array_equal(sided(opened), labels)
    assert not opened.ui.resumeFrame.visible


def test_results_that_come_while_another_module_is_shown(
    opened: Any, session: Any, water: Any, results: Any
) -> None:
    session.leaveModule()
    openResults(opened, session, water, results)
    case = opened.control.openCase.review.case
    session.openModule(MODULE)
    composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    assert composite.GetForegroundVolumeID() == case.heatmapNodes["total"].GetID()
    session.keys("n")
    assert opened.control.openCase.review.queue.position == 0


def shownVolume(module: Any, region: Any) -> float:
    control = module.control
    row = control.muscles._muscles.index((region.side, region.label_ids[0]))
    return float(control.muscles.ui.muscleTable.item(row, 1).text())


def _recorded(function: Any, texts: list[str]) -> Any:
    def record(update: Any) -> None:
        texts.append(update.text)
        function(update)

    return record
