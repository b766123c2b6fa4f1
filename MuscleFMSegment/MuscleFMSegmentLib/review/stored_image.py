"""The image of a case on the disk, in the scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer

from musclefm.errors import MuscleFMError
from MuscleFMSegmentLib.scene.geometry import ijkToRas, voxels

_FIRST = ("image", "water", "in-phase", "fat", "out-of-phase")


def volumeOfImages(images: Path, name: str) -> tuple[slicer.vtkMRMLScalarVolumeNode, bool]:
    """Return the volume of a case on the disk: that of the scene where it is still there.

    Parameters
    ----------
    images : Path
        Holds a NRRD file a channel.
    name : str
        Of a volume that is new in the scene.

    Returns
    -------
    tuple
        The volume, and whether it is new in the scene.

    Raises
    ------
    MuscleFMError
        There is no image, or it cannot be read.
    """
    files = [images / f"{channel}.nrrd" for channel in _FIRST]
    path = next((file for file in files if file.is_file()), None)
    if path is None:
        raise MuscleFMError(
            "the image of the case is missing", "load the scan and segment it again"
        )
    node = slicer.vtkMRMLScalarVolumeNode()
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(path))
    if not storage.ReadData(node):
        raise MuscleFMError(
            "the image of the case is damaged", "load the scan and segment it again"
        )
    for other in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if _isSame(node, other):
            return other, False
    node.SetName(slicer.mrmlScene.GenerateUniqueName(name))
    slicer.mrmlScene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    return node, True


def _isSame(node: slicer.vtkMRMLScalarVolumeNode, other: slicer.vtkMRMLScalarVolumeNode) -> bool:
    image = other.GetImageData()
    return (
        image is not None
        and image.GetDimensions() == node.GetImageData().GetDimensions()
        and image.GetNumberOfScalarComponents() == 1
        and np.allclose(ijkToRas(node), ijkToRas(other), atol=1e-3)
        and np.array_equal(voxels(node.GetImageData()), voxels(image))
    )
