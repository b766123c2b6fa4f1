"""The corrected labels out of a segmentation, and saved ones back into it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import slicer

from musclefm.labels.scheme import Label, LabelScheme, Side, segment_name
from musclefm.labels.segment_names import segment_id, terminology_entry
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.scene.geometry import (
    ijkToRas,
    orientedImage,
    volumeGrid,
    voxels,
    vtkMatrix,
)

BINARY_LABELMAP = "Binary labelmap"

# A layer whose voxels lie within this many voxels of the volume's is on the volume's grid.
_SAME_VOXEL = 0.1

_Box = tuple[slice, ...]


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
        Its segment ids are those of ``musclefm.labels.segment_names.segment_id``.
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
    values = {
        segment_id(side, label): value for value, (side, label) in scheme.labels_of_sides().items()
    }
    labels = np.zeros(volumeNode.GetImageData().GetDimensions()[::-1], np.uint8)
    layers = [
        (segmentation.GetSegmentIDsForLayer(layer), segmentation.GetLayerDataObject(layer))
        for layer in range(segmentation.GetNumberOfLayers())
    ]
    isTaken = False
    for segmentIds, image in sorted(layers, key=lambda layer: -len(layer[0])):
        wanted = [segmentId for segmentId in segmentIds if segmentId in values]
        if not wanted or image.IsEmpty():
            continue
        stored, box = onGridOf(volumeNode, image)
        meant = {segmentation.GetSegment(x).GetLabelValue(): values[x] for x in wanted}
        translated = _translated(stored, meant)
        np.copyto(labels[box], translated, where=labels[box] == 0 if isTaken else True)
        isTaken = True
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

    Names, colours, codes and statuses of segments stay. A muscle that has voxels
    in ``labels`` and whose segment was deleted gets a new one.

    Parameters
    ----------
    segmentationNode, scheme, volumeNode
        As in :func:`sidedLabels`.
    labels : ndarray
        ``(K, J, I) uint8`` on the grid of the volume: sided values.
    """
    # What was made of the old voxels, a surface in 3-D, is not theirs any more.
    segmentationNode.RemoveClosedSurfaceRepresentation()
    segmentation = segmentationNode.GetSegmentation()
    layer = orientedImage(labels, ijkToRas(volumeNode))
    muscles = scheme.labels_of_sides()
    if _isLayerOf(segmentation, muscles):
        # One event in place of one a muscle, each of which fills the editor's table anew.
        segmentation.GetLayerDataObject(0).DeepCopy(layer)
        return
    for value, (side, label) in muscles.items():
        segmentId = segment_id(side, label)
        segment = segmentation.GetSegment(segmentId)
        if segment is not None:
            segment.SetLabelValue(value)
            segment.AddRepresentation(BINARY_LABELMAP, layer)
        elif (labels == value).any():
            _addMuscle(segmentation, side, label, layer, value)


def _isLayerOf(
    segmentation: slicer.vtkSegmentation, muscles: Mapping[int, tuple[Side, Label]]
) -> bool:
    """Tell whether all muscles, and nothing else, share one layer with their own values."""
    ofValues = {segment_id(*muscle): value for value, muscle in muscles.items()}
    found = {name: segmentation.GetSegment(name) for name in segmentation.GetSegmentIDs()}
    values = {name: segment.GetLabelValue() for name, segment in found.items()}
    return segmentation.GetNumberOfLayers() == 1 and values == ofValues


def addMuscles(
    segmentation: slicer.vtkSegmentation,
    scheme: LabelScheme,
    sides: Collection[Side],
    layer: slicer.vtkOrientedImageData,
) -> None:
    """Add a named, coloured, coded segment for each muscle of a scheme, empty ones too.

    Parameters
    ----------
    segmentation : vtkSegmentation
        It has no such segments yet.
    scheme : LabelScheme
        The muscles.
    sides : collection of Side
        Of which there are muscles.
    layer : vtkOrientedImageData
        The labelmap that they share: values of :meth:`LabelScheme.labels_of_sides`.
    """
    for value, (side, label) in scheme.labels_of_sides().items():
        if side in sides:
            _addMuscle(segmentation, side, label, layer, value)


def restoreMuscle(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    scheme: LabelScheme,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    value: int,
    mask: npt.NDArray[np.bool_],
) -> None:
    """Add the segment of a muscle again that was deleted.

    Parameters
    ----------
    segmentationNode, scheme, volumeNode
        As in :func:`sidedLabels`.
    value : int
        Its sided value.
    mask : ndarray
        ``(K, J, I) bool``: its voxels; there may be none.
    """
    side, label = scheme.labels_of_sides()[value]
    layer = orientedImage(mask * np.uint8(value), ijkToRas(volumeNode))
    _addMuscle(segmentationNode.GetSegmentation(), side, label, layer, value)


def _addMuscle(
    segmentation: slicer.vtkSegmentation,
    side: Side,
    label: Label,
    layer: slicer.vtkOrientedImageData,
    value: int,
) -> None:
    segment = slicer.vtkSegment()
    segment.SetName(segment_name(side, label))
    segment.SetNameAutoGenerated(False)
    segment.SetColor(*(channel / 255 for channel in label.colour))
    segment.SetColorAutoGenerated(False)
    segment.SetTag(segment.GetTerminologyEntryTagName(), terminology_entry(side, label))
    segment.SetLabelValue(value)
    segment.AddRepresentation(BINARY_LABELMAP, layer)
    segmentation.AddSegment(segment, segment_id(side, label))


def _translated(
    stored: npt.NDArray[Any], meant: Mapping[int, int]
) -> npt.NDArray[np.uint8] | npt.NDArray[Any]:
    """Return what the voxels of a layer mean; values without a meaning are background."""
    lookup = np.zeros(max(int(stored.max(initial=0)), *meant) + 1, np.uint8)
    lookup[list(meant)] = list(meant.values())
    if stored.dtype == np.uint8 and (lookup == np.arange(len(lookup))).all():
        # As the module made the layer, and as edits leave it.
        return stored
    sided = np.empty(stored.shape, np.uint8)
    for rows, translated in zip(stored, sided, strict=True):
        np.take(lookup, rows, out=translated, mode="clip")
    return sided


def onGridOf(
    volumeNode: slicer.vtkMRMLScalarVolumeNode, image: slicer.vtkOrientedImageData
) -> tuple[npt.NDArray[Any], _Box]:
    """Return an image's voxels inside a volume, and where they lie in the volume's array."""
    size = np.array(volumeNode.GetImageData().GetDimensions())
    extent = np.reshape(image.GetExtent(), (3, 2))
    offset = _voxelOffset(volumeNode, image, extent)
    if offset is None:
        image = _resampled(image, volumeNode)
        extent, offset = np.stack((0 * size, size - 1), axis=1), 0 * size
    start = np.clip(extent[:, 0] + offset, 0, size)
    stop = np.clip(extent[:, 1] + 1 + offset, start, size)
    target = tuple(slice(a, b) for a, b in zip(start[::-1], stop[::-1], strict=True))
    source = tuple(
        slice(a - first, b - first)
        for a, b, first in zip(start[::-1], stop[::-1], (extent[:, 0] + offset)[::-1], strict=True)
    )
    return voxels(image)[source], target


def _voxelOffset(
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    image: slicer.vtkOrientedImageData,
    extent: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64] | None:
    """Return by how many voxels (i, j, k) an image is shifted, None where it is on another grid."""
    toVolume = np.linalg.inv(ijkToRas(volumeNode)) @ ijkToRas(image)
    offset = np.rint(toVolume[:3, 3])
    corners = np.array([[i, j, k] for i in extent[0] for j in extent[1] for k in extent[2]])
    apart = corners @ toVolume[:3, :3].T + toVolume[:3, 3] - (corners + offset)
    return offset.astype(np.int64) if np.abs(apart).max() < _SAME_VOXEL else None


def _resampled(
    image: slicer.vtkOrientedImageData, volumeNode: slicer.vtkMRMLScalarVolumeNode
) -> slicer.vtkOrientedImageData:
    reference, resampled = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    reference.SetDimensions(volumeNode.GetImageData().GetDimensions())
    reference.SetImageToWorldMatrix(vtkMatrix(ijkToRas(volumeNode)))
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        image, reference, resampled
    )
    return resampled
