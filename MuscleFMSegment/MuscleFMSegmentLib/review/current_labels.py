"""The labels of a case as they are now, kept from what makes them wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.labels import applySidedLabels, restoreMuscle, sidedVolume
from MuscleFMSegmentLib.scene.watching import CaseFault, CaseWatch


class CurrentLabels:
    """Reads the labels after edits, while the case is as it should be.

    While image and muscles lie apart, nothing is read, and what was drawn then
    is taken back: it lies elsewhere in the image than where it was drawn. A
    muscle whose segment was deleted keeps its voxels until it is back: to
    delete a segment is no way to say that there is no muscle.

    Parameters
    ----------
    case : CaseInScene
        The case.
    labels : ndarray
        ``(K, J, I) uint8``: the sided labels that it was opened with.
    onEdited, onLost : callable
        As in :class:`CaseWatch`.
    onFault : callable
        Given the fault, or None once there is none any more.
    """

    def __init__(
        self,
        case: CaseInScene,
        labels: npt.NDArray[np.uint8],
        onEdited: Callable[[], None],
        onLost: Callable[[], None],
        onFault: Callable[[CaseFault | None], None],
    ) -> None:
        self._case = case
        self._onEditedOutside = onEdited
        self._onFaultOutside = onFault
        self._labels = Volume(labels, case.grid)
        self._isEdited = False
        self._watch = CaseWatch(case, self._onEdited, onLost, self._onFault)
        self._isMoved = False

    @property
    def fault(self) -> CaseFault | None:
        """What is not as it should be."""
        return self._watch.fault

    def begin(self) -> None:
        """Report what is not as it should be from the start."""
        if self.fault is not None:
            self._onFault()

    def requireSound(self) -> None:
        """Refuse what would save or decide something wrong.

        Raises
        ------
        CaseFault
            The case is not as it should be.
        """
        if self.fault is not None and not self.fault.isHarmless:
            raise self.fault

    def volume(self) -> Volume:
        """Return the sided values ``(K, J, I) uint8``; nobody may write to them.

        Those of now, or the last ones before the segmentation was deleted or moved away.
        """
        if self._isEdited and self._case.isComplete and not self._isMoved:
            self._read()
        return self._labels

    def restore(self, value: int) -> None:
        """Bring the segment of a muscle back, if the user deleted it."""
        if value in self._watch.deleted:
            case = self._case
            mask = self.volume().array == value
            restoreMuscle(case.segmentationNode, case.scheme, case.volumeNode, value, mask)

    def stop(self) -> None:
        """Follow the case no longer."""
        self._watch.stop()

    def _read(self) -> None:
        case, before = self._case, self._labels.array
        self._isEdited = False
        self._labels = sidedVolume(case.segmentationNode, case.scheme, case.volumeNode)
        array = self._labels.array
        for value in self._watch.deleted:
            array[(before == value) & (array == 0)] = value

    def _onEdited(self) -> None:
        self._isEdited = True
        if not self._isMoved:
            self._onEditedOutside()

    def _onFault(self) -> None:
        case, fault = self._case, self.fault
        wasMoved, self._isMoved = self._isMoved, fault is not None and fault.isMoved
        if self._isMoved and not wasMoved and self._isEdited and case.isOnItsGrid:
            # Of the moment before: a transform above changes nothing of the labels yet.
            self._read()
        if wasMoved and not self._isMoved:
            right = self._labels.array
            found = sidedVolume(case.segmentationNode, case.scheme, case.volumeNode)
            if not np.array_equal(found.array, right):
                applySidedLabels(case.segmentationNode, case.scheme, case.volumeNode, right)
        self._onFaultOutside(fault)
