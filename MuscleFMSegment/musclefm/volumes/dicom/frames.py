"""From DICOM headers to frames: single slices with their place in the patient.

A frame is a whole file, one frame of an enhanced multi-frame file, or one tile
of a Siemens mosaic. Only the technical attributes listed here are read; those
that name a patient are never parsed.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom

from musclefm.progress import Progress, followed, silent
from musclefm.volumes.dicom.defined_terms import known_body_part, known_modality
from musclefm.volumes.dicom.files import is_dicom, read_header
from musclefm.volumes.dicom.siemens_mosaic import CSA_HEADER, read_mosaic

_TAGS: list[Any] = [
    "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "Modality", "BodyPartExamined",
    "InstanceNumber", "AcquisitionNumber", "ImageType", "Rows", "Columns", "NumberOfFrames",
    "SamplesPerPixel", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "SliceThickness", "SpacingBetweenSlices", "EchoTime", "EchoNumbers", "InversionTime",
    "DiffusionBValue", "ComplexImageComponent", "TemporalPositionIdentifier", "FrameOfReferenceUID",
    "RescaleSlope", "RescaleIntercept",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", CSA_HEADER,
]  # fmt: skip

_OFF_UNIT = 0.1

TRAITS = ("image type", "echo time", "echo number", "inversion time", "b-value", "time point")
"""What can tell frames at the same place apart, what matters most first."""


@dataclass(frozen=True)
class Frame:
    """One slice of a series, without its pixels.

    Attributes
    ----------
    path : Path
        The file that holds it.
    index : int
        Which frame or tile of the file, from 0.
    tiles : int
        Tiles along an edge of a mosaic; 0 where the file is none.
    identity : str
        The same for two copies of the same frame.
    series : tuple
        Series number and SeriesInstanceUID.
    frame_of_reference : str
        FrameOfReferenceUID; empty where absent.
    modality, body_part : str
        DICOM's codes; empty where absent.
    shape : tuple of int
        ``(J, I)``: rows and columns.
    samples : int
        Values a pixel: 3 in colour.
    position : tuple of float
        Centre of the first pixel in mm, LPS.
    orientation : tuple of float
        LPS unit vectors along a row, then along a column.
    spacing : tuple of float
        ``(I, J)`` in mm.
    thickness : float
        From slice to slice, or else the slice's own, in mm; 0 where absent.
    slice_mm : float
        The slice's own thickness in mm; 0 where absent.
    traits : tuple
        Values in the order of :data:`TRAITS`; None where absent.
    rescale : tuple of float
        Slope and intercept from stored values to intensities.
    order : tuple of int
        Acquisition and instance number: which of two alike came first.
    """

    path: Path
    index: int
    tiles: int
    identity: str
    series: tuple[int, str]
    frame_of_reference: str
    modality: str
    body_part: str
    shape: tuple[int, int]
    samples: int
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, float]
    thickness: float
    slice_mm: float
    traits: tuple[str | float | None, ...]
    rescale: tuple[float, float]
    order: tuple[int, int, int]

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """LPS unit vector from slice to slice, right-handed with rows and columns."""
        return np.cross(self.orientation[:3], self.orientation[3:])


class _NoRescalingError(ValueError):
    """What a slice's stored values mean is not stated in numbers."""


@dataclass(frozen=True)
class Scan:
    """What the files of a folder hold.

    Attributes
    ----------
    frames : tuple of Frame
        All slices that have a place in the patient.
    unplaced : tuple of str
        SeriesInstanceUID of each image file that has none, e.g. a screen capture, or
        no spacing or rescaling in numbers.
    unread : int
        Files that are DICOM and cannot be read.
    """

    frames: tuple[Frame, ...]
    unplaced: tuple[str, ...]
    unread: int


def scan_files(paths: list[Path], progress: Progress = silent) -> Scan:
    """Read the headers of those files that are DICOM images; others are passed over."""
    frames: list[Frame] = []
    unplaced: list[str] = []
    unread = 0
    for path in followed(paths, "looking for DICOM slices", progress):
        if not is_dicom(path):
            continue
        try:
            # pydicom warns of odd values and cites them.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                header = read_header(path, stop_before_pixels=True, specific_tags=_TAGS)
                if not header.get("Rows") or not header.get("Columns"):
                    unread += _should_be_image(header)
                    continue
                found = list(_frames(header, path))
        except _NoRescalingError:
            unplaced.append(str(header.get("SeriesInstanceUID") or ""))
            continue
        except Exception:  # of a damaged header, pydicom raises whatever comes
            unread += 1
            continue
        frames += found
        if not found:
            unplaced.append(str(header.get("SeriesInstanceUID") or ""))
    return Scan(tuple(frames), tuple(unplaced), unread)


def _frames(header: pydicom.Dataset, path: Path) -> Iterator[Frame]:
    groups = header.get("PerFrameFunctionalGroupsSequence")
    if groups:
        shared = next(iter(header.get("SharedFunctionalGroupsSequence") or []), pydicom.Dataset())
        enhanced = [_Enhanced(group, shared) for group in groups]
        placed = [_has_place(frame) for frame in enhanced]
        if any(placed) and not all(placed):
            raise ValueError("some frames have no place")
        for index, slice_ in enumerate(enhanced if all(placed) else ()):
            yield _frame(header, slice_, path, index)
    elif _has_place(header) and int(header.get("NumberOfFrames") or 1) == 1:
        frame = _frame(header, header, path, 0)
        if "MOSAIC" not in (header.get("ImageType") or ()):
            yield frame
            return
        mosaic = read_mosaic(header)
        origins = mosaic.origins(frame.position, frame.orientation, frame.spacing, frame.thickness)
        for index, origin in enumerate(origins):
            yield replace(
                frame,
                index=index,
                tiles=mosaic.tiles,
                identity=f"{frame.identity}/{index}",
                shape=mosaic.shape,
                position=origin,
            )


def _should_be_image(header: pydicom.FileDataset) -> bool:
    kind = header.file_meta.get("MediaStorageSOPClassUID")
    return kind is not None and "Image Storage" in kind.name


def _has_place(slice_: Any) -> bool:
    needed = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
    if not all(_is_vector(slice_.get(name), size) for name, size in needed.items()):
        return False
    cosines = [float(value) for value in slice_.get("ImageOrientationPatient")]
    normal = float(np.linalg.norm(np.cross(cosines[:3], cosines[3:])))
    return abs(normal - 1) < _OFF_UNIT and min(map(float, slice_.get("PixelSpacing"))) > 0


def _is_vector(values: Any, size: int) -> bool:
    if not values or len(values) != size:
        return False
    return all(math.isfinite(float(value)) for value in values)


def _frame(header: pydicom.Dataset, slice_: Any, path: Path, index: int) -> Frame:
    spacing = slice_.get("PixelSpacing")
    slice_mm = _millimetres(slice_.get("SliceThickness"))
    uid = str(header.get("SeriesInstanceUID") or "")
    return Frame(
        path=path,
        index=index,
        tiles=0,
        identity=f"{header.get('SOPInstanceUID') or path}/{index}",
        series=(int(header.get("SeriesNumber") or 0), uid),
        frame_of_reference=str(header.get("FrameOfReferenceUID") or ""),
        modality=known_modality(str(header.get("Modality") or "")),
        body_part=known_body_part(str(header.get("BodyPartExamined") or "")),
        shape=(int(header.Rows), int(header.Columns)),
        samples=int(header.get("SamplesPerPixel") or 1),
        position=tuple(float(value) for value in slice_.get("ImagePositionPatient")),
        orientation=tuple(float(value) for value in slice_.get("ImageOrientationPatient")),
        spacing=(float(spacing[1]), float(spacing[0])),
        thickness=_millimetres(slice_.get("SpacingBetweenSlices")) or slice_mm,
        slice_mm=slice_mm,
        traits=_traits(slice_),
        rescale=_rescale(header, slice_),
        order=(
            int(header.get("AcquisitionNumber") or 0),
            int(header.get("InstanceNumber") or 0),
            index,
        ),
    )


def _rescale(header: pydicom.Dataset, slice_: Any) -> tuple[float, float]:
    slope, intercept = (
        next((float(v) for v in (slice_.get(name), header.get(name)) if v not in (None, "")), usual)
        for name, usual in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
    )
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        raise _NoRescalingError
    return slope, intercept


def _traits(slice_: Any) -> tuple[str | float | None, ...]:
    kinds = slice_.get("ImageType") or slice_.get("FrameType") or ()
    # The first two say how a pixel came about (ORIGINAL\PRIMARY), the rest what it shows.
    shows = [*list(kinds)[2:], slice_.get("ComplexImageComponent") or ""]
    kind = " ".join(str(value) for value in shows).strip().upper() or None
    echo_time = slice_.get("EchoTime") or slice_.get("EffectiveEchoTime")
    return (
        kind,
        _number(echo_time),
        _number(slice_.get("EchoNumbers")),
        _number(slice_.get("InversionTime")),
        _number(slice_.get("DiffusionBValue")),
        _number(slice_.get("TemporalPositionIdentifier") or slice_.get("TemporalPositionIndex")),
    )


def _millimetres(value: Any) -> float:
    """Return a thickness or distance; 0 where there is none or it is no number."""
    length = abs(float(value or 0.0))
    return length if math.isfinite(length) else 0.0


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, list | tuple | pydicom.multival.MultiValue):
        value = value[0]
    # Scanners write the same time with more or fewer digits.
    return round(float(value), 3) if math.isfinite(float(value)) else None


class _Enhanced:
    """An enhanced frame's attributes, looked up in its own groups, then in the shared ones."""

    def __init__(self, own: pydicom.Dataset, shared: pydicom.Dataset) -> None:
        self._groups = [
            item for holder in (own, shared) for group in holder for item in _items(group)
        ]

    def get(self, name: str) -> Any:
        """Return the attribute's value, or None."""
        return next((group[name].value for group in self._groups if name in group), None)


def _items(element: pydicom.DataElement) -> list[pydicom.Dataset]:
    return list(element.value) if element.VR == "SQ" else []
