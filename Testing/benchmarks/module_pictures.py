"""The tutorial in pictures: the shipped sample, from opening it to the saved correction.

It plays the module in its window (on the widget harness) with mouse and keys and
writes ``Resources/Screenshots/module-1-segment.png`` to ``module-7-learned.png``. The last is of
two tiny networks that learn from five made cases in a minute: what they reach is no measure.
Run from the repository's root with Slicer's environment::

    export MUSCLEFM_LIBRARY_PYTHON=… PYTHONPATH=MuscleFMSegment
    python Testing/benchmarks/module_pictures.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "slicer"), str(HERE.parent / "slicer" / "widgets")]

from harness import boot  # noqa: E402
from harness.virtual_display import VirtualDisplay  # noqa: E402
from playing import MODULE  # noqa: E402
from scripted_learner import TINY_MODEL_AND_STORE  # noqa: E402

SAMPLE = REPOSITORY / "Resources" / "Samples" / "severe-thighs"
PICTURES = REPOSITORY / "Resources" / "Screenshots"
SIZE = (1600, 1000)
PATIENCE_S = 600.0
BRUSH_MM, DABS = 9.0, 24
COLOURS = 48


class Photographer:
    """Takes pictures of the window and keeps them small."""

    def __init__(self, session: Any) -> None:
        self._session = session
        session.window.resize(*SIZE)

    def take(self, name: str, shown: Any = None) -> None:
        """Write a picture, with a widget of the panel scrolled into sight."""
        if shown is not None:
            self._session._reveal(shown)
        path = PICTURES / f"module-{name}.png"
        self._session.screenshot(path)
        with Image.open(path) as picture:
            # An octree keeps the few pixels of outlines and legend in their own colours.
            small = picture.convert("RGB").quantize(
                COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
            )
        small.save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size // 1000} kB")


def play(session: Any, photographer: Photographer) -> None:
    """Go through the tutorial."""
    import slicer

    water, fat = (slicer.util.loadVolume(str(SAMPLE / f"{x}.nii.gz")) for x in ("water", "fat"))
    water.SetName("SevereThighs-water")
    fat.SetName("SevereThighs-fat")
    panel = session.openModule(MODULE).panel
    choices = panel.segment.ui
    choices.inputSelector.setCurrentNode(water)
    choices.secondSelector.setCurrentNode(fat)
    choices.cardGroup.collapsed = False
    session.waitFor(
        lambda: panel.segment.hasInventory and not panel.inventory.isRunning, PATIENCE_S
    )

    session.click(choices.applyButton)
    session.waitFor(lambda: "left" in choices.progressLabel.text, PATIENCE_S)
    photographer.take("1-segment", panel.ui.researchLabel)
    session.waitFor(lambda: not panel.run.isRunning, PATIENCE_S)
    session.waitFor(lambda: not panel.control.isOpening, PATIENCE_S)
    photographer.take("2-results", panel.ui.researchLabel)

    session.keys("n")
    session.process(300)
    photographer.take("3-region", panel.ui.researchLabel)
    ask_for_another_opinion(session, panel, photographer)

    review = panel.control.openCase.review
    first, last = review.queue.current.region.slices
    paint(session, panel, review, review.shownSlice)
    session.click(panel.control.correct.ui.compareCheckBox)
    session.waitFor(lambda: review.queue.current.status == "corrected", PATIENCE_S)
    session.keys("Esc")
    photographer.take("4-corrected", panel.ui.researchLabel)

    session.click(panel.control.correct.ui.compareCheckBox)
    for index in (first, last):
        paint(session, panel, review, index)
    session.keys("Esc")
    session.keys("c")
    session.waitFor(lambda: "Take" in panel.control.correct.ui.carryButton.text, PATIENCE_S)
    review.goToSlice(first + 1)
    session.process(300)
    photographer.take("4-carried", panel.ui.researchLabel)
    session.keys("c")
    session.waitFor(lambda: not panel.background.isBusy, PATIENCE_S)

    while review.queue.to_do_count:
        session.keys("k")
    extent = panel.control.saving.panel.ui.extentSelector
    extent.setCurrentIndex(extent.count - 1)
    session.click(panel.control.saving.panel.ui.saveButton)
    session.waitFor(lambda: review.storedSample is not None, PATIENCE_S)
    session.process(300)
    photographer.take("5-saved", panel.ui.researchLabel)

    panel.ui.saveSection.collapsed = True
    panel.ui.learnSection.collapsed = False
    session.waitFor(lambda: "1 " in panel.learn.panel.ui.learnLabel.text, PATIENCE_S)
    photographer.take("6-learn", panel.ui.researchLabel)
    assert not session.errors, session.errors


def ask_for_another_opinion(session: Any, panel: Any, photographer: Photographer) -> None:
    """Compare with the labels that the sample was rendered from, and take them away again."""
    ui, review = panel.control.review.ui, panel.control.openCase.review
    before = review.queue.current.region.id
    session.click(ui.opinionButton)
    session.answer(str(SAMPLE / "labels.nii.gz"))
    session.click(ui.opinionFileButton)
    session.waitFor(lambda: review.secondOpinion is not None, PATIENCE_S)
    found = [entry.region for entry in review.queue.entries if entry.region.disagreement == 1]
    review.goTo(found[0].id)
    session.process(300)
    photographer.take("3-opinion", panel.ui.researchLabel)
    session.click(ui.opinionRemoveButton)
    session.waitFor(lambda: review.secondOpinion is None, PATIENCE_S)
    session.click(ui.opinionButton)
    review.goTo(before)


def learn(session: Any, photographer: Photographer) -> None:
    """Let a tiny model learn, and show the new version against the old one."""
    session.closeScene()
    folders = (MODULE.parent, HERE.parent / "unit")
    subprocess.run(
        [
            *(os.environ["MUSCLEFM_LIBRARY_PYTHON"], "-c", TINY_MODEL_AND_STORE),
            os.environ["MUSCLEFM_HOME"],
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))},
        check=True,
    )
    panel = session.openModule(MODULE).panel
    panel.inventory.refreshAndChoose("tiny")
    session.waitFor(lambda: panel.segment.model == "tiny", PATIENCE_S)
    panel.ui.segmentSection.collapsed = True
    panel.ui.learnSection.collapsed = False
    ui = panel.learn.panel.ui
    session.waitFor(lambda: ui.learnButton.enabled, PATIENCE_S)
    session.click(ui.learnButton)
    session.waitFor(lambda: not panel.learn.isLearning, PATIENCE_S)
    session.waitFor(lambda: ui.comparisonFrame.visible, PATIENCE_S)
    session.process(300)
    photographer.take("7-learned", panel.ui.researchLabel)
    assert not session.errors, session.errors


def paint(session: Any, panel: Any, review: Any, index: int) -> None:
    """Go to a slice and paint the current region where the model has left it out."""
    import numpy as np

    case, region = review.case, review.queue.current.region
    axis = region.slice_axis
    review.goToSlice(index)
    session.process(100)
    left = np.moveaxis((case.regions == region.id) & (case.modelLabels == 0), 2 - axis, 0)[index]
    editor = panel.control.correct.editor
    editor.setActiveEffectByName("Paint")
    effect = editor.activeEffect()
    effect.setCommonParameter("BrushDiameterIsRelative", 0)
    effect.setCommonParameter("BrushAbsoluteDiameter", BRUSH_MM)
    places = np.argwhere(left)
    for row, column in places[:: max(1, len(places) // DABS)]:
        kji = [int(row), int(column)]
        kji.insert(2 - axis, index)
        ras = (case.grid.ijk_to_ras @ [*kji[::-1], 1.0])[:3]
        session.stroke([tuple(ras.tolist())])


def main() -> None:
    """Start the window and play."""
    folder = Path(tempfile.mkdtemp(prefix="musclefm-pictures-"))
    os.environ["MUSCLEFM_HOME"] = str(folder / "home")
    screen = VirtualDisplay()
    os.environ["DISPLAY"] = screen.name
    status = 1
    try:
        session = boot(folder)
        photographer = Photographer(session)
        play(session, photographer)
        learn(session, photographer)
        status = 0
    finally:
        screen.stop()
        sys.stdout.flush()
        sys.stderr.flush()
        if status == 0:
            # Taking VTK and Qt down in order may crash.
            os._exit(0)


if __name__ == "__main__":
    main()
