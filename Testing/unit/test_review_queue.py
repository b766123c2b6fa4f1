"""The reader's walk: in which order, what becomes of a region, and when it is enough."""

import subprocess
import sys

import pytest
from made_regions import made_region

from musclefm.review.queue import ReviewEntry, ReviewQueue

WRONG = {1: 50.0, 2: 30.0, 3: 15.0, 4: 5.0}


@pytest.fixture
def queue():
    return ReviewQueue([made_region(region_id, wrong) for region_id, wrong in WRONG.items()])


def statuses(queue):
    return {entry.region.id: entry.status for entry in queue.entries}


def current_id(queue):
    return queue.current and queue.current.region.id


def test_most_expected_errors_come_first_however_they_are_given():
    regions = [made_region(region_id, WRONG[region_id]) for region_id in (3, 1, 4, 2)]
    assert [entry.region.id for entry in ReviewQueue(regions).entries] == [1, 2, 3, 4]


def test_the_walk_goes_through_all_and_ends_at_the_ends(queue):
    assert queue.position is None and queue.previous() is None and queue.accept() is None
    assert [queue.next().region.id for _ in range(5)] == [1, 2, 3, 4, 4]
    assert queue.position == 3
    assert [queue.previous().region.id for _ in range(4)] == [3, 2, 1, 1]


def test_accepting_and_skipping_go_on_to_what_is_to_do(queue):
    queue.go_to(2)
    assert queue.accept().region.id == 3
    assert queue.skip().region.id == 4
    assert queue.accept().region.id == 1, "what was passed over comes last"
    assert queue.to_do_count == 1
    assert queue.accept().region.id == 1, "nothing is left"
    assert statuses(queue) == {1: "accepted", 2: "accepted", 3: "skipped", 4: "accepted"}
    assert queue.to_do_count == 0


def test_the_share_is_of_expected_errors_and_skipping_deals_with_none(queue):
    assert queue.share_done == 0.0
    queue.next()
    queue.accept()
    assert queue.share_done == pytest.approx(0.5)
    queue.skip()
    assert queue.share_done == pytest.approx(0.5)
    queue.mark_corrected({4})
    assert queue.share_done == pytest.approx(0.55)
    queue.reopen({4})
    assert queue.share_done == pytest.approx(0.5)
    for region_id in WRONG:
        queue.go_to(region_id)
        queue.accept()
    assert queue.share_done == 1.0


def test_statuses_follow_edits_and_their_undoing(queue):
    queue.next()
    queue.accept()
    queue.follow_changes({1, 3})
    assert statuses(queue) == {1: "corrected", 2: "to do", 3: "corrected", 4: "to do"}
    queue.follow_changes({3})
    assert statuses(queue) == {1: "to do", 2: "to do", 3: "corrected", 4: "to do"}
    queue.follow_changes(())
    assert set(statuses(queue).values()) == {"to do"}


def test_only_undoing_takes_a_correction_back(queue):
    queue.go_to(1)
    queue.mark_corrected({1})
    queue.accept()
    queue.go_to(1)
    queue.skip()
    assert statuses(queue)[1] == "corrected"
    queue.go_to(2)
    queue.accept()
    queue.reopen({1, 2})
    assert statuses(queue)[1] == "to do"
    assert statuses(queue)[2] == "accepted", "it was not corrected, so it is not reopened"


def test_a_region_is_flagged_and_timed_apart_from_its_status(queue):
    queue.add_seconds(9.0)
    queue.next()
    queue.add_seconds(2.5)
    queue.toggle_flag()
    queue.add_seconds(1.5)
    queue.accept()
    queue.add_seconds(1.0)
    assert queue.entries[0] == ReviewEntry(made_region(1, 50.0), "accepted", True, 4.0)
    assert queue.entries[1].seconds == 1.0
    queue.go_to(1)
    assert not queue.toggle_flag().flagged


def test_an_empty_queue_is_done():
    queue = ReviewQueue([])
    assert queue.next() is None and queue.previous() is None and queue.toggle_flag() is None
    assert queue.share_done == 1.0
    assert queue.to_do_count == 0


def test_a_queue_goes_on_where_it_was_left(queue):
    queue.next()
    queue.accept()
    queue.toggle_flag()
    queue.mark_corrected({3})
    restored = ReviewQueue.restored(reversed(queue.entries), queue.position)
    assert restored.entries == queue.entries
    assert restored.current == queue.current
    with pytest.raises(ValueError, match="position 4"):
        ReviewQueue.restored(queue.entries, 4)


def test_a_region_that_is_not_in_the_queue_is_an_error(queue):
    for call in (queue.go_to, lambda region_id: queue.mark_corrected({region_id})):
        with pytest.raises(KeyError):
            call(9)
    assert current_id(queue) is None


@pytest.mark.parametrize(
    "module",
    [
        "review.queue", "review.changes", "review.measures", "review.session",
        "review.session_file", "review.leg_profile", "review.regions", "results.tables",
    ],
)  # fmt: skip
def test_the_review_works_where_torch_is_not_installed(module):
    code = f"import sys, musclefm.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
