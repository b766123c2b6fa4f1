"""What Slicer is given once it has started: the shipped sample, and the muscles' codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from musclefm.storage.resources import resource_folder

CATEGORY = "MuscleFMSegment"
SAMPLE_NAME = "SevereThighs"

CONTEXT_NAME = "Segmentation category and type - MuscleFMSegment"
"""By which Slicer and segments name the terminology."""

_RESOURCES = Path(__file__).resolve().parents[2] / "Resources"
_TERMINOLOGY = _RESOURCES / "SegmentationCategoryTypeModifier-MuscleFMSegment.term.json"
_THUMBNAIL = _RESOURCES / "Icons" / f"{SAMPLE_NAME}.png"
_CHECKSUMS = {
    "water": "SHA256:b1e855705c85a2844f93a7cbc27838c5994c3257ac344a89384b396a965f9539",
    "fat": "SHA256:6ac1d3dd7a2c153af417f9de9b2d489d06bee21fecfff06cc5f776898ba834e5",
}


def registerSampleData() -> bool:
    """Offer the rendered scan of severe fatty infiltration, water and fat.

    To be called when Slicer has started up: the Sample Data module is there
    then. The files are shipped with the extension, so no network is needed.

    Returns
    -------
    bool
        False where it is offered already.
    """
    import SampleData
    import slicer

    if CATEGORY in getattr(slicer.modules, "sampleDataSources", {}):
        return False
    folder = resource_folder() / "Samples" / "severe-thighs"
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SAMPLE_NAME,
        thumbnailFileName=str(_THUMBNAIL),
        uris=[(folder / f"{channel}.nii.gz").as_uri() for channel in _CHECKSUMS],
        # The name in Slicer's cache, which all extensions share.
        fileNames=[f"{SAMPLE_NAME}-{channel}.nii.gz" for channel in _CHECKSUMS],
        nodeNames=[f"{SAMPLE_NAME}-{channel}" for channel in _CHECKSUMS],
        checksums=list(_CHECKSUMS.values()),
    )
    return True


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
    return bool(terminologiesLogic.LoadTerminologyFromFile(str(_TERMINOLOGY)) == CONTEXT_NAME)
