"""Exporting the labels as they are now, in each format."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
import slicer
from playing import openResults, segmented, settle, sidedLabels

from musclefm.exchange.formats import FORMATS, LabelFormat
from musclefm.labels.scheme import segment_name
from musclefm.volumes.reading import read_volume
from musclefm.volumes.writing import write_volume


def export(module: Any, session: Any, index: int, *answers: str) -> None:
    session.answer(*answers)
    module.control.saving.panel.exportMenu.actions()[index].trigger()
    # The labels are written first, then they are exported.
    settle(module, session)
    session.waitFor(lambda: not module._exporter.isRunning)


def test_a_labelmap_holds_the_corrected_labels(opened: Any, session: Any, tmp_path: Path) -> None:
    from MuscleFMSegmentLib.scene.labels import applySidedLabels

    case = opened.control.openCase.review.case
    labels = sidedLabels(opened)
    labels[:, :30] = 0
    applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, labels)
    settle(opened, session)
    export(opened, session, 0, str(tmp_path / "out"))
    assert (
        opened.control.saving.panel.ui.savedLabel.text == "Exported." and not opened.messages.text
    )
    written = read_volume(tmp_path / "out" / "labels.nii.gz").volume
    assert np.array_equal(written.array, labels)
    assert written.grid.matches(case.grid)


def test_a_segmentation_is_written(opened: Any, session: Any, tmp_path: Path) -> None:
    export(opened, session, 1, str(tmp_path / "out"))
    assert (tmp_path / "out" / "labels.seg.nrrd").is_file()


def test_a_file_of_that_name_is_not_replaced(opened: Any, session: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "labels.nii.gz").write_text("mine")
    export(opened, session, 0, str(tmp_path / "out"))
    assert "give a new or empty folder" in opened.messages.text
    assert [x.read_text() for x in (tmp_path / "out").iterdir()] == ["mine"]


def test_dicom_needs_the_series(opened: Any, session: Any, tmp_path: Path, few_slices: Any) -> None:
    export(opened, session, 2, str(tmp_path / "out"), str(few_slices["water"].parent))
    assert "DICOM" in opened.messages.text and not (tmp_path / "out").exists()


def test_dicom_belongs_to_the_series_that_the_volume_was_loaded_from(
    module: Any, session: Any, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = shared / "scans" / "thigh-mese-dicom"
    write_volume(read_volume(series).volume, tmp_path / "scan.nrrd")
    node = slicer.util.loadVolume(str(tmp_path / "scan.nrrd"))
    results = segmented([str(tmp_path / "scan.nrrd")], tmp_path / "segmented" / "results")
    opened = openResults(module, session, node, results)
    files = {}
    for path in sorted(series.iterdir()):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        files[header.SOPInstanceUID] = str(path)
    node.SetAttribute("DICOM.instanceUIDs", " ".join(files))
    database = SimpleNamespace(fileForInstance=lambda uid: files.get(uid, ""))
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    export(opened, session, 2, str(tmp_path / "out"))
    assert (
        opened.control.saving.panel.ui.savedLabel.text == "Exported." and not opened.messages.text
    )
    written = pydicom.dcmread(tmp_path / "out" / "labels.dcm")
    assert written.Modality == "SEG" and written.PatientID == header.PatientID
    case = opened.control.openCase.review.case
    present = np.unique(sidedLabels(opened)[sidedLabels(opened) > 0]).tolist()
    named = case.scheme.labels_of_sides()
    wanted = {segment_name(*named[value]) for value in present}
    assert {segment.SegmentLabel for segment in written.SegmentSequence} == wanted


@pytest.mark.parametrize("answers", [("",), ("{out}", "")])
def test_cancelling_writes_nothing(
    opened: Any, session: Any, tmp_path: Path, answers: tuple[str, ...]
) -> None:
    export(opened, session, 2, *(text.format(out=tmp_path / "out") for text in answers))
    assert not (tmp_path / "out").exists() and not opened.messages.text


def test_a_format_that_was_added_to_the_librarys_table_is_in_the_menu(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from MuscleFMSegmentLib.widgets.save_panel import SavePanel

    added = LabelFormat("NumPy", ".npz", lambda folder, scan: None)
    monkeypatch.setitem(FORMATS, "numpy", added)
    chosen: list[str] = []
    panel = SavePanel(lambda: None, lambda: None, chosen.append)
    actions = panel.exportMenu.actions()
    assert [action.text for action in actions][-2:] == ["DICOM SEG…", "NumPy…"]
    actions[-1].trigger()
    assert chosen == ["numpy"]
