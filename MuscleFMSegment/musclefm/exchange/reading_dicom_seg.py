"""DICOM Segmentation objects of any maker."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from musclefm.errors import MuscleFMError
from musclefm.exchange.foreign_labels import ForeignLabels, ForeignSegment
from musclefm.exchange.overlap import claim
from musclefm.exchange.side_codes import side_of_code
from musclefm.volumes.affine import grid_of_affine
from musclefm.volumes.checks import damaged_error
from musclefm.volumes.volume import Volume


def read_dicom_seg(path: Path, what: str) -> ForeignLabels:
    """Read all segments of a DICOM SEG file; slices without frames are background.

    Raises
    ------
    MuscleFMError
        The file is damaged, holds no segmentation or none on a regular grid, its
        segments overlap or are fractional.
    """
    import highdicom

    with warnings.catch_warnings():
        # They cite odd values of the header.
        warnings.simplefilter("ignore")
        try:
            segmentation = highdicom.seg.segread(path)
            kind = segmentation.SegmentationType
            numbers = segmentation.segment_numbers
        # Of a damaged header, pydicom and highdicom raise whatever comes.
        except Exception as error:
            raise MuscleFMError(
                f"{what} is a DICOM file that holds no segmentation",
                "give a DICOM SEG, NIfTI or .seg.nrrd file",
            ) from error
        if kind == "FRACTIONAL":
            raise MuscleFMError(
                f"{what} is a fractional segmentation", "export it as a binary one first"
            )
        try:
            content = segmentation.get_volume(combine_segments=False)
        except Exception as error:
            raise damaged_error(what) from error
    labels = np.zeros(content.spatial_shape, np.int64)
    for index, number in enumerate(numbers):
        claim(labels, content.array[..., index] > 0, int(number), what)
    # Its affine takes (k, j, i) to LPS.
    grid, _ = grid_of_affine(np.asarray(content.affine)[:, [2, 1, 0, 3]], labels.shape, what)
    present = set(np.unique(labels).tolist())
    return ForeignLabels(
        Volume(labels, grid),
        tuple(
            _segment(segmentation.get_segment_description(number))
            for number in numbers
            if number in present
        ),
    )


def _segment(description: Any) -> ForeignSegment:
    kind = description.segmented_property_type
    regions = description.get("AnatomicRegionSequence", ())
    modifiers = [
        *kind.get("SegmentedPropertyTypeModifierCodeSequence", ()),
        *(item for region in regions for item in region.get("AnatomicRegionModifierSequence", ())),
    ]
    sides = [side_of_code(item.CodingSchemeDesignator, item.CodeValue) for item in modifiers]
    return ForeignSegment(
        value=int(description.segment_number),
        name=description.segment_label,
        code=(kind.scheme_designator, kind.value),
        side=next((side for side in sides if side), None),
    )
