"""A case from its results to the end of its review: shown, autosaved, kept or removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import slicer

from musclefm.errors import MuscleFMError
from musclefm.review.session_file import load_session, remove_session
from MuscleFMSegmentLib.process.background import Background
from MuscleFMSegmentLib.review.autosave import Autosave
from MuscleFMSegmentLib.review.case_review import CaseReview
from MuscleFMSegmentLib.review.review_folders import ReviewFolder
from MuscleFMSegmentLib.review.review_listener import ReviewListener
from MuscleFMSegmentLib.scene.labels import applySidedLabels
from MuscleFMSegmentLib.scene.nodes import removeDisplayed
from MuscleFMSegmentLib.scene.results import loadResults, removeCase


class OpenCase:
    """A case that is open in the module.

    Parameters
    ----------
    folder : ReviewFolder
        Holds images, results and the session.
    volumeNode : vtkMRMLScalarVolumeNode
        The image that was segmented, in the scene.
    ownsVolume : bool
        Whether the volume goes with the case.
    background : Background
        Measures and writes.
    makeTimer : callable
        Returns a new ``qt.QTimer``.
    listener : ReviewListener
        Is told what changes.

    Raises
    ------
    MuscleFMError
        The results or the session cannot be read; the scene is as before.
    """

    def __init__(
        self,
        folder: ReviewFolder,
        volumeNode: slicer.vtkMRMLScalarVolumeNode,
        ownsVolume: bool,
        background: Background,
        makeTimer: Callable[[], Any],
        listener: ReviewListener,
    ) -> None:
        self.folder = folder
        self._ownsVolume = ownsVolume
        scene = slicer.mrmlScene
        case = loadResults(scene, folder.results, volumeNode)
        try:
            saved = load_session(folder.results)
            if saved:
                session, labels = saved
                if not session.belongs_to(case.provenance):
                    raise MuscleFMError(
                        "the saved review belongs to other results", "segment the volume again"
                    )
                regions = [entry.region for entry in case.queue.entries]
                case = replace(case, queue=session.queue(regions))
                applySidedLabels(case.segmentationNode, case.scheme, volumeNode, labels.array)
        except BaseException:
            removeCase(scene, case)
            raise
        self.review = CaseReview(
            scene, slicer.app.applicationLogic(), case, background, makeTimer(), listener
        )
        if saved:
            self.review.revision = 1
            self.review.storedSample = saved[0].stored_sample
        self._autosave = Autosave(
            self.review, folder.results, background, makeTimer(), listener.onFailed
        )

    @property
    def isSaved(self) -> bool:
        """Whether nothing would be lost: the case is as saved, or was never touched."""
        return not self.review.isTouched

    def autosave(self) -> None:
        """Keep the review on the disk now, in the background."""
        self._autosave.save()

    def keep(self) -> None:
        """Keep the review on the disk now, and wait for it.

        Raises
        ------
        MuscleFMError
            It could not be written; the case should stay open.
        """
        self.review.settleEdits()
        if not self._autosave.finish():
            raise MuscleFMError(
                "the open review cannot be kept on the disk",
                "make room there, or save the case first",
            )

    def close(self, removeNodes: bool = True) -> None:
        """End the review; keep its folder where work in it is not saved as a correction.

        Parameters
        ----------
        removeNodes : bool
            False while the scene itself is being closed.
        """
        self.review.settleEdits()
        self._autosave.stop()
        self.review.close(removeNodes)
        if removeNodes and self._ownsVolume:
            removeDisplayed(slicer.mrmlScene, self.review.case.volumeNode)
        if self.review.revision == 0:
            # Looking at a case is no review.
            remove_session(self.folder.results)
        if self.isSaved:
            self.folder.remove()
        else:
            self.folder.keep()
