"""What Slicer calls the segment of a muscle: its id and its codes."""

from __future__ import annotations

from musclefm.labels.scheme import Label, Side
from musclefm.labels.sides import SIDE_CODES


def segment_id(side: Side, label: Label) -> str:
    """Return the id of a segment in the file, e.g. ``"left_vastus_lateralis"``."""
    return f"{side}_{label.name}".replace(" ", "_")


def terminology_entry(side: Side, label: Label) -> str:
    """Return what Slicer's tag ``TerminologyEntry`` says of a segment.

    It holds category, type and modifier as DICOM codes; no anatomic region is needed.
    """
    value, coding_scheme, meaning = SIDE_CODES[side]
    return "~".join(
        (
            "Segmentation category and type - 3D Slicer General Anatomy list",
            "SCT^123037004^Anatomical Structure",
            f"{label.code.scheme}^{label.code.value}^{label.code.meaning}",
            f"{coding_scheme}^{value}^{meaning}",
            "Anatomic codes - DICOM master list",
            "^^",
            "^^",
        )
    )
