"""The corrected case as a training sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import slicer
from slicer.i18n import tr as _

from musclefm.corrections.case import CorrectedCase, Reviewed, ReviewLog
from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError
from musclefm.review.muscle_slices import MuscleSlices
from musclefm.review.queue import RESOLVED, ReviewEntry
from musclefm.volumes.channels import read_channels
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.scene.case import CaseInScene

Extent = Literal["all", "slices", "muscles"]


def reviewedPart(case: CaseInScene, extent: Extent) -> Reviewed:
    """Return the verified part of a case.

    Parameters
    ----------
    case : CaseInScene
        With the queue as it is now.
    extent : str
        ``"all"``, or the ``"slices"`` or ``"muscles"`` that no open region touches.

    Raises
    ------
    MuscleFMError
        There are none of these.
    """
    left = [entry for entry in case.queue.entries if entry.status not in RESOLVED]
    if extent == "all" or not left:
        return Reviewed("all")
    if extent == "slices":
        axis = left[0].region.slice_axis
        count = case.grid.shape[2 - axis]
        slices = _slicesOutside(left, count)
        if not slices:
            raise MuscleFMError(
                _("every slice has an open region, so nothing would be verified"),
                _nothingVerified(),
            )
        return Reviewed("slices", slices=slices, slice_axis=cast(Literal[0, 1, 2], axis))
    concerned = {(entry.region.side, label) for entry in left for label in entry.region.label_ids}
    muscles = tuple(
        value
        for value, (side, label) in case.scheme.labels_of_sides().items()
        if (side, label.id) not in concerned
    )
    if not muscles:
        raise MuscleFMError(
            _("every muscle has an open region, so nothing would be verified"), _nothingVerified()
        )
    return Reviewed("muscles", muscles=muscles)


@dataclass(frozen=True)
class Correction:
    """What is taken from the scene for a training sample; the rest is done with files alone.

    Attributes
    ----------
    labels, modelLabels : Volume
        ``(K, J, I) uint8``: sided values, corrected and as the model gave them.
    uncertainty : Volume
        ``(K, J, I) float32`` in [0, 1]: the model's total uncertainty.
    reviewed : Reviewed
        Where the labels are right.
    log : ReviewLog
        What was done with the flagged regions.
    scheme : str
        Name of the label scheme.
    provenance : mapping
        What made the model's labels.
    """

    labels: Volume
    modelLabels: Volume
    uncertainty: Volume
    reviewed: Reviewed
    log: ReviewLog
    scheme: str
    provenance: Mapping[str, object]

    @classmethod
    def of(
        cls,
        case: CaseInScene,
        labels: Volume,
        extent: Extent,
        unseen: tuple[MuscleSlices, ...] = (),
    ) -> Correction:
        """Take down a case as it is now.

        Parameters
        ----------
        case : CaseInScene
            The case.
        labels : Volume
            ``(K, J, I) uint8``: its sided labels.
        extent : str
            The verified part, see :func:`reviewedPart`.
        unseen : tuple of MuscleSlices
            Carried slices, which are not verified whatever the extent.

        Raises
        ------
        MuscleFMError
            Nothing would be verified.
        """
        uncertainty = slicer.util.arrayFromVolume(case.heatmapNodes["total"])
        return cls(
            labels=labels,
            modelLabels=Volume(case.modelLabels, case.grid),
            uncertainty=Volume(uncertainty, case.grid),
            reviewed=replace(reviewedPart(case, extent), unseen=unseen),
            log=ReviewLog.of(case.queue),
            scheme=case.scheme.name,
            provenance=case.provenance,
        )

    def store(self, imagesFolder: Path) -> str:
        """Add the case to the user's store and return the id of the sample.

        Parameters
        ----------
        imagesFolder : Path
            Holds a NRRD file a channel, as the library segmented them.

        Raises
        ------
        MuscleFMError
            An image cannot be read, or the store cannot be written; it is as before.
        """
        files = sorted(imagesFolder.glob("*.nrrd"))
        corrected = CorrectedCase(
            channels=read_channels({path.stem: path for path in files}).images,
            labels=self.labels,
            reviewed=self.reviewed,
            scheme=self.scheme,
            model_labels=self.modelLabels,
            uncertainty=self.uncertainty,
            review=self.log,
            provenance=self.provenance,
        )
        return CorrectionStore().add(corrected).id


def _slicesOutside(entries: Iterable[ReviewEntry], count: int) -> tuple[int, ...]:
    inside = {
        index
        for entry in entries
        for index in range(entry.region.slices[0], entry.region.slices[1] + 1)
    }
    return tuple(index for index in range(count) if index not in inside)


def _nothingVerified() -> str:
    return _("accept or correct more regions, or choose the whole case as the verified part")
