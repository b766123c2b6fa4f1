"""Edits keep neighbours unless asked not to, erase what is one's own, and can be undone."""

import numpy as np
import pytest
from made_results import addVolume, made_image, sided
from segment_editor import SegmentEditor

from MuscleFMSegmentLib.scene.editing import Editing
from MuscleFMSegmentLib.scene.geometry import voxels
from MuscleFMSegmentLib.scene.labels import sidedLabels
from MuscleFMSegmentLib.scene.results import loadResults

RIGHT_FIRST, RIGHT_SECOND, LEFT_FIRST = 1, 2, 13


class Desk:
    """A case with the editor set up, and what a reader does there."""

    def __init__(self, application, case) -> None:
        self.case = case
        self.editing = Editing(application.scene, case)
        self.editor = SegmentEditor(application, self.editing.editorNode, case)

    def labels(self) -> np.ndarray:
        return sidedLabels(self.case.segmentationNode, self.case.scheme, self.case.volumeNode)

    def layers(self) -> int:
        return self.case.segmentationNode.GetSegmentation().GetNumberOfLayers()

    def edit(self, side, label_id, where, how, **options) -> None:
        assert self.editing.selectMuscle(side, label_id)
        self.editor.apply(where, how, **options)


@pytest.fixture
def desk(application, opened) -> Desk:
    return Desk(application, opened.case)


@pytest.fixture
def stroke(opened) -> np.ndarray:
    """Return a block that holds voxels of the first two right muscles and of none."""
    labels = opened.case.modelLabels
    rows, columns = np.nonzero(labels[6] == RIGHT_FIRST)
    where = np.zeros(labels.shape, bool)
    where[4:8, rows.min() - 4 : rows.max() + 6, columns.min() - 3 : columns.max() + 3] = True
    assert {0, RIGHT_FIRST, RIGHT_SECOND} <= set(np.unique(labels[where]))
    return where


def test_painting_keeps_the_neighbours(desk, stroke) -> None:
    before = desk.labels()
    desk.edit("right", RIGHT_FIRST, stroke, "paint")
    expected = np.where(stroke & (before == 0), RIGHT_FIRST, before)
    assert (expected != before).any()
    assert np.array_equal(desk.labels(), expected)


def test_erasing_takes_from_the_own_segment_alone(desk, stroke) -> None:
    before = desk.labels()
    desk.edit("right", RIGHT_FIRST, stroke, "erase")
    assert np.array_equal(desk.labels(), np.where(stroke & (before == RIGHT_FIRST), 0, before))


def test_thresholding_keeps_the_neighbours(desk) -> None:
    before = desk.labels()
    bright = voxels(desk.case.volumeNode.GetImageData()) > 250
    desk.edit("left", LEFT_FIRST - 12, bright, "replace")
    after = desk.labels()
    others = (before > 0) & (before != LEFT_FIRST)
    assert np.array_equal(after[others], before[others])
    assert np.array_equal(after == LEFT_FIRST, bright & ~others)


def test_neighbours_give_way_when_asked_to(desk, stroke) -> None:
    before = desk.labels()
    desk.editing.setNeighboursKept(False)
    desk.edit("right", RIGHT_FIRST, stroke, "paint")
    assert np.array_equal(desk.labels(), np.where(stroke, RIGHT_FIRST, before))
    assert desk.layers() == 1
    desk.editing.setNeighboursKept(True)
    assert desk.editing.neighboursKept


def test_an_effect_that_bypasses_masking_still_takes_no_voxel_from_a_neighbour(
    desk, stroke
) -> None:
    before = desk.labels()
    desk.edit("right", RIGHT_FIRST, stroke, "paint", bypass=True)
    assert desk.layers() == 2
    assert np.array_equal(desk.labels(), np.where(stroke & (before == 0), RIGHT_FIRST, before))


def test_edits_of_several_muscles_are_undone_and_redone_one_by_one(desk, stroke) -> None:
    seen = [desk.labels()]
    third_left = seen[0] == 15
    for side, label_id, where, how in (
        ("right", RIGHT_FIRST, stroke, "erase"),
        ("right", RIGHT_SECOND, stroke, "paint"),
        ("left", 3, third_left, "erase"),
        ("left", 2, third_left, "paint"),
    ):
        desk.edit(side, label_id, where, how)
        seen.append(desk.labels())
        assert not np.array_equal(seen[-1], seen[-2])
    assert desk.layers() == 1
    for labels in seen[-2::-1]:
        desk.editor.logic.Undo()
        assert np.array_equal(desk.labels(), labels)
    for labels in seen[1:]:
        desk.editor.logic.Redo()
        assert np.array_equal(desk.labels(), labels)


def test_a_muscle_that_was_erased_wholly_can_be_painted_again(desk) -> None:
    before = desk.labels()
    desk.edit("right", RIGHT_FIRST, before == RIGHT_FIRST, "erase")
    assert not (desk.labels() == RIGHT_FIRST).any()
    desk.edit("right", RIGHT_FIRST, before == RIGHT_FIRST, "paint")
    assert np.array_equal(desk.labels(), before)


def test_a_deleted_segment_cannot_be_selected(desk) -> None:
    desk.case.segmentationNode.RemoveSegment("left_gracilis")
    gracilis = next(x.id for x in desk.case.scheme.labels if x.name == "gracilis")
    assert not desk.editing.selectMuscle("left", gracilis)
    assert desk.editing.selectMuscle("right", gracilis)


def test_the_next_case_is_edited_with_the_same_node(application, desk, axial_results) -> None:
    folder, maps = axial_results
    desk.editing.release()
    other = loadResults(application.scene, folder, addVolume(application.scene, made_image(maps)))
    again = Editing(application.scene, other)
    assert again.editorNode is desk.editing.editorNode
    assert again.editorNode.GetSegmentationNode() is other.segmentationNode
    assert again.neighboursKept
    assert np.array_equal(desk.labels(), sided(maps))
