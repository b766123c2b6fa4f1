"""Apply and Stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from MuscleFMSegmentLib.process.background import Background
from MuscleFMSegmentLib.process.library_runner import LibraryRunner, Outcome
from MuscleFMSegmentLib.process.progress_updates import SEGMENT_STAGES
from MuscleFMSegmentLib.scene.nodes import slicesAlongLeg
from MuscleFMSegmentLib.widgets.message_area import MessageArea
from MuscleFMSegmentLib.widgets.segment_panel import SegmentPanel

if TYPE_CHECKING:
    from MuscleFMSegmentLib.process.segmentation_run import SegmentationRun
    from MuscleFMSegmentLib.review.review_folders import ReviewFolder


class RunController:
    """Runs one segmentation at a time and leaves the scene alone.

    Parameters
    ----------
    panel : SegmentPanel
        Shows the run.
    messages : MessageArea
        Shows what goes wrong.
    runner : LibraryRunner
        Of its own.
    background : Background
        Writes the images.
    onResults : callable
        Given the folder and the run that finished.
    onTimed : callable
        Given the seconds that it took, and the slices of its volume.
    """

    def __init__(
        self,
        panel: SegmentPanel,
        messages: MessageArea,
        runner: LibraryRunner,
        background: Background,
        onResults: Callable[[ReviewFolder, SegmentationRun], None],
        onTimed: Callable[[float, int], None],
    ) -> None:
        self._panel = panel
        self._messages = messages
        self._onResults = onResults
        self._onTimed = onTimed
        self._runner = runner
        self._background = background
        self._folder: ReviewFolder | None = None

    @property
    def isRunning(self) -> bool:
        """Whether a segmentation runs, or its images are written for it."""
        return self._folder is not None

    def start(self, run: SegmentationRun) -> None:
        """Check the volumes and start; whatever is wrong with them is shown."""
        from MuscleFMSegmentLib.review.review_folders import ReviewFolders
        from MuscleFMSegmentLib.scene.input_volume import (
            TransformAboveError,
            inputImages,
            writeInput,
        )

        self._messages.clear()
        try:
            warnings = run.check()
        except TransformAboveError as error:
            self._messages.show(str(error), _("Harden"), lambda: self._hardenAndStart(run))
            return
        if warnings:
            self._messages.show("; ".join(warnings))
        images, folder = inputImages(run.channels), ReviewFolders().make()
        command = run.command(folder.input, folder.results)
        begun, slices = time.monotonic(), slicesAlongLeg(run.volumeNode)

        def finish(outcome: Outcome) -> None:
            if outcome.kind == "finished":
                self._onTimed(time.monotonic() - begun, slices)
            self._finish(outcome, folder, run)

        def begin(written: object) -> None:
            if self._folder is folder:
                try:
                    self._runner.run(
                        command,
                        finish,
                        self._panel.showProgress,
                        self._panel.log,
                        SEGMENT_STAGES,
                        _("the segmentation"),
                    )
                except MuscleFMError as error:
                    fail(error)

        def fail(error: Exception) -> None:
            if self._folder is folder:
                self.end()
                self._messages.showError(error)

        self._folder = folder
        self._panel.showRunning(True)
        self._background.run(lambda: writeInput(images, folder.input), begin, fail)

    def stop(self) -> None:
        """Ask the run to end; it has within two seconds."""
        if self._runner.isRunning:
            self._panel.showStopping()
            self._runner.stop()
        else:
            self.end()

    def end(self) -> None:
        """End the run now and forget it."""
        folder, self._folder = self._folder, None
        if folder:
            self._runner.end()
            # Once nothing is written there any more.
            self._background.then(folder.remove)
            self._panel.showRunning(False)

    def _hardenAndStart(self, run: SegmentationRun) -> None:
        from MuscleFMSegmentLib.scene.input_volume import hardenTransform

        with self._messages.shown():
            for node in run.channels.values():
                hardenTransform(node)
            self.start(run)

    def _finish(self, outcome: Outcome, folder: ReviewFolder, run: SegmentationRun) -> None:
        self._folder = None
        self._panel.showRunning(False)
        if outcome.kind == "finished":
            with self._messages.shown():
                self._handOver(folder, run)
            return
        folder.remove()
        if outcome.kind == "failed":
            self._messages.showError(outcome.error)

    def _handOver(self, folder: ReviewFolder, run: SegmentationRun) -> None:
        if run.volumeNode.GetScene() is not slicer.mrmlScene:
            folder.remove()
            raise MuscleFMError(
                _("the volume was deleted while it was segmented"),
                _("load it and press Apply again"),
            )
        try:
            self._onResults(folder, run)
        except BaseException:
            folder.remove()
            raise
