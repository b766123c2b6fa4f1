"""The image of a kept review, in the scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer

from musclefm.errors import MuscleFMError
from MuscleFMSegmentLib.scene.geometry import ijkToRas, voxels

_FIRST = ("image", "water", "in-phase", "fat", "out-of-phase")
_NAME = "Recovered MR"


def volumeOfImages(images: Path) -> slicer.vtkMRMLScalarVolumeNode:
    """Return the volume of a kept review: that of the scene where it is still there.

    Parameters
    ----------
    images : Path
        Holds a NRRD file a channel.

    Raises
    ------
    MuscleFMError
        There is no image, or it cannot be read.
    """
    files = [images / f"{channel}.nrrd" for channel in _FIRST]
    path = next((file for file in files if file.is_file()), None)
    if path is None:
        raise MuscleFMError(
            "the image of the saved review is missing", "load the scan and segment it again"
        )
    node = slicer.vtkMRMLScalarVolumeNode()
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(path))
    if not storage.ReadData(node):
        raise MuscleFMError(
            "the image of the saved review is damaged", "load the scan and segment it again"
        )
    for other in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if _isSame(node, other):
            return other
    node.SetName(slicer.mrmlScene.GenerateUniqueName(_NAME))
    slicer.mrmlScene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    return node


def _isSame(node: slicer.vtkMRMLScalarVolumeNode, other: slicer.vtkMRMLScalarVolumeNode) -> bool:
    image = other.GetImageData()
    return (
        image is not None
        and image.GetDimensions() == node.GetImageData().GetDimensions()
        and image.GetNumberOfScalarComponents() == 1
        and np.allclose(ijkToRas(node), ijkToRas(other), atol=1e-3)
        and np.array_equal(voxels(node.GetImageData()), voxels(image))
    )
