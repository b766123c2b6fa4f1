"""A case on its way from the disk into the scene, while the one before stays open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from MuscleFMSegmentLib.process.background import Background
from MuscleFMSegmentLib.scene.nodes import removeDisplayed

if TYPE_CHECKING:
    from MuscleFMSegmentLib.review.open_case import OpenCase
    from MuscleFMSegmentLib.review.review_folders import ReviewFolder
    from MuscleFMSegmentLib.review.stored_case import StoredCase
    from MuscleFMSegmentLib.scene.input_volume import StoredImage


@dataclass(frozen=True, eq=False)
class CaseToOpen:
    """What is to be opened.

    Attributes
    ----------
    folder : ReviewFolder
        Holds its images, results and session.
    volumeNode : vtkMRMLScalarVolumeNode
        Its image, in the scene.
    ownsVolume : bool
        Whether the volume goes with the case.
    onFailed : callable
        Called without arguments where the case cannot be opened, or is not wanted any more.
    """

    folder: ReviewFolder
    volumeNode: slicer.vtkMRMLScalarVolumeNode
    ownsVolume: bool
    onFailed: Callable[[], None]


class Opening:
    """Opens one case at a time; a later one takes the place of one that is on its way.

    Parameters
    ----------
    background : Background
        Reads.
    timer : qt.QTimer
        Of its own; runs while a case is shown.
    openCase : callable
        Returns the case that is open, or None: it stays until it is kept on the disk.
    show : callable
        Given the case and what was read of it, once the one before is kept. Returns an
        iterator: it shows the case step by step, and Slicer may draw between two steps.
    onError : callable
        Given the exception where it cannot be opened.
    """

    def __init__(
        self,
        background: Background,
        timer: Any,
        openCase: Callable[[], OpenCase | None],
        show: Callable[[CaseToOpen, StoredCase], Iterator[None]],
        onError: Callable[[Exception], None],
    ) -> None:
        self._background = background
        self._openCase = openCase
        self._show = show
        self._onError = onError
        # What is wanted, until the case is in the scene; a case whose image is read is any object.
        self._wanted: object = None
        self._steps: Iterator[None] = iter(())
        self._timer = timer
        timer.interval = 0
        timer.connect("timeout()", self._step)

    @property
    def isBusy(self) -> bool:
        """Whether a case is on its way, or is not yet shown whole."""
        return self._wanted is not None or bool(self._timer.active)

    def begin(self, wanted: CaseToOpen) -> None:
        """Open a case, and return at once."""
        self._wanted = wanted

        def keep(stored: StoredCase) -> None:
            self._keep(wanted, stored)

        self._background.run(
            lambda: _read(wanted.folder), keep, lambda error: self._fail(wanted, error)
        )

    def beginStored(self, folder: ReviewFolder, name: str) -> None:
        """Open a case with its image, from the disk where the scene does not have that.

        Parameters
        ----------
        folder : ReviewFolder
            This Slicer's; it is released where the case cannot be opened.
        name : str
            Of a volume that is new in the scene.
        """
        from MuscleFMSegmentLib.scene.input_volume import readImage, volumeOfImage

        reading = self._wanted = object()

        def fail(error: Exception) -> None:
            folder.release()
            if self._wanted is reading:
                self._wanted = None
                self._onError(error)

        def show(image: StoredImage) -> None:
            if self._wanted is not reading:
                folder.release()
                return
            volumeNode, isNew = volumeOfImage(image, name)

            def failed() -> None:
                folder.release()
                if isNew:
                    removeDisplayed(slicer.mrmlScene, volumeNode)

            self.begin(CaseToOpen(folder, volumeNode, isNew, failed))

        self._background.run(lambda: readImage(folder.input), show, fail)

    def cancel(self) -> None:
        """Open nothing that is still on its way."""
        self._wanted = None
        self._timer.stop()

    def _keep(self, wanted: CaseToOpen, stored: StoredCase) -> None:
        """Keep the case before on the disk, then show this one."""

        def finish() -> None:
            self._finish(wanted, stored)

        opened = self._openCase()
        if opened and self._wanted is wanted:
            opened.keep(finish, lambda error: self._fail(wanted, error))
        else:
            finish()

    def _finish(self, wanted: CaseToOpen, stored: StoredCase) -> None:
        if self._wanted is not wanted:
            wanted.onFailed()
            return
        try:
            if wanted.volumeNode.GetScene() is not slicer.mrmlScene:
                raise MuscleFMError(
                    _("the volume was deleted while its case was opened"),
                    _("load it and press Apply again"),
                )
            # The one before may not be shown whole yet, and stays where this one cannot be shown.
            while self._timer.active:
                self._step()
            self._steps = self._show(wanted, stored)
            next(self._steps)
        except Exception as error:
            self._fail(wanted, error)
        else:
            self._wanted = None
            self._timer.start()

    def _step(self) -> None:
        # What a step does may let Slicer go on: no other step begins meanwhile.
        self._timer.stop()
        try:
            next(self._steps)
        except StopIteration:
            pass
        except Exception as error:
            self._onError(error)
        else:
            self._timer.start()

    def _fail(self, wanted: CaseToOpen, error: Exception) -> None:
        if self._wanted is wanted:
            self._wanted = None
            self._onError(error)
        wanted.onFailed()


def _read(folder: ReviewFolder) -> StoredCase:
    """Read a case; what showing and saving it needs is imported here, beside the main thread."""
    import MuscleFMSegmentLib.review.correction_saving
    import MuscleFMSegmentLib.review.open_case  # noqa: F401
    from MuscleFMSegmentLib.review.stored_case import readCase

    return readCase(folder.results)
