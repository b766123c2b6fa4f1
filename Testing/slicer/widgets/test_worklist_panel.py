"""A folder of cases: segmented in the background, reviewed one after another."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import slicer
from playing import chooseVerified, settle

from musclefm.corrections.store import CorrectionStore


@pytest.fixture
def folder(tmp_path: Path, few_slices: dict[str, Path]) -> Path:
    scans = tmp_path / "scans"
    (scans / "first").mkdir(parents=True)
    for channel, path in few_slices.items():
        shutil.copy(path, scans / "first" / f"{channel}.nrrd")
    shutil.copy(few_slices["water"], scans / "second.nrrd")
    (scans / "broken.nii.gz").write_bytes(b"no image")
    return scans


def statuses(module: Any) -> dict[str, str]:
    table = module.worklist.panel.ui.caseTable
    return {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount)}


def choose(module: Any, session: Any, folder: Path) -> None:
    module.ui.worklistSection.collapsed = False
    module.worklist.panel.ui.worklistPath.currentPath = str(folder)
    session.process()


def test_cases_are_segmented_in_the_background_and_saved_in_turn(
    module: Any, session: Any, folder: Path, home: Path
) -> None:
    choose(module, session, folder)
    ui = module.worklist.panel.ui
    assert statuses(module) == {
        "first": "waiting",
        "second.nrrd": "waiting",
        "broken.nii.gz": "waiting",
    }
    session.click(ui.processButton)
    session.waitFor(lambda: "ready" in statuses(module).values())
    assert module.worklist.isProcessing and ui.processButton.text == "Stop segmenting"
    ui.caseTable.selectRow(0)
    session.click(ui.openButton)
    settle(module, session)
    first = module.control.openCase
    assert first is not None
    session.waitFor(lambda: not module.worklist.isProcessing)
    assert statuses(module)["broken.nii.gz"] == "failed"
    wrong = [ui.caseTable.item(row, 2).text() for row in range(3)]
    assert sum(text.endswith(" mL") for text in wrong) == 2 and "" in wrong
    assert "cases failed" in module.messages.text

    chooseVerified(module, "whole case")
    session.keys("n")
    session.keys("k")
    session.keys("Ctrl+Return")
    settle(module, session)
    settle(module, session)
    second = module.control.openCase
    assert second is not None and second is not first
    assert len(CorrectionStore().samples()) == 1
    assert sorted(statuses(module).values()) in (
        ["failed", "in review", "saved"],
        ["failed", "ready", "saved"],
    )
    assert sum(title.startswith("▶ ") for title in statuses(module)) == 1
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    shown = [node for node in nodes if not node.GetHideFromEditors()]
    assert shown == [second.review.case.segmentationNode]

    session.keys("Ctrl+Return")
    settle(module, session)
    assert "o other case" in module.messages.text and len(CorrectionStore().samples()) == 2
    assert not session.messages


def test_a_case_that_waits_cannot_be_opened(module: Any, session: Any, folder: Path) -> None:
    choose(module, session, folder)
    module.worklist.openRow(0)
    assert "not segmented yet" in module.messages.text and module.control.openCase is None


def test_a_folder_without_scans_is_reported(module: Any, session: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    choose(module, session, tmp_path / "empty")
    assert "holds no scan" in module.messages.text
    assert not module.worklist.panel.ui.processButton.enabled


def test_the_background_ends_with_the_module(module: Any, session: Any, folder: Path) -> None:
    choose(module, session, folder)
    session.click(module.worklist.panel.ui.processButton)
    assert module.worklist.isProcessing
    slicer.modules.MuscleFMSegmentWidget.cleanup()
    assert not module.worklist.isProcessing
