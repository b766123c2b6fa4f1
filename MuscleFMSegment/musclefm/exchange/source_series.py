"""The DICOM images that labels belong to, for objects that refer to them."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pydicom.valuerep import format_number_as_ds

from musclefm.errors import MuscleFMError
from musclefm.volumes.affine import grid_of_affine
from musclefm.volumes.dicom.files import is_dicom, read_header
from musclefm.volumes.dicom.series import find_stack
from musclefm.volumes.formats.decoded import Decoded, SeriesChoice
from musclefm.volumes.grid import Grid
from musclefm.volumes.reading import voxels_sha256
from musclefm.volumes.volume import Volume

_WHAT = "the segmented image"
_NEEDED = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
_SAME_SPACING_MM = 1e-3
# Files must have these attributes of the patient and the study, if only empty.
_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID",
    "StudyDate", "StudyTime",
)  # fmt: skip


@dataclass(frozen=True)
class SourceSeries:
    """The slices of one image of a DICOM series.

    Attributes
    ----------
    grid : Grid
        As :func:`~musclefm.volumes.reading.read_volume` reads the image.
    instances : tuple of pydicom.Dataset
        The headers of its files, whole, with the patient's identity, and
        without pixels; in the order of the slices.
    frames : mapping of str to tuple of int
        By the SOPInstanceUID of an enhanced file, which of its frames are those
        of the image, from 1.
    """

    grid: Grid
    instances: tuple[pydicom.Dataset, ...]
    frames: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def find_source_series(
    where: Path | Sequence[Path],
    choice: SeriesChoice | None = None,
    segmented: Collection[str] = (),
) -> SourceSeries:
    """Find the files of the image that :func:`~musclefm.volumes.reading.read_volume` reads.

    Parameters
    ----------
    where : Path or sequence of Path
        A DICOM folder, or any file of the series in its folder; or the files of
        the image, as a DICOM database knows them.
    choice : SeriesChoice, optional
        The series and echo that were segmented; without, the first.
    segmented : collection of str
        Of the images that were segmented, what :func:`voxels_sha256` returns:
        where the choice leaves several, one of these is taken.

    Raises
    ------
    MuscleFMError
        It is no DICOM, is no regular grid of slices, lacks the identifiers by
        which other objects refer to it or gives several slices the same, or several
        images are there and none was segmented.
    """
    files = [where] if isinstance(where, Path) else list(where)
    if not files or not all(file.is_dir() or is_dicom(file) for file in files):
        raise MuscleFMError(
            "the image is no DICOM series, so no DICOM object can refer to it",
            "give the series that was segmented, or export as NIfTI or .seg.nrrd",
        )

    def is_segmented(decoded: Decoded) -> bool:
        shape = (decoded.array.shape[0], decoded.array.shape[1], decoded.array.shape[2])
        grid, _ = grid_of_affine(decoded.ijk_to_lps, shape, _WHAT)
        return voxels_sha256(Volume(decoded.array, grid)) in segmented

    search = is_segmented if segmented else None
    placed = find_stack(where, _WHAT, choice or SeriesChoice(), search)
    grid, _ = grid_of_affine(placed.ijk_to_lps, placed.shape, _WHAT)
    paths = dict.fromkeys(frame.path for frame in placed.stack.frames)
    instances = [_header(path) for path in paths]
    if len({instance.SOPInstanceUID for instance in instances}) < len(instances):
        raise MuscleFMError(
            "several slices of the DICOM series have the same SOPInstanceUID, so no other object"
            " can refer to them",
            "give the series as the scanner made it, or export as NIfTI or .seg.nrrd",
        )
    for instance in instances:
        _make_alike(instance, instances[0], grid)
    frames = {
        str(instance.SOPInstanceUID): tuple(
            frame.index + 1 for frame in placed.stack.frames if frame.path == path
        )
        for path, instance in zip(paths, instances, strict=True)
        if "PerFrameFunctionalGroupsSequence" in instance
    }
    return SourceSeries(grid, tuple(instances), frames)


def _header(path: Path) -> pydicom.Dataset:
    with warnings.catch_warnings():
        # pydicom warns of odd values and cites them.
        warnings.simplefilter("ignore")
        header = read_header(path, stop_before_pixels=True)
    if missing := [name for name in _NEEDED if not header.get(name)]:
        raise MuscleFMError(
            f"the DICOM series lacks {', '.join(missing)}, so no other object can refer to it",
            "export it again from the scanner or archive",
        )
    for name in _MAY_BE_EMPTY:
        if name not in header:
            setattr(header, name, "")
    return header


def _make_alike(instance: pydicom.Dataset, first: pydicom.Dataset, grid: Grid) -> None:
    """Give a header the first one's study and the grid's geometry, for objects that copy them.

    Some anonymisers give every file a study of its own. Headers round the
    orientation differently from slice to slice, some name another distance
    between slices than their positions have, and enhanced files may repeat for
    every frame what all frames share.
    """
    instance.StudyInstanceUID = first.StudyInstanceUID
    if "PerFrameFunctionalGroupsSequence" in instance:
        shared = instance.SharedFunctionalGroupsSequence[0]
        for name in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
            if name not in shared:
                setattr(shared, name, instance.PerFrameFunctionalGroupsSequence[0][name].value)
        measures = shared.PixelMeasuresSequence[0]
    else:
        instance.ImageOrientationPatient = first.ImageOrientationPatient
        measures = instance
    step = grid.spacing[2]
    if abs(float(measures.get("SpacingBetweenSlices") or 0) - step) > _SAME_SPACING_MM:
        measures.SpacingBetweenSlices = format_number_as_ds(step)
    if not measures.get("SliceThickness"):
        measures.SliceThickness = format_number_as_ds(step)
