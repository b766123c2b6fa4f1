"""What the reader takes along: the muscle table, the muscles in 3-D, the guide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playing import REPOSITORY, settle, sidedLabels

from musclefm.results.tables import muscles_from_csv


def empty(module: Any, session: Any, value: int) -> None:
    """Take away all of a muscle."""
    from MuscleFMSegmentLib.scene.labels import applySidedLabels

    case, labels = module.control.openCase.review.case, sidedLabels(module)
    labels[labels == value] = 0
    applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, labels)
    settle(module, session)


def test_the_table_is_copied_and_exported_as_it_is_after_edits(
    opened: Any, session: Any, tmp_path: Path
) -> None:
    import qt

    review, ui = opened.control.openCase.review, opened.control.muscles.ui
    empty(opened, session, 3)
    session.click(ui.copyButton)
    copied = qt.QApplication.clipboard().text()
    file = tmp_path / "muscles.csv"
    session.answer(str(file))
    session.click(ui.exportTableButton)
    written = muscles_from_csv(file.read_text("utf-8"))
    assert [(m.side, m.label_id) for m in written] == [
        (m.side, m.label_id) for m in review.case.muscles
    ]
    expected = {(m.side, m.label_id): m.volume_ml for m in review.measures}
    assert expected["right", 3] == 0
    for muscle in written:
        assert muscle.volume_ml == pytest.approx(expected[muscle.side, muscle.label_id], abs=0.01)
    header, *rows = copied.splitlines()
    assert len(rows) == len(written) and header.split("\t")[:2] == ["Side", "Muscle"]
    assert copied.replace("\t", ",") == file.read_text("utf-8")


def test_a_table_that_cannot_be_written_is_said(opened: Any, session: Any, tmp_path: Path) -> None:
    session.answer(str(tmp_path / "missing" / "muscles.csv"))
    session.click(opened.control.muscles.ui.exportTableButton)
    assert opened.messages.text


def test_the_muscles_are_shown_in_3d_and_no_more(opened: Any, session: Any) -> None:
    node = opened.control.openCase.review.case.segmentationNode
    button = opened.control.muscles.ui.show3dButton
    segmentation = node.GetSegmentation()
    assert not segmentation.ContainsRepresentation("Closed surface")
    session.click(button)
    assert segmentation.ContainsRepresentation("Closed surface")
    assert node.GetDisplayNode().GetVisibility3D()
    session.click(button)
    assert not segmentation.ContainsRepresentation("Closed surface")
    session.click(button)
    empty(opened, session, 3)
    assert not button.checked, "labels that were replaced have no surfaces"
    session.click(button)
    opened.control.close()
    assert not button.checked


def test_the_guide_that_is_linked_is_there(module: Any) -> None:
    label = module.ui.guideLabel
    homepage = next(
        line.split('"')[1]
        for line in (REPOSITORY / "CMakeLists.txt").read_text("utf-8").splitlines()
        if "EXTENSION_HOMEPAGE" in line
    )
    address = label.text.split('"')[1]
    page = address.removeprefix(f"{homepage}/blob/main/")
    assert page != address and (REPOSITORY / page).is_file() and label.openExternalLinks
