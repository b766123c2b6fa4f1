"""Whether a volume of the scene can be segmented, said in words, and handing it to the child."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from musclefm.errors import MuscleFMError
from musclefm.volumes.checks import check_header_shape, check_size, colour_error, looks_like_ct
from MuscleFMSegmentLib.scene.geometry import volumeGrid, voxels

_WHAT = "the volume"


class TransformAboveError(MuscleFMError):
    """A linear transform lies above the volume; :func:`hardenTransform` mends that."""


def checkInput(
    volumeNode: slicer.vtkMRMLScalarVolumeNode | None,
) -> tuple[str, ...]:
    """Tell what to warn of before a volume is segmented, or refuse it.

    Returns
    -------
    tuple of str
        Warnings, a line each: the volume does not look like MR.

    Raises
    ------
    TransformAboveError
        A linear transform lies above it.
    MuscleFMError
        There is none, it is 4-D, in colour or a labelmap, empty, sheared, too
        small, or a non-linear transform lies above it.
    """
    if volumeNode is None or volumeNode.GetScene() is None:
        raise MuscleFMError("no volume is chosen", "load a thigh MR and choose it as the volume")
    if volumeNode.IsA("vtkMRMLLabelMapVolumeNode"):
        raise MuscleFMError(f"{_WHAT} is a labelmap", "choose the MR image that it was drawn on")
    if _isBrowsed(volumeNode):
        raise MuscleFMError(
            f"{_WHAT} is 4-D: it is the current item of a sequence",
            "copy the wanted item to a volume of its own",
        )
    image = volumeNode.GetImageData()
    if image is None or 0 in image.GetDimensions() or not image.GetPointData().GetScalars():
        raise MuscleFMError(f"{_WHAT} is empty", "load it again")
    if image.GetNumberOfScalarComponents() > 1 or not volumeNode.IsA("vtkMRMLScalarVolumeNode"):
        raise colour_error(_WHAT)
    check_size(image.GetDimensions()[::-1], _WHAT)
    check_header_shape(image.GetDimensions()[::-1], _WHAT)
    transformNode = volumeNode.GetParentTransformNode()
    if transformNode is not None:
        if not transformNode.IsTransformToWorldLinear():
            raise MuscleFMError(
                "a non-linear transform lies above the volume",
                "take the volume out of it, or resample it first",
            )
        raise TransformAboveError(
            "a linear transform lies above the volume", "harden it or take the volume out of it"
        )
    volumeGrid(volumeNode)
    return _unlikeMr(volumeNode)


def hardenTransform(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Move a volume to where the linear transforms above it put it, without resampling.

    Raises
    ------
    MuscleFMError
        A non-linear transform lies above it, which would resample the volume.
    """
    transformNode = volumeNode.GetParentTransformNode()
    if transformNode is None:
        return
    if not transformNode.IsTransformToWorldLinear():
        raise MuscleFMError(
            "a non-linear transform lies above the volume", "resample the volume first"
        )
    volumeNode.HardenTransform()


def exportInput(
    channels: Mapping[str, slicer.vtkMRMLScalarVolumeNode], folder: Path
) -> dict[str, Path]:
    """Write volumes as NRRD files that the child process reads.

    The files hold voxels and geometry alone: no node name, no DICOM attribute.
    They are not compressed, because Slicer stands still meanwhile.

    Parameters
    ----------
    channels : Mapping
        What each volume is, e.g. ``{"water": …, "fat": …}`` or ``{"image": …}``.
    folder : Path
        An existing folder.

    Returns
    -------
    dict
        The file of each channel, ``folder / "<channel>.nrrd"``.

    Raises
    ------
    MuscleFMError
        A file cannot be written.
    """
    files = {}
    for channel, volumeNode in channels.items():
        matrix = vtk.vtkMatrix4x4()
        volumeNode.GetIJKToRASMatrix(matrix)
        # A node of its own, since the writer puts a node's attributes into the file.
        bare = slicer.vtkMRMLScalarVolumeNode()
        bare.SetAndObserveImageData(volumeNode.GetImageData())
        bare.SetIJKToRASMatrix(matrix)
        storage = slicer.vtkMRMLNRRDStorageNode()
        storage.SetUseCompression(False)
        files[channel] = folder / f"{channel}.nrrd"
        storage.SetFileName(str(files[channel]))
        if not storage.WriteData(bare):
            raise MuscleFMError(
                "the volume cannot be handed to the segmentation",
                "check the space on the disk of Slicer's temporary folder",
            )
    return files


def _isBrowsed(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> bool:
    scene = volumeNode.GetScene()
    browsers = scene.GetNodesByClass("vtkMRMLSequenceBrowserNode")
    browsers.UnRegister(None)
    return any(
        browsers.GetItemAsObject(number).IsProxyNodeID(volumeNode.GetID())
        for number in range(browsers.GetNumberOfItems())
    )


def _unlikeMr(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> tuple[str, ...]:
    scalars = vtk_to_numpy(volumeNode.GetImageData().GetPointData().GetScalars())
    if scalars.min() == scalars.max():
        raise MuscleFMError(f"{_WHAT} has the same value in every voxel", "choose another volume")
    if looks_like_ct(voxels(volumeNode.GetImageData())):
        return (f"{_WHAT} looks like CT, while the models know only MR: expect poor labels",)
    return ()
