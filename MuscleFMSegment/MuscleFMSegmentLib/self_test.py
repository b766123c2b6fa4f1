"""What a person runs in a real Slicer by one click on Reload and Test."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from musclefm.corrections.store import CorrectionStore
from musclefm.storage.resources import resource_folder

if TYPE_CHECKING:
    from MuscleFMSegmentLib.controllers.module_panel import ModulePanel

_ERASED = 4
_WHOLE_CASE = 2
_TIMEOUT_S = 300


def playThrough(panel: ModulePanel, show: Callable[[str], None]) -> None:
    """Go with the shipped sample from the volume to a saved correction, as a reader would.

    Parameters
    ----------
    panel : ModulePanel
        The module's panel, shown.
    show : callable
        Shows what is being done.

    Raises
    ------
    AssertionError
        Something is not as it should be.
    """
    show(_("Loading the sample"))
    folder = resource_folder() / "Samples" / "severe-thighs"
    water, fat = (slicer.util.loadVolume(str(folder / f"{x}.nii.gz")) for x in ("water", "fat"))
    panel.segment.ui.inputSelector.setCurrentNode(water)
    panel.segment.ui.secondSelector.setCurrentNode(fat)

    show(_("Segmenting, in a process of its own"))
    panel.segment.ui.applyButton.click()
    _wait(lambda: not (panel.run.isRunning or panel.control.isOpening), panel)
    opened = panel.control.openCase
    assert opened, "there are no results"
    review, case = opened.review, opened.review.case
    assert len(case.muscles) == 2 * len(case.scheme.labels), "muscles are missing"
    assert all(muscle.fat_fraction is not None for muscle in case.muscles if muscle.volume_ml > 1)

    show(_("Going to the first region"))
    panel.control.next()
    entry = review.queue.current
    assert entry, "nothing is flagged"

    show(_("Taking voxels away from its muscle, and undoing that"))
    before = review.sidedVolume().array.copy()
    editor = panel.control.correct.editor
    editor.saveStateForUndo()
    _erase(case, entry.region)
    _wait(lambda: review.queue.entries[0].status == "corrected", panel)
    editor.undo()
    _wait(lambda: review.queue.entries[0].status == "to do", panel)
    assert (review.sidedVolume().array == before).all(), "undo left something behind"
    editor.redo()
    _wait(lambda: review.queue.entries[0].status == "corrected", panel)

    show(_("Saving"))
    panel.control.saving.panel.ui.extentSelector.setCurrentIndex(_WHOLE_CASE)
    panel.control.saving.save()
    _wait(lambda: review.storedSample is not None, panel)
    assert review.storedSample
    stored = CorrectionStore().load(review.storedSample)
    assert (stored.labels.array == review.sidedVolume().array).all(), "other labels were saved"
    show(_("All is well"))


def _erase(case: Any, region: Any) -> None:
    """Empty a few voxels of the segment of a region."""
    from MuscleFMSegmentLib.scene.labels import applySidedLabels, sidedLabels

    labels = sidedLabels(case.segmentationNode, case.scheme, case.volumeNode)
    chosen = (case.regions == region.id) & (labels > 0)
    k, j, i = (axis[:_ERASED] for axis in chosen.nonzero())
    labels[k, j, i] = 0
    applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, labels)


def _wait(condition: Callable[[], bool], panel: ModulePanel) -> None:
    """Let Slicer run until a condition holds."""
    deadline = time.monotonic() + _TIMEOUT_S
    while not condition():
        slicer.app.processEvents()
        time.sleep(0.02)
        assert time.monotonic() < deadline, panel.messages.text or "it takes too long"
