"""Another program's segmentation of the scene, as a file of labels would hold it."""

from __future__ import annotations

import numpy as np
import slicer
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from musclefm.exchange.external_labels import ExternalLabels, ExternalSegment
from musclefm.volumes.volume import Volume
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.labels import onGridOf


def externalLabels(
    segmentationNode: slicer.vtkMRMLSegmentationNode | None, case: CaseInScene
) -> ExternalLabels:
    """Return a segmentation on the grid of a case's image, each segment by its name.

    Of segments that overlap, the first keeps the voxel.

    Raises
    ------
    MuscleFMError
        There is none, it is the case's own, or a transform lies above it.
    """
    if segmentationNode is None or segmentationNode.GetScene() is None:
        raise MuscleFMError(
            _("no segmentation is chosen"), _("load one and choose it, or take a file")
        )
    if segmentationNode in (case.segmentationNode, case.modelNode):
        raise MuscleFMError(
            _("this segmentation is the one under review"), _("choose another program's")
        )
    if segmentationNode.GetParentTransformNode() is not None:
        raise MuscleFMError(
            _("a transform lies above the segmentation"), _("harden it or take it away")
        )
    segmentation = segmentationNode.GetSegmentation()
    labels = np.zeros(case.grid.shape, np.int64)
    segments: list[ExternalSegment] = []
    for layer in range(segmentation.GetNumberOfLayers()):
        image = segmentation.GetLayerDataObject(layer)
        if image.IsEmpty():
            continue
        stored, box = onGridOf(case.volumeNode, image)
        for segmentId in segmentation.GetSegmentIDsForLayer(layer):
            segment = segmentation.GetSegment(segmentId)
            value = len(segments) + 1
            segments.append(ExternalSegment(value, segment.GetName()))
            mine = (stored == segment.GetLabelValue()) & (labels[box] == 0)
            labels[box][mine] = value
    used = set(np.unique(labels).tolist())
    return ExternalLabels(Volume(labels, case.grid), tuple(x for x in segments if x.value in used))
