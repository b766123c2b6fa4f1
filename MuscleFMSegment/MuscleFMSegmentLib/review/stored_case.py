"""All that is read of a case before its nodes are made; it may be read beside the main thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import vtk
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from musclefm.evaluation.second_opinion import SecondOpinion
from musclefm.results.case import CaseResults, read_results
from musclefm.review.leg_profile import SliceUncertainty, leg_profile
from musclefm.review.queue import ReviewQueue
from musclefm.review.session import ReviewSession
from musclefm.review.session_file import load_session
from musclefm.uncertainty.maps import UncertaintyKind
from MuscleFMSegmentLib.review.second_opinion import restoreOpinion
from MuscleFMSegmentLib.scene.results import heatmapImages


@dataclass(frozen=True)
class StoredCase:
    """A case as it lies on the disk.

    Attributes
    ----------
    results : CaseResults
        What the model found.
    heatmaps : mapping
        The image of each kind of uncertainty, float32 in [0, 1].
    legProfile : tuple of SliceUncertainty
        The uncertain volume slice by slice, from inferior to superior.
    session : ReviewSession or None
        The review that was saved; None where there is none.
    queue : ReviewQueue
        The reader's queue, as the review left it.
    labels : ndarray
        ``(K, J, I) uint8``: sided values, as the review left them.
    opinion : SecondOpinion or None
        That was chosen in the review; its regions are among the results'.
    """

    results: CaseResults
    heatmaps: Mapping[UncertaintyKind, vtk.vtkImageData]
    legProfile: tuple[SliceUncertainty, ...]
    session: ReviewSession | None
    queue: ReviewQueue
    labels: npt.NDArray[np.uint8]
    opinion: SecondOpinion | None = None


def readCase(folder: Path) -> StoredCase:
    """Read a folder of results, and the review that was saved there.

    Raises
    ------
    MuscleFMError
        They cannot be read, or the review is one of other results.
    """
    results = read_results(folder)
    session, queue, labels = None, ReviewQueue(results.regions), results.sided_labels
    opinion = None
    saved = load_session(folder)
    if saved:
        session = saved[0]
        if not session.belongs_to(results.provenance) or not saved[1].grid.matches(results.grid):
            raise MuscleFMError(
                _("the saved review belongs to other results"), _("segment the volume again")
            )
        results, opinion = restoreOpinion(results, folder, session)
        queue = session.queue(results.regions)
        labels = saved[1].array
    profile = leg_profile(results.uncertainty["total"], results.region_labels, results.grid)
    return StoredCase(results, heatmapImages(results), profile, session, queue, labels, opinion)
