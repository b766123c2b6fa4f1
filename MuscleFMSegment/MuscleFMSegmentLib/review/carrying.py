"""A correction carried to the slices between: proposed, taken, and then looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import slicer
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from musclefm.review.carry import Carried, carry_corrections
from musclefm.review.findings import FlaggedRegion
from musclefm.review.muscle_slices import MuscleSlices, corrected_slices
from MuscleFMSegmentLib.process.background import Background
from MuscleFMSegmentLib.review.review_listener import ReviewListener
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.editing import Editing
from MuscleFMSegmentLib.scene.labels import applySidedLabels
from MuscleFMSegmentLib.scene.proposal import ProposalOutline
from MuscleFMSegmentLib.scene.slice_views import SliceViews

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class CarryingContext:
    """What carrying works with.

    Attributes
    ----------
    scene : vtkMRMLScene
        Holds the case.
    case : CaseInScene
        The case.
    views : SliceViews
        What the reader looks at.
    editing : Editing
        Knows the selected muscle.
    background : Background
        Makes the proposal.
    listener : ReviewListener
        Hears of proposals.
    onSeen : callable
        Called when the reader has looked at, or accepted, what was carried.
    """

    scene: slicer.vtkMRMLScene
    case: CaseInScene
    views: SliceViews
    editing: Editing
    background: Background
    listener: ReviewListener
    onSeen: Callable[[], None]


class Carrying:
    """What was carried in a case, and what of it nobody has seen yet.

    Parameters
    ----------
    context : CarryingContext
        What it works with.
    labels : callable
        Returns the sided labels ``(K, J, I) uint8`` as they are now.
    """

    def __init__(self, context: CarryingContext, labels: Callable[[], Labels]) -> None:
        self._context = context
        self._labels = labels
        self._case = context.case
        self._outline = ProposalOutline(context.scene)
        self._proposal: Carried | None = None
        self._attempt = 0
        # A slice is unseen only while the muscle in it is as it was carried: an edit,
        # an undo and a redo all show in the labels.
        self._taken: list[tuple[MuscleSlices, Labels]] = []
        self._stopObserving = context.views.observe(self.look)

    @property
    def unseen(self) -> tuple[MuscleSlices, ...]:
        """Where muscles were carried to, and the reader has not looked yet."""
        if not self._taken:
            return ()
        labels = self._labels()
        still = (muscle.unchanged(taken, labels) for muscle, taken in self._taken)
        return tuple(muscle for muscle in still if muscle.slices)

    def restore(self, unseen: Iterable[MuscleSlices], labels: Labels) -> None:
        """Resume from a saved review."""
        self._taken = [(muscle, labels) for muscle in unseen]

    def carry(self, beforeEdit: Callable[[], None]) -> None:
        """Show what the selected muscle would get between its corrected slices, or take that.

        Parameters
        ----------
        beforeEdit : callable
            Keeps the segmentation for undo.
        """
        value = self._context.editing.selectedValue
        if self._proposal is not None:
            beforeEdit()
            self._take(self._proposal)
        elif value is not None:
            self._attempt += 1
            attempt = self._attempt

            def show(proposal: Carried) -> None:
                # An edit or another region meanwhile makes it a proposal for something else.
                if self._attempt == attempt and self._case.isInPlace:
                    self._proposal = proposal
                    self._outline.show(proposal.labels == value, self._case.grid)
                    self._context.listener.onProposed(True)

            def failed(error: Exception) -> None:
                if self._attempt == attempt and self._case.isComplete:
                    self._context.listener.onFailed(error)

            work = self._work(value, self._labels())
            self._context.background.run(work, show, failed)

    def drop(self) -> None:
        """Take the proposed outline away, if there is one."""
        self._attempt += 1
        if self._proposal is not None:
            self._proposal = None
            self._outline.remove()
            self._context.listener.onProposed(False)

    def look(self) -> None:
        """Note that the reader has looked at the slices which the views show."""
        if self._taken and self._case.isInPlace:
            for axis, index in self._context.views.shownSlices(self._case):
                self._see([muscle.without({index}, axis) for muscle, _labels in self._taken])

    def accept(self, region: FlaggedRegion) -> None:
        """Note that the reader accepts the muscles of a region in its slices."""
        values = self._case.musclesOf(region)
        slices = range(region.slices[0], region.slices[1] + 1)
        self._see(
            [
                muscle.without(slices, region.slice_axis) if muscle.value in values else muscle
                for muscle, _labels in self._taken
            ]
        )

    def stop(self) -> None:
        """Look no more, and take the proposed outline away."""
        self._stopObserving()
        self.drop()

    def _work(self, value: int, labels: Labels) -> Callable[[], Carried]:
        """Return what proposes an outline, to be run in another thread."""
        case, unseen = self._case, self.unseen
        uncertainty = slicer.util.arrayFromVolume(case.heatmapNodes["total"])
        accepted = [
            entry.region
            for entry in case.queue.entries
            if entry.status == "accepted" and value in case.musclesOf(entry.region)
        ]

        def propose() -> Carried:
            known = corrected_slices(labels, case.modelLabels, value, case.grid, unseen)
            if not known.slices:
                raise MuscleFMError(
                    _("the selected muscle is as the model drew it"),
                    _("correct it in some slices first"),
                )
            slices = set(known.slices)
            for region in accepted:
                if region.slice_axis == known.slice_axis:
                    slices.update(range(region.slices[0], region.slices[1] + 1))
            known = replace(known, slices=tuple(sorted(slices)))
            found = carry_corrections(labels, case.modelLabels, case.grid, [known], uncertainty)
            if not found.slices:
                raise MuscleFMError(
                    _("no other slice of the muscle would change"),
                    _("continue with the next region"),
                )
            return found

        return propose

    def _take(self, proposal: Carried) -> None:
        self.drop()
        case = self._case
        self._taken += [(muscle, proposal.labels) for muscle in proposal.slices]
        applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, proposal.labels)
        self.look()

    def _see(self, left: list[MuscleSlices]) -> None:
        before = self._taken
        after = [(now, labels) for now, (_was, labels) in zip(left, before, strict=True)]
        if left != [muscle for muscle, _labels in before]:
            self._taken = [entry for entry in after if entry[0].slices]
            self._context.onSeen()
