"""Nobody waits: not for the muscles to be measured, nor for a case to be read or written."""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from playing import chooseVerified, openResults, settle
from playing import sidedLabels as sided

from musclefm.corrections.store import CorrectionStore
from musclefm.review.measures import MuscleTally
from musclefm.review.session_file import load_session
from MuscleFMSegmentLib.review.review_folders import ReviewFolders
from MuscleFMSegmentLib.scene.input_volume import inputImages, writeInput

EDITED = 2


class Held:
    """Something of the module that does not go on before it may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, file: str, name: str) -> None:
        # The module is imported once the window is open.
        module = import_module(f"MuscleFMSegmentLib.{file}")
        work = getattr(module, name)
        self.begun, self._may = threading.Event(), threading.Event()

        def held(*arguments: Any) -> Any:
            self.begun.set()
            assert self._may.wait(120.0)
            return work(*arguments)

        monkeypatch.setattr(module, name, held)

    def release(self) -> None:
        self._may.set()


def edit(module: Any, k: int = EDITED) -> np.ndarray:
    """Take half of what is labelled in a slice away, and return the labels."""
    from MuscleFMSegmentLib.scene.labels import applySidedLabels

    case, labels = module.control.openCase.review.case, sided(module)
    labels[k, ::2] = 0
    applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, labels)
    return labels


def volume(module: Any) -> float:
    return sum(measure.volume_ml for measure in module.control.openCase.review.measures)


def test_after_an_edit_only_the_slices_that_it_changed_are_counted(
    opened: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    count = MuscleTally.count

    def recorded(tally: MuscleTally, k: int, *arguments: Any) -> None:
        counted.append(k)
        count(tally, k, *arguments)

    monkeypatch.setattr(MuscleTally, "count", recorded)
    before = volume(opened)
    edit(opened)
    settle(opened, session)
    assert counted == [EDITED] and volume(opened) < before
    session.keys("n")
    opened.control.autosave()
    settle(opened, session)
    assert counted == [EDITED], "going on counted slices that nobody changed"


def test_a_save_does_not_wait_for_the_muscles_to_be_measured(
    opened: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chooseVerified(opened, "whole case")
    session.keys("n")
    review = opened.control.openCase.review
    # There is never time for a slice.
    monkeypatch.setattr("MuscleFMSegmentLib.review.measuring._PIECE_S", -1.0)
    labels = edit(opened)
    session.click(opened.control.saving.panel.ui.saveButton)
    session.waitFor(lambda: review.storedSample is not None)
    assert not review.isSettled
    stored = CorrectionStore().load(review.storedSample)
    assert np.array_equal(stored.labels.array, labels)
    differs = review.case.modelLabels != labels
    changed = set(np.unique(review.case.regions[differs]).tolist()) - {0}
    statuses = {entry.region_id: entry.status for entry in stored.review.entries}
    assert changed and {statuses[region] for region in changed} == {"corrected"}


def test_a_case_is_read_while_the_reader_goes_on_with_the_one_before(
    opened: Any, session: Any, water: Any, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = opened.control.openCase
    held = Held(monkeypatch, "review.stored_case", "read_results")
    folder = ReviewFolders().make()
    writeInput(inputImages({"water": water}), folder.input)
    folder.results.symlink_to(results)
    opened.control.open(folder, water)
    assert held.begun.wait(60.0) and opened.control.isOpening
    session.keys("n")
    labels = edit(opened)
    session.process(500)
    assert opened.control.openCase is before and before.review.queue.position == 0
    held.release()
    session.waitFor(lambda: not opened.control.isOpening)
    settle(opened, session)
    assert opened.control.openCase is not before
    kept, saved = load_session(before.folder.results)
    assert np.array_equal(saved.array, labels), "an edit was lost"
    assert kept.position == 0 and "corrected" in {entry.status for entry in kept.entries}
    shown = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert len([node for node in shown if not node.GetHideFromEditors()]) == 1


def test_a_closing_scene_does_not_wait_for_the_disk(
    opened: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.keys("n")
    labels = edit(opened)
    held = Held(monkeypatch, "review.open_case", "save_session")
    folder = opened.control.openCase.folder.results
    session.closeScene()
    assert held.begun.wait(60.0)
    assert opened.control.openCase is None and not opened.ui.resumeFrame.visible
    held.release()
    settle(opened, session)
    assert opened.ui.resumeFrame.visible
    assert np.array_equal(load_session(folder)[1].array, labels)


def test_a_scene_that_is_closed_meanwhile_gets_no_case(
    module: Any, session: Any, water: Any, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "review.stored_case", "read_results")
    folder = ReviewFolders().make()
    folder.results.symlink_to(results)
    failed: list[bool] = []
    module.control.open(folder, water, onFailed=lambda: failed.append(True))
    session.closeScene()
    held.release()
    settle(module, session)
    assert failed == [True] and module.control.openCase is None and not module.messages.text
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    folder.release()


def test_an_image_of_a_resumed_case_is_read_beside_the_main_thread(
    opened: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.keys("n")
    session.closeScene()
    settle(opened, session)
    held = Held(monkeypatch, "scene.input_volume", "read_stored")
    session.click(opened.ui.resumeButton)
    assert held.begun.wait(60.0) and opened.control.isOpening
    session.closeScene()
    held.release()
    settle(opened, session)
    assert opened.control.openCase is None and not opened.messages.text
    assert opened.ui.resumeFrame.visible, "the review is still this Slicer's"
    session.click(opened.ui.resumeButton)
    settle(opened, session)
    case = opened.control.openCase.review.case
    assert case.isInPlace and case.volumeNode.GetDisplayNode()
    (path,) = opened.control.openCase.folder.input.iterdir()
    voxels = slicer.util.arrayFromVolume(case.volumeNode)
    assert np.array_equal(voxels, slicer.util.arrayFromVolume(slicer.util.loadVolume(str(path))))


def test_slicer_draws_while_a_case_is_shown_and_may_close_the_scene(
    module: Any, session: Any, water: Any, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qt

    folder = ReviewFolders().make()
    folder.results.symlink_to(results)
    turns: list[Any] = []
    drawn = qt.QTimer()
    drawn.connect("timeout()", lambda: turns.append(module.control.openCase))
    drawn.start()
    with monkeypatch.context() as patches:
        patches.setattr(module.control.saving, "begin", lambda opened: session.closeScene())
        module.control.open(folder, water, onFailed=folder.release)
        session.waitFor(lambda: any(turns))
        settle(module, session)
    drawn.stop()
    assert module.control.openCase is None and not module.messages.text and not session.errors
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


def test_a_case_before_that_cannot_be_kept_stays_open(
    opened: Any, session: Any, water: Any, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import musclefm.storage.atomic as writing

    session.keys("n")
    labels = edit(opened)
    before = opened.control.openCase

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        folder = ReviewFolders().make()
        folder.results.symlink_to(results)
        full.setattr(writing.os, "fsync", refuse)
        opened.control.open(folder, water, onFailed=folder.release)
        session.waitFor(lambda: not opened.control.isOpening)
        assert opened.control.openCase is before and "not saved" in opened.messages.text
    assert np.array_equal(sided(opened), labels)
    openResults(opened, session, water, results)
    assert opened.control.openCase is not before
