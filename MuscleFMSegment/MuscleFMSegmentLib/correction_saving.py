"""The corrected case as a training sample."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import slicer

from musclefm.corrections.case import CorrectedCase, Reviewed, ReviewLog
from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError
from musclefm.review.queue import DEALT_WITH, ReviewEntry
from musclefm.volumes.channels import read_channels
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.scene.case import CaseInScene

Extent = Literal["all", "slices", "muscles"]


def reviewed(case: CaseInScene, extent: Extent) -> Reviewed:
    """Return what the reader vouches for.

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
    left = [entry for entry in case.queue.entries if entry.status not in DEALT_WITH]
    if extent == "all" or not left:
        return Reviewed("all")
    if extent == "slices":
        axis = left[0].region.slice_axis
        count = case.grid.shape[2 - axis]
        slices = _slicesOutside(left, count)
        if not slices:
            raise _nothingChecked("slice")
        return Reviewed("slices", slices=slices, slice_axis=axis)
    concerned = {(entry.region.side, label) for entry in left for label in entry.region.label_ids}
    muscles = tuple(
        value
        for value, (side, label) in case.scheme.labels_of_sides().items()
        if (side, label.id) not in concerned
    )
    if not muscles:
        raise _nothingChecked("muscle")
    return Reviewed("muscles", muscles=muscles)


def correctedCase(
    case: CaseInScene, imagesFolder: Path, labels: Volume, extent: Extent
) -> CorrectedCase:
    """Put together what is stored, from files and arrays alone.

    Parameters
    ----------
    case : CaseInScene
        The case.
    imagesFolder : Path
        Holds a NRRD file a channel, as the library segmented them.
    labels : Volume
        ``(K, J, I) uint8``: sided values, corrected.
    extent : str
        What the reader vouches for.

    Raises
    ------
    MuscleFMError
        An image cannot be read.
    """
    channels = read_channels({path.stem: path for path in sorted(imagesFolder.glob("*.nrrd"))})
    uncertainty = slicer.util.arrayFromVolume(case.heatmapNodes["total"])
    return CorrectedCase(
        channels=channels.images,
        labels=labels,
        reviewed=reviewed(case, extent),
        scheme=case.scheme.name,
        model_labels=Volume(case.modelLabels, case.grid),
        uncertainty=Volume(uncertainty, case.grid),
        review=ReviewLog.of(case.queue),
        provenance=case.provenance,
    )


def storeCorrection(corrected: CorrectedCase) -> str:
    """Add a case to the user's store and return the id of the sample.

    Raises
    ------
    MuscleFMError
        The store cannot be written; it is as before.
    """
    return CorrectionStore().add(corrected).id


def _slicesOutside(entries: Iterable[ReviewEntry], count: int) -> tuple[int, ...]:
    inside = {
        index
        for entry in entries
        for index in range(entry.region.slices[0], entry.region.slices[1] + 1)
    }
    return tuple(index for index in range(count) if index not in inside)


def _nothingChecked(what: str) -> MuscleFMError:
    return MuscleFMError(
        f"every {what} has an open region, so nothing would be known to be right",
        "accept or correct more regions, or say that you have checked the whole case",
    )
