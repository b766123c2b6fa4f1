"""All that the module names of Slicer, Qt and VTK exists there, also where no test comes by."""

from __future__ import annotations

from pathlib import Path

import pytest

MODULE = Path(__file__).resolve().parents[2] / "MuscleFMSegment"
SOURCES = [MODULE / "MuscleFMSegment.py", *sorted((MODULE / "MuscleFMSegmentLib").rglob("*.py"))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(MODULE).as_posix())
def test_names_exist_in_slicer(application, path) -> None:
    from harness.source_names import wrongNames

    assert wrongNames(path) == []


def test_wrong_names_are_found(application, tmp_path) -> None:
    from harness.source_names import wrongNames

    source = """
import qt, slicer, vtk
qt.Qt.AlignLeft, qt.QLabel("text"), slicer.util.mainWindow, vtk.vtkCommand.ModifiedEvent
qt.Qt.AlignmentFlag.AlignLeft
qt.QLabel("text", parent=None)
slicer.util.mainWindows()
slicer.vtkMRMLScalarVolumeNode.NoSuchEvent
slicer.app.layoutManager(), slicer.app.noSuchThing
qt.QDialog().exec()
vtk.vtkNoSuchFilter()
"""
    (tmp_path / "source.py").write_text(source, "utf-8")
    lines = [int(entry.split(":")[0]) for entry in wrongNames(tmp_path / "source.py")]
    assert lines == [4, 5, 6, 7, 8, 9, 10]
