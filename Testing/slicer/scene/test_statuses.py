"""Slicer's own table of segments shows how far the review of each muscle has come."""

import slicer

from musclefm.review.queue import ReviewQueue
from MuscleFMSegmentLib.scene.outlines import showStatuses

LOGIC = slicer.vtkSlicerSegmentationsModuleLogic


def statuses(opened, queue: ReviewQueue) -> dict[str, int]:
    case = opened.case
    showStatuses(case.segmentationNode, case.scheme, queue.entries)
    segmentation = case.segmentationNode.GetSegmentation()
    return {
        segmentId: LOGIC.GetSegmentStatus(segmentation.GetSegment(segmentId))
        for segmentId in segmentation.GetSegmentIDs()
    }


def muscles_of(opened, region) -> set[str]:
    return {
        f"{region.side}_{opened.case.scheme.label(x).name}".replace(" ", "_")
        for x in region.label_ids
    }


def test_statuses_follow_the_queue_there_and_back(opened) -> None:
    queue = opened.case.queue
    first = queue.entries[0].region
    ids = [
        entry.region.id
        for entry in queue.entries
        if muscles_of(opened, entry.region) & muscles_of(opened, first)
    ]
    muscle = f"{first.side}_{first.muscles[0]}".replace(" ", "_")
    assert set(statuses(opened, queue).values()) == {LOGIC.NotStarted}
    queue.mark_corrected(ids)
    assert statuses(opened, queue)[muscle] == LOGIC.Completed
    queue.go_to(first.id)
    queue.toggle_flag()
    assert statuses(opened, queue)[muscle] == LOGIC.Flagged
    queue.toggle_flag()
    queue.reopen(ids)
    assert statuses(opened, queue)[muscle] == LOGIC.NotStarted


def test_a_muscle_with_some_regions_left_is_in_progress(opened) -> None:
    regions = [entry.region for entry in opened.case.queue.entries]
    twice = regions[0], regions[0].__class__(**{**vars(regions[0]), "id": 99})
    queue = ReviewQueue(twice)
    queue.next()
    queue.accept()
    muscle = f"{regions[0].side}_{regions[0].muscles[0]}".replace(" ", "_")
    assert statuses(opened, queue)[muscle] == LOGIC.InProgress
    queue.skip()
    assert statuses(opened, queue)[muscle] == LOGIC.InProgress
    queue.accept()
    assert statuses(opened, queue)[muscle] == LOGIC.Completed


def test_a_muscle_that_nobody_must_look_at_keeps_its_status(opened) -> None:
    queue = opened.case.queue
    concerned = set().union(*(muscles_of(opened, entry.region) for entry in queue.entries))
    queue.mark_corrected([entry.region.id for entry in queue.entries])
    for segmentId, status in statuses(opened, queue).items():
        assert (status == LOGIC.Completed) is (segmentId in concerned)


def test_a_deleted_segment_is_no_obstacle(opened) -> None:
    first = opened.case.queue.entries[0].region
    for segmentId in muscles_of(opened, first):
        opened.case.segmentationNode.RemoveSegment(segmentId)
    opened.case.queue.mark_corrected([first.id])
    assert not muscles_of(opened, first) & set(statuses(opened, opened.case.queue))
