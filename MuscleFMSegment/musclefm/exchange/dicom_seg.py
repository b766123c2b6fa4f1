"""DICOM Segmentation objects: labels written for the series they were made on, any maker's read."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from musclefm import __version__
from musclefm.errors import MuscleFMError
from musclefm.exchange.derived_object import (
    identification,
    source_errors,
    volume_in_frame_of_reference,
    write_object,
)
from musclefm.exchange.external_labels import ExternalLabels, ExternalSegment, assign
from musclefm.exchange.source_series import SourceSeries
from musclefm.labels.scheme import Label, LabelScheme, Side, segment_name
from musclefm.labels.sided import IGNORE, check_sided_labels
from musclefm.labels.sides import SIDE_CODES, side_of_code
from musclefm.volumes.affine import grid_of_affine
from musclefm.volumes.checks import check_header_shape, damaged_error
from musclefm.volumes.dicom.files import read_header
from musclefm.volumes.volume import Volume

_ANATOMICAL_STRUCTURE = ("123037004", "SCT", "Anatomical Structure")
_ARTIFICIAL_INTELLIGENCE = ("123109", "DCM", "Artificial Intelligence")
_SERIES_NUMBER = 7001


def write_dicom_segmentation(
    path: Path,
    labels: Volume,
    scheme: LabelScheme,
    source: SourceSeries,
    *,
    corrected: bool = False,
) -> None:
    """Write labels as a DICOM SEG that refers to the source's slices.

    It belongs to the source's patient and study and so holds their identity, as
    DICOM demands: of all that this project writes, only the DICOM objects do.

    Each muscle and side with any voxel is a binary segment with its colour, its
    code from the label scheme and the side as the code's modifier.

    Parameters
    ----------
    path : Path
        File to write, by custom ending in ``.dcm``.
    labels : Volume
        ``(K, J, I) uint8``: sided values, see
        :meth:`LabelScheme.labels_of_sides`; voxels to be ignored are left out.
    scheme : LabelScheme
        Names, colours and codes.
    source : SourceSeries
        The slices that were segmented.
    corrected : bool
        Whether a reader has worked on the labels: they are then
        semi-automatic.

    Raises
    ------
    MuscleFMError
        There is no label, the labels are not the scheme's or not on the
        source's voxels, the source cannot be referred to, or the file cannot
        be written.
    """
    # Imported late: it takes long, and only DICOM output needs it.
    import highdicom

    check_sided_labels(labels.array, scheme)
    array = np.where(labels.array == IGNORE, np.uint8(0), labels.array)
    named = scheme.labels_of_sides()
    values = [value for value in np.unique(array).tolist() if value]
    if not values:
        raise MuscleFMError(
            "there is no label to export", "segment the image first, or draw a muscle"
        )
    # Segments are numbered from 1 without gaps.
    numbers = np.zeros(IGNORE + 1, np.uint8)
    numbers[values] = np.arange(1, len(values) + 1)
    volume = volume_in_frame_of_reference(labels.with_array(numbers[array]), source)
    kind = "SEMIAUTOMATIC" if corrected else "AUTOMATIC"
    segments = [_segment(number, *named[value], kind) for number, value in enumerate(values, 1)]
    with source_errors():
        segmentation = highdicom.seg.Segmentation(
            source_images=source.instances,
            pixel_array=volume,
            segmentation_type="BINARY",
            segment_descriptions=segments,
            # Readers that build the grid from the frames would crop it to the muscles.
            omit_empty_frames=bool(array.any(axis=(1, 2)).all()),
            content_label="THIGH_MUSCLES",
            series_description=f"Thigh muscles ({scheme.name})",
            **identification(_SERIES_NUMBER),
        )
    write_object(segmentation, path, source)


def _segment(number: int, side: Side, label: Label, kind: str) -> Any:
    import highdicom

    coded = highdicom.sr.CodedConcept
    muscle = coded(label.code.value, label.code.scheme, label.code.meaning)
    muscle.SegmentedPropertyTypeModifierCodeSequence = [coded(*SIDE_CODES[side])]
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment_name(side, label),
        segmented_property_category=coded(*_ANATOMICAL_STRUCTURE),
        segmented_property_type=muscle,
        algorithm_type=kind,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="MuscleFM", family=coded(*_ARTIFICIAL_INTELLIGENCE), version=__version__
        ),
        display_color=highdicom.color.CIELabColor.from_rgb(*label.colour),
    )


def read_dicom_seg(path: Path, what: str) -> ExternalLabels:
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
            segmentation = highdicom.seg.Segmentation.from_dataset(read_header(path), copy=False)
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
            # Frames far apart make a volume that is larger than the file by any factor.
            if geometry := segmentation.get_volume_geometry():
                check_header_shape(geometry.spatial_shape, what)
            content = segmentation.get_volume(combine_segments=False)
        except (MuscleFMError, MemoryError):
            raise
        except Exception as error:
            raise damaged_error(what) from error
    labels = np.zeros(content.spatial_shape, np.int64)
    for index, number in enumerate(numbers):
        assign(labels, content.array[..., index] > 0, int(number), what)
    # Its affine takes (k, j, i) to LPS.
    grid, _ = grid_of_affine(np.asarray(content.affine)[:, [2, 1, 0, 3]], labels.shape, what)
    present = set(np.unique(labels).tolist())
    return ExternalLabels(
        Volume(labels, grid),
        tuple(
            _external_segment(segmentation.get_segment_description(number))
            for number in numbers
            if number in present
        ),
    )


def _external_segment(description: Any) -> ExternalSegment:
    kind = description.segmented_property_type
    regions = description.get("AnatomicRegionSequence", ())
    modifiers = [
        *kind.get("SegmentedPropertyTypeModifierCodeSequence", ()),
        *(item for region in regions for item in region.get("AnatomicRegionModifierSequence", ())),
    ]
    sides = [side_of_code(item.CodingSchemeDesignator, item.CodeValue) for item in modifiers]
    return ExternalSegment(
        value=int(description.segment_number),
        name=description.segment_label,
        code=(kind.scheme_designator, kind.value),
        side=next((side for side in sides if side), None),
    )
