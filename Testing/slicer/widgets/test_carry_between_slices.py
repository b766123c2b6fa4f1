"""A muscle that was corrected in two slices is carried to those between, by button or key."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
from playing import chooseVerified, settle
from playing import sidedLabels as sided
from scipy import ndimage

from musclefm.corrections.store import CorrectionStore
from musclefm.labels.segment_names import segment_id

CORRECTED = (1, 4)


@pytest.fixture
def corrected(opened: Any, session: Any) -> tuple[Any, int]:
    """Return the module with a muscle grown in two slices by the reader, and its value."""
    review = opened.control.openCase.review
    case = review.case
    labels = sided(opened)
    value = int(np.bincount(labels[labels > 0]).argmax())
    for k in CORRECTED:
        grown = ndimage.binary_dilation(labels[k] == value, iterations=3)
        labels[k][grown & (labels[k] == 0)] = value
    from MuscleFMSegmentLib.scene.labels import applySidedLabels

    applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, labels)
    settle(opened, session)
    side, label = case.scheme.labels_of_sides()[value]
    assert review.editing.selectMuscle(side, label.id)
    return opened, value


def outlines() -> int:
    return slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")


def test_it_is_shown_first_and_taken_as_one_step_that_can_be_undone(
    corrected: tuple[Any, int], session: Any
) -> None:
    module, value = corrected
    review, button = module.control.openCase.review, module.control.correct.ui.carryButton
    before, shown = sided(module), outlines()

    session.keys("c")
    settle(module, session)
    assert outlines() == shown + 1 and "proposed" in button.text
    assert np.array_equal(sided(module), before), "a preview changes nothing"
    preview = slicer.mrmlScene.GetFirstNodeByName("Proposed outline").GetSegmentation()
    assert preview.GetNumberOfSegments() == 1

    session.click(button)
    settle(module, session)
    after = sided(module)
    assert outlines() == shown and "yellow" not in button.text
    assert ((after == value) & (before != value))[2:4].any()
    assert np.array_equal(after[list(CORRECTED)], before[list(CORRECTED)])
    others = (before != value) & (before != 0)
    assert np.array_equal(after[others], before[others])

    session.keys("z")
    settle(module, session)
    assert np.array_equal(sided(module), before) and not review.carrying.unseen
    session.keys("y")
    settle(module, session)
    assert np.array_equal(sided(module), after)


def test_what_was_carried_is_verified_only_once_it_was_seen(
    corrected: tuple[Any, int], session: Any
) -> None:
    module, value = corrected
    review = module.control.openCase.review
    review.goToSlice(CORRECTED[0])
    session.keys("c")
    settle(module, session)
    session.keys("c")
    settle(module, session)
    (unseen,) = review.carrying.unseen
    assert unseen.value == value and not set(unseen.slices) & set(CORRECTED)
    assert {2, 3} <= set(unseen.slices)
    assert review.session().unseen == (unseen,)

    review.goToSlice(2)
    session.process()
    (unseen,) = review.carrying.unseen
    assert 2 not in unseen.slices and 3 in unseen.slices

    chooseVerified(module, "whole case")
    session.click(module.control.saving.panel.ui.saveButton)
    settle(module, session)
    (sample,) = CorrectionStore().samples()
    assert sample.record.reviewed.unseen == (unseen,)
    learned = CorrectionStore().training_labels(sample.id).array
    labels = sided(module)
    assert (learned[3][labels[3] == value] == 255).all()
    assert (learned[2] == labels[2]).all()


def test_a_muscle_that_nobody_corrected_is_said_to_be_as_the_model_drew_it(
    corrected: tuple[Any, int], session: Any
) -> None:
    module, value = corrected
    review = module.control.openCase.review
    scheme = review.case.scheme
    other = next(v for v in np.unique(sided(module)).tolist() if v not in (0, value))
    side, label = scheme.labels_of_sides()[other]
    review.editing.editorNode.SetSelectedSegmentID(segment_id(side, label))
    session.keys("c")
    settle(module, session)
    assert "as the model drew it" in module.messages.text


def test_an_edit_takes_the_preview_away(corrected: tuple[Any, int], session: Any) -> None:
    module, value = corrected
    shown = outlines()
    session.keys("c")
    settle(module, session)
    assert outlines() == shown + 1
    from MuscleFMSegmentLib.scene.labels import applySidedLabels

    case, labels = module.control.openCase.review.case, sided(module)
    labels[5][labels[5] == value] = 0
    applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, labels)
    settle(module, session)
    assert outlines() == shown and "yellow" not in module.control.correct.ui.carryButton.text
