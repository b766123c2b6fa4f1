"""The muscles' codes in Slicer's terminology selector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CONTEXT_NAME = "Segmentation category and type - MuscleFMSegment"
"""By which Slicer and segments name the terminology."""

_FILE_NAME = "SegmentationCategoryTypeModifier-MuscleFMSegment.term.json"
_FILE = Path(__file__).resolve().parents[2] / "Resources" / _FILE_NAME


def loadTerminology(terminologiesLogic: Any) -> bool:
    """Make the muscles known to Slicer: its own terminologies hold none of the thigh's.

    Segments of results are then shown with name and colour, and a segment that
    the user adds can be given a muscle and its side. To be called when Slicer
    has started up.

    Parameters
    ----------
    terminologiesLogic : vtkSlicerTerminologiesModuleLogic
        Of Slicer: ``slicer.modules.terminologies.logic()``.

    Returns
    -------
    bool
        False where Slicer cannot read the file; the module works without.
    """
    return bool(terminologiesLogic.LoadTerminologyFromFile(str(_FILE)) == CONTEXT_NAME)
