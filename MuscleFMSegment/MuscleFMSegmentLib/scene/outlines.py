"""Segments as outlines or surfaces, and how far the review of each muscle has come."""

from __future__ import annotations

from collections.abc import Iterable

import slicer

from musclefm.labels.scheme import LabelScheme
from musclefm.labels.segment_names import segment_id
from musclefm.review.queue import RESOLVED, ReviewEntry

LINE_WIDTH = 2
"""In pixels of the screen."""


def showOutlines(
    segmentationNode: slicer.vtkMRMLSegmentationNode, lineWidth: int = LINE_WIDTH
) -> None:
    """Draw segments as outlines alone, so that image and heatmap stay readable."""
    segmentationNode.CreateDefaultDisplayNodes()
    display = segmentationNode.GetDisplayNode()
    display.SetVisibility2DFill(False)
    display.SetVisibility2DOutline(True)
    display.SetOpacity2DOutline(1.0)
    display.SetSliceIntersectionThickness(lineWidth)


def showSurfaces(segmentationNode: slicer.vtkMRMLSegmentationNode, isShown: bool) -> None:
    """Show segments as surfaces in the 3-D view, or make none any more.

    Hidden surfaces would be made anew with each edit, which takes seconds.
    """
    if isShown:
        segmentationNode.CreateClosedSurfaceRepresentation()
        segmentationNode.GetDisplayNode().SetVisibility3D(True)
    else:
        segmentationNode.RemoveClosedSurfaceRepresentation()


def showStatuses(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    scheme: LabelScheme,
    entries: Iterable[ReviewEntry],
) -> None:
    """Show in Slicer's table of segments how far the review of each muscle has come.

    A muscle is flagged when one of its regions is, completed when all of them
    are corrected or accepted, in progress when some are; a skipped region is
    not done. A muscle without regions keeps the status that it has.

    Parameters
    ----------
    segmentationNode : vtkMRMLSegmentationNode
        Its segments are those of the scheme.
    scheme : LabelScheme
        What ``label_ids`` of the regions mean.
    entries : iterable of ReviewEntry
        The queue.
    """
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    ofSegments: dict[str, list[ReviewEntry]] = {}
    for entry in entries:
        for labelId in entry.region.label_ids:
            segmentId = segment_id(entry.region.side, scheme.label(labelId))
            ofSegments.setdefault(segmentId, []).append(entry)
    for segmentId, found in ofSegments.items():
        segment = segmentationNode.GetSegmentation().GetSegment(segmentId)
        status = _statusOf(found)
        # Setting a status calls observers, so it is set only where it changes.
        if segment and logic.GetSegmentStatus(segment) != status:
            logic.SetSegmentStatus(segment, status)


def _statusOf(entries: list[ReviewEntry]) -> int:
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    done = [entry.status in RESOLVED for entry in entries]
    if any(entry.flagged for entry in entries):
        return logic.Flagged
    if all(done):
        return logic.Completed
    return logic.InProgress if any(done) else logic.NotStarted
