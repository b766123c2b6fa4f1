"""What is left of a review after a crash, and going on with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from playing import MODULE, openResults, settle, sidedLabels

HERE = Path(__file__).resolve().parent

CRASHING = """
import os, sys
from pathlib import Path
here, temporary, image, results = map(Path, sys.argv[1:])
sys.path[:0] = [str(here), str(here.parent)]
from harness import boot
session = boot(temporary)
import slicer
from playing import openResults, settle
module = session.openModule(sys.argv[5] if len(sys.argv) > 5 else os.environ["MODULE"]).panel
volume = slicer.util.loadVolume(str(image))
openResults(module, session, volume, results)
session.keys("n")
session.keys("k")
session.keys("m")
from MuscleFMSegmentLib.scene.labels import applySidedLabels
review = module.control.openCase.review
labels = review.sidedVolume().array.copy()
labels[:, :40] = 0
case = review.case
applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, labels)
settle(module, session)
module.control.autosave()
settle(module, session)
print("READY", flush=True)
session.process(60000)
"""


def test_a_killed_slicer_loses_nothing(
    module: Any, session: Any, home: Path, few_slices: Any, results: Path, tmp_path: Path
) -> None:
    script = tmp_path / "crashing.py"
    script.write_text(CRASHING)
    arguments = [HERE, tmp_path / "other", few_slices["water"], results]
    (tmp_path / "other").mkdir()
    crashing = subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        env=os.environ | {"MODULE": str(MODULE)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert any("READY" in line for line in crashing.stdout)
        session.leaveModule()
        session.openModule(MODULE)
        assert not module.ui.resumeFrame.visible, "a review that is open elsewhere was offered"
    finally:
        os.killpg(crashing.pid, signal.SIGKILL)
        crashing.wait()
        crashing.stdout.close()
    session.leaveModule()
    session.openModule(MODULE)
    assert module.ui.resumeFrame.visible
    session.click(module.ui.resumeButton)
    settle(module, session)
    review = module.control.openCase.review
    assert review.queue.entries[0].status in ("accepted", "corrected")
    assert review.queue.entries[1].flagged and review.queue.position == 1
    labels = sidedLabels(module)
    assert not labels[:, :40].any() and labels.any()
    assert np.count_nonzero(review.case.modelLabels) >= np.count_nonzero(labels)
    assert review.case.volumeNode.GetScene() is slicer.mrmlScene


def test_a_deleted_segmentation_comes_back(opened: Any, session: Any) -> None:
    session.keys("n")
    session.keys("k")
    review = opened.control.openCase.review
    labels = sidedLabels(opened)
    slicer.mrmlScene.RemoveNode(review.case.segmentationNode)
    settle(opened, session)
    assert opened.control.openCase is None
    assert "deleted" in opened.messages.text and opened.ui.resumeFrame.visible
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == [review.case.volumeNode]
    session.click(opened.ui.resumeButton)
    settle(opened, session)
    again = opened.control.openCase.review
    assert again.queue.entries[0].status == "accepted"
    assert np.array_equal(sidedLabels(opened), labels)
    assert again.case.volumeNode is review.case.volumeNode, "the volume was loaded twice"
    heatmaps = list(again.case.heatmapNodes.values())
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert set(volumes) == {again.case.volumeNode, *heatmaps}


def test_a_discarded_review_is_gone_only_after_a_yes(opened: Any, session: Any, home: Path) -> None:
    import qt

    session.keys("n")
    session.closeScene()
    settle(opened, session)
    session.answer(qt.QMessageBox.No)
    session.click(opened.ui.discardButton)
    assert opened.ui.resumeFrame.visible and len(list((home / "reviews").iterdir())) == 1
    session.answer(qt.QMessageBox.Yes)
    session.click(opened.ui.discardButton)
    assert not opened.ui.resumeFrame.visible and not list((home / "reviews").iterdir())


def test_a_case_that_nobody_touched_is_not_kept(opened: Any, session: Any, home: Path) -> None:
    session.closeScene()
    settle(opened, session)
    assert not opened.ui.resumeFrame.visible and not list((home / "reviews").iterdir())


def test_a_damaged_review_is_left_alone(opened: Any, session: Any, home: Path) -> None:
    session.keys("n")
    session.closeScene()
    settle(opened, session)
    (folder,) = (home / "reviews").iterdir()
    opened.resume.release()
    (folder / "results" / "session.json").write_text("{")
    session.leaveModule()
    session.openModule(MODULE)
    assert not opened.ui.resumeFrame.visible and not opened.messages.text and folder.is_dir()


def test_no_name_of_the_volume_reaches_the_disk(
    module: Any, session: Any, water: Any, results: Path, home: Path
) -> None:
    water.SetName("Doe^Jane")
    water.SetAttribute("DICOM.instanceUIDs", "1.2.3.4")
    openResults(module, session, water, results)
    session.keys("n")
    settle(module, session)
    session.closeScene()
    settle(module, session)
    for path in home.rglob("*"):
        assert "Doe" not in path.name
        assert not path.is_file() or b"Doe^Jane" not in path.read_bytes()
