"""The corrected labels out of a segmentation, and saved ones back into it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import slicer
import vtk
from musclefm.anatomy.scheme import LabelScheme
from musclefm.volumes.segmentation import segment_id
from musclefm.volumes.volume import Volume

from MuscleFMSegmentLib.scene.geometry import (
    ijkToRas,
    orientedImage,
    setVoxels,
    volumeGrid,
    voxels,
)

BINARY_LABELMAP = "Binary labelmap"

# A voxel of a layer that lies this much (in voxels) off one of the volume is another voxel.
_SAME_VOXEL = 1e-3


def sidedLabels(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    scheme: LabelScheme,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
) -> npt.NDArray[np.uint8]:
    """Return the labels of a segmentation on the grid of a volume.

    Slicer keeps segments in layers, each a labelmap cut to what it holds.
    Segments that overlap lie in different layers: the voxel then counts for the
    layer that more segments share, because an edit that was allowed to overlap
    takes its own segment out into a layer of its own. Segments that are none of
    the scheme's do not count.

    Parameters
    ----------
    segmentationNode : vtkMRMLSegmentationNode
        Its segment ids are those of ``musclefm.volumes.segmentation.segment_id``.
    scheme : LabelScheme
        What the labels mean.
    volumeNode : vtkMRMLScalarVolumeNode
        Whose grid is wanted.

    Returns
    -------
    ndarray
        ``(K, J, I) uint8``: values of :meth:`LabelScheme.labels_of_sides`, 0 background.
    """
    segmentation = segmentationNode.GetSegmentation()
    values = sidedValues(scheme)
    labels = np.zeros(volumeNode.GetImageData().GetDimensions()[::-1], np.uint8)
    layers = [
        (segmentation.GetSegmentIDsForLayer(layer), segmentation.GetLayerDataObject(layer))
        for layer in range(segmentation.GetNumberOfLayers())
    ]
    for segmentIds, image in sorted(layers, key=lambda layer: -len(layer[0])):
        wanted = [segmentId for segmentId in segmentIds if segmentId in values]
        if not wanted or image.IsEmpty():
            continue
        stored, box = _onGridOf(volumeNode, image)
        lookup = np.zeros(int(stored.max(initial=0)) + 1, np.uint8)
        for segmentId in wanted:
            value = segmentation.GetSegment(segmentId).GetLabelValue()
            if value < len(lookup):
                lookup[value] = values[segmentId]
        np.copyto(labels[box], lookup[stored], where=labels[box] == 0)
    return labels


def sidedVolume(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    scheme: LabelScheme,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
) -> Volume:
    """Return :func:`sidedLabels` with their grid."""
    labels = sidedLabels(segmentationNode, scheme, volumeNode)
    return Volume(labels, volumeGrid(volumeNode))


def applySidedLabels(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    scheme: LabelScheme,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    labels: npt.NDArray[np.uint8],
) -> None:
    """Replace the voxels of all muscle segments, in one layer.

    Names, colours, codes and statuses of segments stay. Muscles that have
    voxels in ``labels`` and no segment get one.

    Parameters
    ----------
    segmentationNode, scheme, volumeNode
        As in :func:`sidedLabels`.
    labels : ndarray
        ``(K, J, I) uint8`` on the grid of the volume: sided values.
    """
    raise NotImplementedError


def sidedValues(scheme: LabelScheme) -> dict[str, int]:
    """Return the sided value of each segment id, e.g. ``{"left_gracilis": 18}``."""
    return {
        segment_id(side, label): value for value, (side, label) in scheme.labels_of_sides().items()
    }
