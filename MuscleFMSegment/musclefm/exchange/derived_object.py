"""What all DICOM objects have in common that are derived from a series."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pydicom

from musclefm import __version__
from musclefm.errors import MuscleFMError
from musclefm.exchange.alignment import align_to_grid
from musclefm.exchange.source_series import SourceSeries
from musclefm.storage.atomic import atomic_bytes
from musclefm.volumes.volume import Volume


def identification(series_number: int) -> dict[str, Any]:
    """Return the arguments by which highdicom tells a new object and its maker from others."""
    return {
        "series_instance_uid": pydicom.uid.generate_uid(prefix=None),
        "series_number": series_number,
        "sop_instance_uid": pydicom.uid.generate_uid(prefix=None),
        "instance_number": 1,
        "manufacturer": "MuscleFM",
        "manufacturer_model_name": "MuscleFM",
        "software_versions": __version__,
        "device_serial_number": __version__,
        "content_creator_name": "MuscleFM",
        "content_description": "Research use only. Not for clinical use.",
    }


def volume_in_frame_of_reference(volume: Volume, source: SourceSeries) -> Any:
    """Return a volume as highdicom's, on the grid of the source's slices.

    highdicom finds by position which slice of the source each frame belongs to.

    Parameters
    ----------
    volume : Volume
        ``(K, J, I)`` with the voxels of the source, in whatever order of axes.
    source : SourceSeries
        What the volume was made from.

    Raises
    ------
    MuscleFMError
        The voxels are not the source's.
    """
    placed = align_to_grid(volume, source.grid)
    # Its affine takes (k, j, i) to LPS.
    affine = placed.grid.ijk_to_lps[:, [2, 1, 0, 3]]
    # Imported late: it takes long, and only DICOM output needs it.
    import highdicom

    return highdicom.Volume(
        array=placed.array,
        affine=affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=source.instances[0].FrameOfReferenceUID,
    )


@contextlib.contextmanager
def source_errors() -> Iterator[None]:
    """Report in a line that a series lacks what a derived object must copy from it."""
    try:
        with warnings.catch_warnings():
            # They cite odd values of the source's headers.
            warnings.simplefilter("ignore")
            yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MuscleFMError(
            "the headers of the DICOM series lack what an object derived from it must state",
            "export it again from the scanner or archive, or export as NIfTI or .seg.nrrd",
        ) from error


def write_object(derived: pydicom.Dataset, path: Path, source: SourceSeries) -> None:
    """Write a DICOM object that refers to no other frames than the source's, whole or not at all.

    Raises
    ------
    MuscleFMError
        The file cannot be written; nothing is left behind.
    """
    _refer_to_frames(derived, source)
    buffer = io.BytesIO()
    derived.save_as(buffer, enforce_file_format=True)
    atomic_bytes(path, buffer.getvalue())


def _refer_to_frames(derived: pydicom.Dataset, source: SourceSeries) -> None:
    """Name of an enhanced file only the frames of the image, of which it may hold several.

    highdicom names all frames at a position.
    """
    groups = [
        derivation
        for frame in derived.PerFrameFunctionalGroupsSequence
        for derivation in frame.get("DerivationImageSequence", ())
    ]
    for holder in (derived, *groups):
        kept = []
        for item in holder.get("SourceImageSequence", ()):
            frames = source.frames.get(item.ReferencedSOPInstanceUID)
            if frames is not None:
                named = item.get("ReferencedFrameNumber") or frames
                numbers = named if isinstance(named, Iterable) else [named]
                kept_frames = [int(number) for number in numbers if int(number) in frames]
                if not kept_frames:
                    continue
                item.ReferencedFrameNumber = kept_frames
            kept.append(item)
        if kept:
            holder.SourceImageSequence = kept
