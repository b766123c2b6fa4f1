"""What a saved case says is verified: what the reader looked at, unless the reader changes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playing import chooseVerified, settle
from playing import sidedLabels as sided

from musclefm.corrections.store import CorrectionStore
from musclefm.review.queue import ReviewQueue


@pytest.fixture
def shown(opened: Any, session: Any) -> Any:
    """Return the module with a case whose red view is at slice 0."""
    look(opened, session, 0)
    return opened


def look(module: Any, session: Any, *slices: int) -> None:
    """Show slices, each for long enough."""
    review = module.control.openCase.review
    for index in slices:
        review.goToSlice(index)
        session.waitFor(lambda index=index: index in review.visits.slices)


def stored(module: Any, session: Any) -> Any:
    """Save the case and return the verified part of the sample, and its labels for training."""
    session.click(module.control.saving.panel.ui.saveButton)
    settle(module, session)
    (sample,) = CorrectionStore().samples()
    return sample.record.reviewed, CorrectionStore().training_labels(sample.id).array


def acceptAll(module: Any) -> None:
    queue = module.control.openCase.review.queue
    for entry in queue.entries:
        queue.go_to(entry.region.id)
        queue.accept()
    module.control.onQueueChanged()


def test_a_slice_that_nobody_looked_at_is_never_verified(shown: Any, session: Any) -> None:
    review, ui = shown.control.openCase.review, shown.control.saving.panel.ui
    before = set(review.visits.slices)
    look(shown, session, 1, 4)
    # Scrolled past: none of these is shown for long enough.
    for index in (5, 3, 2, 1):
        review.goToSlice(index)
    session.process(300)
    assert review.visits.slices == before | {1, 4}
    acceptAll(shown)
    assert ui.verifiedEdit.text == "0-1, 4" and ui.verifiedEdit.isVisible()
    reviewed, learned = stored(shown, session)
    assert (reviewed.kind, reviewed.slices, reviewed.slice_axis) == ("slices", (0, 1, 4), 2)
    assert (learned[[2, 3, 5]] == 255).all()
    assert np.array_equal(learned[[0, 1, 4]], sided(shown)[[0, 1, 4]])


def test_a_slice_with_an_open_region_is_not_proposed(shown: Any, session: Any) -> None:
    review, ui = shown.control.openCase.review, shown.control.saving.panel.ui
    look(shown, session, *range(review.case.grid.shape[0]))
    session.click(ui.saveButton)
    settle(shown, session)
    assert ui.verifiedEdit.text == "" and "othing would be verified" in shown.messages.text
    assert shown.control.openCase.review.storedSample is None
    acceptAll(shown)
    assert ui.verifiedEdit.text == "0-5"
    queue = review.queue
    region = min((e.region for e in queue.entries), key=lambda r: r.slices[1] - r.slices[0])
    queue.go_to(region.id)
    queue.skip()
    inOpen = set(range(region.slices[0], region.slices[1] + 1))
    assert set(review.visits.verifiedSlices().slices) == set(range(6)) - inOpen


def test_the_reader_changes_the_slices_and_that_stays(shown: Any, session: Any) -> None:
    ui = shown.control.saving.panel.ui
    ui.verifiedEdit.selectAll()
    ui.verifiedEdit.setFocus()
    ui.verifiedEdit.text = "2-3,5"
    ui.verifiedEdit.textEdited.emit(ui.verifiedEdit.text)
    look(shown, session, 1)
    assert ui.verifiedEdit.text == "2-3,5"
    reviewed, _learned = stored(shown, session)
    assert reviewed.slices == (2, 3, 5)


def test_what_is_no_list_of_slices_is_refused(shown: Any, session: Any) -> None:
    ui = shown.control.saving.panel.ui
    for text in ("all", "3-1", "0-999999999999"):
        ui.verifiedEdit.text = text
        ui.verifiedEdit.textEdited.emit(text)
        session.click(ui.saveButton)
        settle(shown, session)
        assert "no list of slices" in shown.messages.text
    assert shown.control.openCase.review.storedSample is None


def test_a_muscle_is_verified_where_it_was_looked_at(shown: Any, session: Any) -> None:
    import qt

    module, review = shown, shown.control.openCase.review
    panel = module.control.saving.panel
    chooseVerified(module, "Muscles")
    session.process()
    assert panel.checkedMuscles == () and panel.ui.verifiedList.isVisible()
    acceptAll(module)
    review.queue.skip()
    module.control.onQueueChanged()
    everyone = set(review.case.scheme.labels_of_sides())
    isOpen = set(review.case.musclesOf(review.queue.entries[-1].region))
    visited = {v for e in review.queue.entries for v in review.case.musclesOf(e.region)} - isOpen
    assert visited and set(panel.checkedMuscles) == visited < everyone
    free = min(isOpen)
    panel.ui.verifiedList.item(panel._values.index(free)).setCheckState(qt.Qt.Checked)
    session.process()
    reviewed, learned = stored(module, session)
    assert reviewed.kind == "muscles" and set(reviewed.muscles) == visited | {free}
    labels = sided(module)
    assert (learned[labels == free] == free).all(), "one that the reader adds is verified whole"
    value = min(visited)
    looked = review.visits.slices | {
        k
        for entry in review.queue.entries
        if value in review.case.musclesOf(entry.region)
        for k in range(entry.region.slices[0], entry.region.slices[1] + 1)
    }
    for k in range(len(labels)):
        seen = learned[k][labels[k] == value]
        assert (seen == (value if k in looked else 255)).all()


def test_a_muscle_that_was_gone_to_is_visited(shown: Any, session: Any) -> None:
    case = shown.control.openCase.review.case
    free, (side, label) = next(iter(case.scheme.labels_of_sides().items()))
    others = [e for e in case.queue.entries if free not in case.musclesOf(e.region)]
    object.__setattr__(case, "queue", ReviewQueue.restored(others, None))
    review = shown.control.openCase.review
    assert free not in review.visits.verifiedMuscles().muscles
    review.goToMuscle(side, label.id)
    assert free in review.visits.verifiedMuscles().muscles


def test_visits_are_kept_with_the_review(shown: Any, session: Any) -> None:
    look(shown, session, 3)
    session.keys("n")
    session.keys("m")
    session.process(300)
    visited = shown.control.openCase.review.visits.slices
    assert {0, 3} <= visited
    session.closeScene()
    settle(shown, session)
    session.click(shown.ui.resumeButton)
    settle(shown, session)
    assert shown.control.openCase.review.visits.slices >= visited
