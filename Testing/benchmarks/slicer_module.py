"""How long the module holds up Slicer's main thread, step by step, by mouse and keys.

Two cases are played through in the module's window (on the widget harness, views drawn on the
processor): a made one of 512 x 512 x 60 voxels with 12 muscles on 2 sides, the size that the
project promises, and the real scan of ``../shared``, where that is there. A timer that should fire
every 5 ms tells how long the main thread was held up. Of the longest hold-up the processor time of
the main thread is printed, too, without what drawing the views took, and without what the harness
does to forms before Qt reads them: on a busy machine the clock says how long others had the
processor. A stroke, an undo and nodes that come and go are mostly Slicer's own; their rows say so.

Run from the repository's root with Slicer's environment::

    MUSCLEFM_LIBRARY_PYTHON=… PYTHONPATH=MuscleFMSegment python Testing/benchmarks/slicer_module.py
"""

from __future__ import annotations

import compileall
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SLICER = HERE.parent / "slicer"
sys.path[:0] = map(str, (SLICER, SLICER / "scene", SLICER / "widgets"))

from harness import boot  # noqa: E402
from harness.virtual_display import VirtualDisplay  # noqa: E402
from playing import MODULE, REAL_SCAN, chooseVerified, segmented  # noqa: E402


class Ticks:
    """Notes the longest hold-ups of the main thread, and how much of them was drawing."""

    def __init__(self, qt: Any) -> None:
        from harness.pythonqt.ui_file import UiFile
        from harness.widgets.slice_rendering import SliceRendering

        # Processor time so far, in seconds, of the drawing and of the harness alone.
        self._drawn = self._ofHarness = 0.0
        self._time(SliceRendering, "render", "_drawn")
        for name in ("read", "check", "forQt"):
            self._time(UiFile, name, "_ofHarness")
        self._timer = qt.QTimer()
        self._timer.interval = 5
        self._timer.connect("timeout()", self._tick)
        self._timer.start()
        self.restart()

    def _time(self, kind: type, name: str, total: str) -> None:
        """Add up what a function of a class takes."""
        work = getattr(kind, name)

        def timed(*arguments: Any) -> Any:
            begun = time.thread_time()
            done = work(*arguments)
            setattr(self, total, getattr(self, total) + time.thread_time() - begun)
            return done

        isBound = hasattr(work, "__self__")
        setattr(kind, name, staticmethod(timed) if isBound else timed)

    def restart(self) -> None:
        """Forget what was before: the benchmark's own preparations."""
        self._last = (time.perf_counter(), self._busy(), self._drawn)
        self._longest = self._busiest = self._drawing = 0.0

    def _tick(self) -> None:
        now = (time.perf_counter(), self._busy(), self._drawn)
        wall, busy, drawn = (b - a for a, b in zip(self._last, now, strict=True))
        self._longest = max(self._longest, wall)
        self._busiest = max(self._busiest, busy)
        self._drawing = max(self._drawing, drawn)
        self._last = now

    def _busy(self) -> float:
        return time.thread_time() - self._drawn - self._ofHarness

    @contextmanager
    def measured(self, what: str) -> Iterator[None]:
        """Print the longest hold-ups of what happens inside, as a row of a table."""
        self.restart()
        begun = time.perf_counter()
        yield
        taken = time.perf_counter() - begun
        self._tick()
        milliseconds = (self._longest, self._busiest, self._drawing)
        cells = " | ".join(f"{1000 * seconds:.0f} ms" for seconds in milliseconds)
        print(f"| {what} | {cells} | {taken:.2f} s |", flush=True)


class Player:
    """Plays a case through.

    Parameters
    ----------
    session
        The user's hands and eyes.
    panel : ModulePanel
        The module.
    ticks : Ticks
        Measures.
    """

    def __init__(self, session: Any, panel: Any, ticks: Ticks) -> None:
        self._session = session
        self._panel = panel
        self._ticks = ticks

    def play(self, volumeNode: Any, results: Path) -> None:
        """Print a row for each step of a case."""
        session, panel, control = self._session, self._panel, self._panel.control
        panel.segment.ui.inputSelector.setCurrentNode(volumeNode)
        session.waitFor(lambda: panel.segment.hasInventory and not panel.inventory.isRunning)
        self._step("Apply: the input checked and handed over, the run started", self._apply)
        panel.run.end()
        self._step("a case opened", lambda: self._open(volumeNode, results))
        self._step("the next region (N)", lambda: session.keys("n"))
        self._step("the next region once more", lambda: session.keys("n"))
        self._step("a region accepted (K)", lambda: session.keys("k"))
        self._step("a muscle gone to", self._goToMuscle)
        # Next, as a muscle gone to leaves the region, and the first has none before it.
        session.keys("n")
        self._settle()
        self._step("a stroke of the eraser, Slicer's own, and the numbers after it", self._erase)
        self._step("an autosave of changed labels", panel.control.autosave)
        self._step("undo, Slicer's own, and the numbers after it (Z)", lambda: session.keys("z"))
        self._step("redo (Y)", lambda: session.keys("y"))
        session.keys("Esc")
        self._step("an outline carried to the slices between (C)", lambda: session.keys("c"))
        self._step("the outline taken (C)", lambda: session.keys("c"))
        chooseVerified(panel, "whole case")
        self._step("Save", lambda: session.click(control.saving.panel.ui.saveButton))
        assert control.openCase.isSaved, panel.messages.text
        session.keys("Shift+N")
        self._erase()
        session.keys("Esc")
        self._step("the next case opened, this one kept", lambda: self._open(volumeNode, results))
        session.keys("n")
        self._erase()
        session.keys("Esc")
        self._step("the case closed", control.close)
        panel.resume.offer()
        self._step(
            "a review resumed, its image in the scene",
            lambda: session.click(panel.ui.resumeButton),
        )
        self._step("the scene closed", session.closeScene)
        self._step(
            "a review resumed, its image read from the disk",
            lambda: session.click(panel.ui.resumeButton),
        )
        session.closeScene()
        self._settle()

    def _step(self, what: str, act: Callable[[], object]) -> None:
        self._settle()
        with self._ticks.measured(what):
            act()
            # What is gathered for a moment after an edit.
            self._session.process(300)
            self._settle()
        assert not self._session.errors, self._session.errors

    def _settle(self) -> None:
        panel = self._panel

        def isSettled() -> bool:
            opened = panel.control.openCase
            isBusy = panel.background.isBusy or panel.control.isOpening
            return not isBusy and (opened is None or opened.review.isSettled)

        self._session.waitFor(isSettled)

    def _apply(self) -> None:
        self._session.click(self._panel.segment.ui.applyButton)

    def _open(self, volumeNode: Any, results: Path) -> None:
        from MuscleFMSegmentLib.review.review_folders import ReviewFolders
        from MuscleFMSegmentLib.scene.input_volume import inputImages, writeInput

        folder = ReviewFolders().make()
        shutil.copytree(results, folder.results)
        writeInput(inputImages({"image": volumeNode}), folder.input)
        self._session.process(50)
        self._ticks.restart()
        self._panel.control.open(folder, volumeNode)

    def _goToMuscle(self) -> None:
        review = self._panel.control.openCase.review
        muscle = max(review.measures, key=lambda measure: measure.volume_ml)
        review.goToMuscle(muscle.side, muscle.label_id)

    def _erase(self) -> None:
        """Erase some of the muscle of the current region with the mouse."""
        from MuscleFMSegmentLib.scene.slice_views import regionVoxel

        control = self._panel.control
        case, entry = control.openCase.review.case, control.openCase.review.queue.current
        ras = (case.grid.ijk_to_ras @ [*regionVoxel(case, entry.region), 1.0])[:3]
        control.correct.editor.setActiveEffectByName("Erase")
        self._session.stroke([tuple(ras.tolist())])


def main() -> None:
    """Start the window and play."""
    folder = Path(tempfile.mkdtemp(prefix="musclefm-module-"))
    os.environ["MUSCLEFM_HOME"] = str(folder / "home")
    # As Slicer's build does, which installs the module compiled.
    sys.pycache_prefix = str(folder / "compiled")
    compileall.compile_dir(MODULE.parent, quiet=1)
    screen = VirtualDisplay()
    os.environ["DISPLAY"] = screen.name
    try:
        session = boot(folder)
        import qt
        import slicer
        from made_results import addVolume, made_image, made_results
        from slicer_scene import LARGE

        ticks = Ticks(qt)
        with ticks.measured("opening the module"):
            session.openModule(MODULE)
        player = Player(session, slicer.modules.MuscleFMSegmentWidget.panel, ticks)
        print("\n512 x 512 x 60 voxels\n")
        maps = made_results(folder / "made", LARGE)
        player.play(addVolume(slicer.mrmlScene, made_image(maps)), folder / "made")
        if REAL_SCAN.is_file():
            print("\nThe real scan\n")
            results = segmented([str(REAL_SCAN)], folder / "real")
            player.play(slicer.util.loadVolume(str(REAL_SCAN)), results)
    finally:
        screen.stop()
        sys.stdout.flush()
        shutil.rmtree(folder, ignore_errors=True)
    # Taking VTK and Qt down in order may crash.
    os._exit(0)


if __name__ == "__main__":
    main()
