"""The queue by muscle: what comes first, what is listed where, and how far it is."""

from dataclasses import replace
from math import isnan, nan

import pytest
from made_regions import made_region

from musclefm.labels.scheme import load_scheme
from musclefm.review.findings import MuscleSummary
from musclefm.review.muscle_queue import muscles_of_queue
from musclefm.review.queue import ReviewQueue

SCHEME = load_scheme("thigh-11")


def region(number, wrong, side="right", labels=(3,)):
    names = tuple(SCHEME.label(label).name for label in labels)
    return replace(made_region(number, wrong), side=side, label_ids=labels, muscles=names)


def summary(side, label, wrong, dice=0.8):
    name, short = SCHEME.label(label).name, SCHEME.label(label).abbreviation
    return MuscleSummary(side, label, name, short, 10.0, None, 0.1, dice, 0.9, wrong, False)


@pytest.fixture
def queue():
    # One large region of one muscle, and two of another that hold more together.
    return ReviewQueue(
        [
            region(1, 50.0, labels=(5, 3)),
            region(2, 40.0),
            region(3, 30.0),
            region(4, 10.0, side="left", labels=(5,)),
        ]
    )


def ids(queue):
    return [entry.region.id for entry in queue.entries]


def test_the_walk_stays_with_a_muscle_and_begins_with_the_one_that_is_most_wrong(queue):
    assert ids(queue) == [2, 3, 1, 4]
    assert [queue.next().region.id for _ in range(4)] == [2, 3, 1, 4]
    assert not queue.has_next and queue.has_previous


def test_muscles_are_in_the_order_of_the_walk_and_those_without_regions_at_the_end(queue):
    muscles = [summary("left", 1, 2.0), summary("right", 1, 9.0), summary("right", 3, 90.0, nan)]
    found = muscles_of_queue(queue.entries, muscles, SCHEME)
    order = [("right", 3), ("right", 5), ("left", 5), ("right", 1), ("left", 1)]
    assert [entry.muscle for entry in found] == order
    assert [len(entry.entries) for entry in found] == [2, 1, 1, 0, 0]
    assert [entry.expected_wrong_voxels for entry in found] == [70.0, 50.0, 10.0, 0, 0]
    assert found[0].name == "vastus lateralis" and isnan(found[0].expected_dice)
    assert found[3].expected_dice == 0.8
    assert sum(len(entry.entries) for entry in found) == 4, "a region of two muscles is listed once"


def test_what_is_done_with_regions_adds_up_in_their_muscle(queue):
    queue.go_to(3)
    queue.toggle_flag()
    queue.accept()
    queue.follow_changes({1})
    lateralis, medialis, left = muscles_of_queue(queue.entries, (), SCHEME)
    assert (lateralis.resolved_count, lateralis.flagged) == (1, True)
    assert (medialis.resolved_count, medialis.flagged) == (1, False)
    assert left.resolved_count == 0
    queue.follow_changes(())
    assert muscles_of_queue(queue.entries, (), SCHEME)[1].resolved_count == 0


def test_from_a_whole_muscle_the_walk_goes_to_its_first_region(queue):
    queue.next()
    queue.go_to_muscle(("right", 5))
    assert queue.current is None and queue.position is None
    assert queue.accept() is None and queue.skip() is None and queue.toggle_flag() is None
    assert {entry.status for entry in queue.entries} == {"to do"}
    assert queue.next().region.id == 1
    queue.go_to_muscle(("right", 5))
    assert queue.previous().region.id == 3
    queue.go_to_muscle(("right", 3))
    assert not queue.has_previous and queue.previous() is None
    assert queue.next().region.id == 2


def test_a_muscle_without_regions_leads_back_to_where_the_walk_was(queue):
    queue.go_to(1)
    queue.go_to_muscle(("left", 11))
    assert queue.current is None and queue.next().region.id == 1
