"""What changed by a reader's edits: regions and muscles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from musclefm.review.changes import changed_regions
from musclefm.review.measures import MuscleMeasure, measure_muscles
from MuscleFMSegmentLib.scene.case import CaseInScene


def measureEdits(
    case: CaseInScene, labels: npt.NDArray[np.uint8]
) -> tuple[frozenset[int], tuple[MuscleMeasure, ...]]:
    """Return which regions differ from the model's, and what the muscles measure."""
    return (
        changed_regions(case.modelLabels, labels, case.regions),
        measure_muscles(labels, case.scheme, case.grid.voxel_volume_mm3, case.fatFraction),
    )
