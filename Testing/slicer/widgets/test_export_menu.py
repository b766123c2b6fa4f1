"""Exporting the labels as they are now, in each format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playing import settle, sidedLabels

from musclefm.volumes.reading import read_volume


def export(module: Any, session: Any, index: int, *answers: str) -> None:
    session.answer(*answers)
    module.control.save.exportMenu.actions()[index].trigger()
    session.waitFor(lambda: not module._exporter.isRunning, 60)
    settle(module, session)


def test_a_labelmap_holds_the_corrected_labels(opened: Any, session: Any, tmp_path: Path) -> None:
    from MuscleFMSegmentLib.scene.labels import applySidedLabels

    case = opened.control.openCase.review.case
    labels = sidedLabels(opened)
    labels[:, :30] = 0
    applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, labels)
    settle(opened, session)
    export(opened, session, 0, str(tmp_path / "out"))
    assert opened.control.save.ui.savedLabel.text == "Exported." and not opened.messages.text
    written = read_volume(tmp_path / "out" / "labels.nii.gz").volume
    assert np.array_equal(written.array, labels)
    assert written.grid.matches(case.grid)


def test_a_segmentation_is_written(opened: Any, session: Any, tmp_path: Path) -> None:
    export(opened, session, 1, str(tmp_path / "out"))
    assert (tmp_path / "out" / "labels.seg.nrrd").is_file()


def test_dicom_needs_the_series(opened: Any, session: Any, tmp_path: Path, few_slices: Any) -> None:
    export(opened, session, 2, str(tmp_path / "out"), str(few_slices["water"].parent))
    assert "DICOM" in opened.messages.text and not (tmp_path / "out").exists()


@pytest.mark.parametrize("answers", [("",), ("{out}", "")])
def test_cancelling_writes_nothing(
    opened: Any, session: Any, tmp_path: Path, answers: tuple[str, ...]
) -> None:
    export(opened, session, 2, *(text.format(out=tmp_path / "out") for text in answers))
    assert not (tmp_path / "out").exists() and not opened.messages.text
