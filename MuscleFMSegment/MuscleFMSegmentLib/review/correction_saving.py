"""The corrected case as a training sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import slicer
from slicer.i18n import tr as _

from musclefm.corrections.case import CorrectedCase, Reviewed
from musclefm.corrections.review_log import ReviewLog
from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError
from musclefm.review.muscle_slices import MuscleSlices
from musclefm.volumes.channels import read_channels
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.review.visits import Visits
from MuscleFMSegmentLib.scene.case import CaseInScene

Extent = Literal["all", "slices", "muscles"]


def reviewedPart(visits: Visits, extent: Extent) -> Reviewed:
    """Return what is verified unless the reader says something else.

    Parameters
    ----------
    visits : Visits
        What the reader looked at.
    extent : str
        ``"all"``, or the ``"slices"`` or ``"muscles"`` that were looked at and that no
        open region touches; there may be none.
    """
    if extent == "slices":
        return visits.verifiedSlices()
    return visits.verifiedMuscles() if extent == "muscles" else Reviewed("all")


def checkVerified(reviewed: Reviewed) -> None:
    """Refuse a part in which nothing would be verified.

    Raises
    ------
    MuscleFMError
        It is such a part.
    """
    if reviewed.kind != "all" and not (reviewed.slices or reviewed.muscles):
        raise MuscleFMError(
            _("nothing would be verified"),
            _("look at slices and accept or correct their regions, or choose the verified part"),
        )


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
        reviewed: Reviewed,
        unseen: tuple[MuscleSlices, ...] = (),
        reader: str = "",
    ) -> Correction:
        """Take down a case as it is now.

        Parameters
        ----------
        case : CaseInScene
            The case.
        labels : Volume
            ``(K, J, I) uint8``: its sided labels.
        reviewed : Reviewed
            The verified part.
        unseen : tuple of MuscleSlices
            Carried slices, which are not verified whatever the part.
        reader : str
            The reader's pseudonym, empty where none is given.

        Raises
        ------
        MuscleFMError
            Nothing would be verified, or the pseudonym is none.
        """
        checkVerified(reviewed)
        uncertainty = slicer.util.arrayFromVolume(case.heatmapNodes["total"])
        return cls(
            labels=labels,
            modelLabels=Volume(case.modelLabels, case.grid),
            uncertainty=Volume(uncertainty, case.grid),
            reviewed=replace(reviewed, unseen=reviewed.unseen + unseen),
            log=ReviewLog.of(case.queue, reader),
            scheme=case.scheme.name,
            provenance=case.provenance,
        )

    def store(self, imagesFolder: Path, person: str = "") -> str:
        """Add the case to the user's store and return the id of the sample.

        Parameters
        ----------
        imagesFolder : Path
            Holds a NRRD file a channel, as the library segmented them.
        person : str
            Pseudonym of whom it shows; only a salted hash of it is kept. Where it is empty
            that of an earlier sample of the same scan stays.

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
        return CorrectionStore().add(corrected, subject=person or None).id
