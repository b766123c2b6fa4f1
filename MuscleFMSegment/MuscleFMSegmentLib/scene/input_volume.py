"""Whether a volume of the scene can be segmented, and its way to the child process and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from musclefm.volumes.checks import check_header_shape, check_size, colour_error, looks_like_ct
from musclefm.volumes.formats.encoding import nrrd_header
from musclefm.volumes.grid import Grid
from musclefm.volumes.stored import read_stored
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.scene.geometry import ijkToRas, setVoxels, volumeGrid, voxels, vtkMatrix
from MuscleFMSegmentLib.scene.nodes import ROLE_ATTRIBUTE

_SHOWN_CHANNELS = ("image", "water", "in-phase", "fat", "out-of-phase")
_ROWS_LOOKED_AT = 64
# As Slicer's own window, which cuts off 0.1 % at both ends.
_SHOWN_PERCENTILES = (0.1, 99.9)


class TransformAboveError(MuscleFMError):
    """A linear transform lies above the volume; :func:`hardenTransform` removes it."""


def checkInput(
    volumeNode: slicer.vtkMRMLScalarVolumeNode | None,
) -> tuple[str, ...]:
    """Return what to warn of before a volume is segmented, or refuse it.

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
        raise MuscleFMError(
            _("no volume is chosen"), _("load a thigh MR and choose it as the volume")
        )
    if volumeNode.IsA("vtkMRMLLabelMapVolumeNode"):
        raise MuscleFMError(
            _("the volume is a labelmap"), _("choose the MR image that it was drawn on")
        )
    if volumeNode.GetAttribute(ROLE_ATTRIBUTE) is not None:
        raise MuscleFMError(
            _("the volume is an uncertainty map"), _("choose the MR image that was segmented")
        )
    if _isBrowsed(volumeNode):
        raise MuscleFMError(
            _("the volume is 4-D, the current item of a sequence"),
            _("copy the wanted item to a volume of its own"),
        )
    image = volumeNode.GetImageData()
    if image is None or 0 in image.GetDimensions() or not image.GetPointData().GetScalars():
        raise MuscleFMError(_("the volume is empty"), _("load it again"))
    if image.GetNumberOfScalarComponents() > 1 or not volumeNode.IsA("vtkMRMLScalarVolumeNode"):
        raise colour_error(_("the volume"))
    check_size(image.GetDimensions()[::-1], _("the volume"))
    check_header_shape(image.GetDimensions()[::-1], _("the volume"))
    transformNode = volumeNode.GetParentTransformNode()
    if transformNode is not None:
        if not transformNode.IsTransformToWorldLinear():
            raise MuscleFMError(
                _("a non-linear transform lies above the volume"),
                _("take the volume out of it, or resample it first"),
            )
        raise TransformAboveError(
            _("a linear transform lies above the volume"),
            _("harden it or take the volume out of it"),
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
            _("a non-linear transform lies above the volume"), _("resample the volume first")
        )
    volumeNode.HardenTransform()


def inputImages(channels: Mapping[str, slicer.vtkMRMLScalarVolumeNode]) -> dict[str, Volume]:
    """Return the voxels of volumes, not copied, for :func:`writeInput` in a second thread.

    Parameters
    ----------
    channels : Mapping
        What each volume is, e.g. ``{"water": …, "fat": …}`` or ``{"image": …}``.
    """
    return {
        channel: Volume(voxels(node.GetImageData()), volumeGrid(node))
        for channel, node in channels.items()
    }


def writeInput(images: Mapping[str, Volume], folder: Path) -> None:
    """Write images as ``folder / "<channel>.nrrd"``, which the child process reads.

    The files hold voxels and geometry alone: no node name, no DICOM attribute. They are
    written as they are, for which Python's lock is let go: new pages for 60 MB may take
    the system a third of a second.

    Raises
    ------
    MuscleFMError
        A file cannot be written.
    """
    try:
        for channel, volume in images.items():
            with (folder / f"{channel}.nrrd").open("wb") as file:
                file.write(nrrd_header(volume.array, volume.grid, "raw"))
                volume.array.tofile(file)
    except OSError as error:
        raise MuscleFMError(
            _("the volume cannot be handed to the segmentation"),
            _("check the space on the disk of the user's data folder"),
        ) from error


@dataclass(frozen=True)
class StoredImage:
    """The image of a case as it lies on the disk.

    Attributes
    ----------
    grid : Grid
        Where its voxels lie.
    image : vtkImageData
        Its voxels, float32.
    shown : tuple of float
        The darkest and the brightest intensity that the display sets apart.
    """

    grid: Grid
    image: vtk.vtkImageData
    shown: tuple[float, float]


def readImage(images: Path) -> StoredImage:
    """Read the image of a case, float32, without the scene: a second thread may do so.

    Parameters
    ----------
    images : Path
        Holds a NRRD file a channel.

    Raises
    ------
    MuscleFMError
        There is no image, or it cannot be read.
    """
    files = [images / f"{channel}.nrrd" for channel in _SHOWN_CHANNELS]
    path = next((file for file in files if file.is_file()), None)
    if path is None:
        raise MuscleFMError(
            _("the image of the case is missing"), _("load the scan and segment it again")
        )
    try:
        volume = read_stored(path, _("the image of the case"))
    except MuscleFMError as error:
        raise MuscleFMError(
            _("the image of the case is damaged"), _("load the scan and segment it again")
        ) from error
    image = vtk.vtkImageData()
    setVoxels(image, volume.array)
    darkest, brightest = np.percentile(volume.array[:, ::4, ::4], _SHOWN_PERCENTILES)
    return StoredImage(volume.grid, image, (float(darkest), float(brightest)))


def volumeOfImage(stored: StoredImage, name: str) -> tuple[slicer.vtkMRMLScalarVolumeNode, bool]:
    """Return the volume of a case's image: that of the scene where it is still there.

    Parameters
    ----------
    stored : StoredImage
        What :func:`readImage` returned.
    name : str
        Of a volume that is new in the scene.

    Returns
    -------
    tuple
        The volume, and whether it is new in the scene.
    """
    for other in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if _isSame(stored.grid, stored.image, other):
            return other, False
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetName(slicer.mrmlScene.GenerateUniqueName(name))
    node.SetIJKToRASMatrix(vtkMatrix(stored.grid.ijk_to_ras))
    node.SetAndObserveImageData(stored.image)
    slicer.mrmlScene.AddNode(node)
    display = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeDisplayNode")
    display.SetDefaultColorMap()
    # Slicer would look for a window in every voxel, and hold up what is drawn meanwhile.
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(*stored.shown)
    node.SetAndObserveDisplayNodeID(display.GetID())
    return node, True


def _isBrowsed(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> bool:
    scene = volumeNode.GetScene()
    browsers = scene.GetNodesByClass("vtkMRMLSequenceBrowserNode")
    browsers.UnRegister(None)
    return any(
        browsers.GetItemAsObject(number).IsProxyNodeID(volumeNode.GetID())
        for number in range(browsers.GetNumberOfItems())
    )


def _unlikeMr(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> tuple[str, ...]:
    array = voxels(volumeNode.GetImageData())
    # Slicer stands still meanwhile: some rows tell what it is, and the library looks at all.
    some = array[:, :: max(1, array.shape[1] // _ROWS_LOOKED_AT)]
    if some.min() == some.max() and array.min() == array.max():
        raise MuscleFMError(
            _("the volume has the same value in every voxel"), _("choose another volume")
        )
    if looks_like_ct(some):
        return (_("the volume looks like CT, while the models know only MR: expect poor labels"),)
    return ()


def _isSame(grid: Grid, image: vtk.vtkImageData, other: slicer.vtkMRMLScalarVolumeNode) -> bool:
    found = other.GetImageData()
    return (
        found is not None
        and found.GetDimensions() == image.GetDimensions()
        and found.GetNumberOfScalarComponents() == 1
        and np.allclose(grid.ijk_to_ras, ijkToRas(other), atol=1e-3)
        and np.array_equal(voxels(image), voxels(found).astype(np.float32, copy=False))
    )
