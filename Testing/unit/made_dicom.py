"""Makes real DICOM files for tests: a volume as a series, in any plane and order."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

NAME = "Doe^Jane"


def write_series(folder, volume, *, order=None, prefix="slice", uid=None, **attributes):
    """Write a volume, one file a slice.

    ``order`` is the order of the slices in the files' names and instance
    numbers. ``attributes`` are set on every file by DICOM keyword; a callable
    is given the slice's number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    uid = uid or generate_uid()
    paths = []
    for instance, k in enumerate(order if order is not None else range(volume.array.shape[0]), 1):
        header = _header(MRImageStorage)
        header.SeriesInstanceUID = uid
        header.InstanceNumber = instance
        _place(header, volume.grid, k)
        header.SpacingBetweenSlices = volume.grid.spacing[2]
        header.SliceThickness = volume.grid.spacing[2]
        for keyword, value in attributes.items():
            setattr(header, keyword, value(k) if callable(value) else value)
        _set_pixels(header, volume.array[k])
        paths.append(folder / f"{prefix}{instance:04d}.dcm")
        header.save_as(paths[-1], enforce_file_format=True)
    return paths


def write_enhanced(path: Path, volumes_by_echo_time):
    """Write several volumes of one grid as one enhanced multi-frame file, echoes interleaved."""
    header = _header(EnhancedMRImageStorage)
    header.SeriesInstanceUID = generate_uid()
    volumes = list(volumes_by_echo_time.values())
    grid = volumes[0].grid
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [grid.spacing[1], grid.spacing[0]]
    measures.SpacingBetweenSlices = grid.spacing[2]
    directions = np.reshape(grid.direction, (3, 3))
    orientation.ImageOrientationPatient = [*directions[:, 0], *directions[:, 1]]
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([orientation])
    header.SharedFunctionalGroupsSequence = Sequence([shared])
    frames, pixels = [], []
    for k in range(grid.shape[0]):
        for echo_time, volume in volumes_by_echo_time.items():
            frame, position, echo = Dataset(), Dataset(), Dataset()
            position.ImagePositionPatient = _position(grid, k)
            echo.EffectiveEchoTime = echo_time
            frame.PlanePositionSequence = Sequence([position])
            frame.MREchoSequence = Sequence([echo])
            frames.append(frame)
            pixels.append(volume.array[k])
    header.PerFrameFunctionalGroupsSequence = Sequence(frames)
    header.NumberOfFrames = len(frames)
    _set_pixels(header, np.stack(pixels))
    header.save_as(path, enforce_file_format=True)


def edit(path, **attributes):
    """Set attributes of a DICOM file; None removes one."""
    header = pydicom.dcmread(path)
    for keyword, value in attributes.items():
        if value is None:
            delattr(header, keyword)
        else:
            setattr(header, keyword, value)
    header.save_as(path)


def _header(storage):
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = storage
    header.SOPClassUID = storage
    header.SOPInstanceUID = generate_uid()
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.StudyInstanceUID = generate_uid()
    header.PatientName = NAME
    header.PatientID = "4711-secret"
    header.SeriesDescription = f"thighs of {NAME}"
    header.Modality = "MR"
    header.SeriesNumber = 3
    header.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    return header


def _position(grid, k):
    return [float(f"{value:.10g}") for value in (grid.ijk_to_lps @ (0, 0, k, 1))[:3]]


def _place(header, grid, k):
    directions = np.reshape(grid.direction, (3, 3))
    cosines = [*directions[:, 0], *directions[:, 1]]
    header.ImagePositionPatient = _position(grid, k)
    header.ImageOrientationPatient = [float(f"{value:.10g}") for value in cosines]
    header.PixelSpacing = [grid.spacing[1], grid.spacing[0]]


def _set_pixels(header, array):
    header.Rows, header.Columns = array.shape[-2:]
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 16
    header.HighBit = 15
    header.PixelRepresentation = 0
    header.PixelData = np.rint(array).astype("<u2").tobytes()


def write_document(path, storage, beside):
    """Write an object without pixels, of the study and place of another one."""
    header = _header(storage)
    header.SeriesInstanceUID = generate_uid()
    header.StudyInstanceUID = beside.StudyInstanceUID
    header.FrameOfReferenceUID = beside.FrameOfReferenceUID
    header.Modality = "SR" if "SR" in storage.name else "DOC"
    header.EncapsulatedDocument = b"%PDF-1.4"
    header.save_as(path, enforce_file_format=True)


def strip_preamble(path):
    """Leave out the 128 bytes and the mark with which a DICOM file should begin."""
    path.write_bytes(path.read_bytes()[132:])


def strip_meta(path):
    """Leave nothing but the data set, implicit VR, as old archives did."""
    header = pydicom.dcmread(path)
    bare = Dataset()
    bare.update(header)
    bare.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=False)


def set_rescale_of_frames(path, slopes, intercept=0, *, shared=False):
    """State the rescaling in the groups of the frames, or once in the shared ones."""
    header = pydicom.dcmread(path)
    holders = header.PerFrameFunctionalGroupsSequence
    for holder, slope in zip(
        header.SharedFunctionalGroupsSequence if shared else holders, slopes, strict=True
    ):
        item = Dataset()
        item.RescaleSlope, item.RescaleIntercept = str(slope), str(intercept)
        item.RescaleType = "US"
        holder.PixelValueTransformationSequence = Sequence([item])
    header.save_as(path)
