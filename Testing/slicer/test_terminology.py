"""Slicer's own terminology logic knows the muscles, and the segments of results by them."""

from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk

from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.labels.scheme import load_scheme
from musclefm.labels.sided import with_sides
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.startup.registration import CONTEXT_NAME, loadTerminology


@pytest.fixture
def logic():
    """Return the logic, with the muscles loaded."""
    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    assert loadTerminology(logic)
    return logic


def test_every_muscle_can_be_chosen_with_its_side(logic) -> None:
    category = slicer.vtkSlicerTerminologyCategory()
    assert logic.GetNthCategoryInTerminology(CONTEXT_NAME, 0, category)
    assert category.GetCodeMeaning() == "Anatomical Structure"
    assert not category.GetShowAnatomy()
    chosen = {}
    muscle, side = slicer.vtkSlicerTerminologyType(), slicer.vtkSlicerTerminologyType()
    for index in range(logic.GetNumberOfTypesInTerminologyCategory(CONTEXT_NAME, category)):
        assert logic.GetNthTypeInTerminologyCategory(CONTEXT_NAME, category, index, muscle)
        sides = range(
            logic.GetNumberOfTypeModifiersInTerminologyType(CONTEXT_NAME, category, muscle)
        )
        for number in sides:
            assert logic.GetNthTypeModifierInTerminologyType(
                CONTEXT_NAME, category, muscle, number, side
            )
            colour = tuple(side.GetRecommendedDisplayRGBValue())
            code = (muscle.GetCodingSchemeDesignator(), muscle.GetCodeValue())
            chosen[(*code, side.GetCodeMeaning())] = (muscle.GetCodeMeaning(), colour)
    labels = {label for name in ("thigh-11", "thigh-12") for label in load_scheme(name).labels}
    assert chosen == {
        (label.code.scheme, label.code.value, side): (label.code.meaning, label.colour)
        for label in labels
        for side in ("Left", "Right")
    }


def test_segments_of_results_are_found_in_it(logic, tmp_path: Path) -> None:
    scheme = load_scheme("thigh-12")
    labels = np.zeros((2, 3, 24), np.uint8)
    labels[...] = np.tile(np.arange(1, 13), 2)
    sides = np.repeat(np.array([1, 2], np.uint8), 12) * np.ones_like(labels)
    grid = Grid((2, 3, 24), (1.0, 1.0, 5.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    path = tmp_path / "labels.seg.nrrd"
    write_seg_nrrd(path, Volume(with_sides(labels, sides, scheme), grid), scheme)

    scene = slicer.vtkMRMLScene()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    segmentation = node.GetSegmentation()
    assert segmentation.GetNumberOfSegments() == 24
    for number in range(24):
        segment = segmentation.GetNthSegment(number)
        entry, text = slicer.vtkSlicerTerminologyEntry(), vtk.reference("")
        segment.GetTag("TerminologyEntry", text)
        assert logic.DeserializeTerminologyEntry(str(text), entry)
        assert logic.UpdateEntryFromLoadedTerminologies(entry, [], [])
        assert entry.GetTerminologyContextName() == CONTEXT_NAME
        side = entry.GetTypeModifierObject()
        assert side.GetCodeMeaning() == segment.GetName().split()[0]
        shown = tuple(round(255 * channel) for channel in segment.GetColor())
        assert tuple(side.GetRecommendedDisplayRGBValue()) == shown


def test_a_terminology_that_slicer_cannot_read_is_reported(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        "MuscleFMSegmentLib.startup.registration._TERMINOLOGY", tmp_path / "absent.term.json"
    )
    assert not loadTerminology(slicer.vtkSlicerTerminologiesModuleLogic())
