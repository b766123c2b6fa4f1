"""Between MRML's voxels and the library's: a volume node as an array with its grid, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from musclefm.volumes.affine import grid_of_affine
from musclefm.volumes.grid import Grid

_LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def volumeGrid(volumeNode: slicer.vtkMRMLScalarVolumeNode) -> Grid:
    """Return where the voxels of a volume lie, parent transforms left out.

    Raises
    ------
    MuscleFMError
        Its axes are not at right angles, or its spacing is none that a scan has.
    """
    i, j, k = volumeNode.GetImageData().GetDimensions()
    ijkToLps = _LPS_OF_RAS @ ijkToRas(volumeNode)
    return grid_of_affine(ijkToLps, (k, j, i), _("the volume"))[0]


def ijkToRas(node: Any) -> npt.NDArray[np.float64]:
    """Return the ``(4, 4)`` matrix from ``(i, j, k, 1)`` to RAS in mm.

    ``node`` is a volume node or a ``vtkOrientedImageData``.
    """
    matrix = vtk.vtkMatrix4x4()
    if isinstance(node, slicer.vtkOrientedImageData):
        node.GetImageToWorldMatrix(matrix)
    else:
        node.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def vtkMatrix(array: npt.NDArray[np.float64]) -> vtk.vtkMatrix4x4:
    """Return a ``(4, 4)`` array as VTK's matrix."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(array.ravel().tolist())
    return matrix


def voxels(imageData: vtk.vtkImageData) -> npt.NDArray[Any]:
    """Return a view ``(K, J, I)`` of an image's scalars: writing to it changes the image."""
    scalars = vtk_to_numpy(imageData.GetPointData().GetScalars())
    return scalars.reshape(imageData.GetDimensions()[::-1])


def setVoxels(imageData: vtk.vtkImageData, array: npt.NDArray[Any]) -> None:
    """Give an image (oriented or not) a copy of an array ``(K, J, I)`` as its scalars."""
    imageData.SetDimensions(array.shape[::-1])
    imageData.AllocateScalars(get_vtk_array_type(array.dtype), 1)
    # VTK's own copy takes longer, and would keep Python's lock.
    voxels(imageData)[:] = array


def orientedImage(
    array: npt.NDArray[Any], matrix: npt.NDArray[np.float64]
) -> slicer.vtkOrientedImageData:
    """Return an array ``(K, J, I)`` as an image of a segmentation.

    Parameters
    ----------
    array : ndarray
        ``(K, J, I)``, copied.
    matrix : ndarray
        ``(4, 4)`` from ``(i, j, k, 1)`` to RAS in mm.
    """
    image = slicer.vtkOrientedImageData()
    setVoxels(image, array)
    image.SetImageToWorldMatrix(vtkMatrix(matrix))
    return image
