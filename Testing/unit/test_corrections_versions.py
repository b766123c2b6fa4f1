"""Versions of a stored case, and what a network may learn from it."""

import dataclasses

import numpy as np
import pytest
from made_corrections import GRID, content, corrected_case
from test_corrections_store import assert_same_case

from musclefm.corrections.case import Reviewed
from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError
from musclefm.review.muscle_slices import MuscleSlices


@pytest.fixture
def store(tmp_path):
    return CorrectionStore(tmp_path / "deep" / "store")


class TestVersions:
    def test_a_later_correction_names_the_newest_one_and_changes_nothing_of_it(self, store):
        first = store.add(corrected_case(1), subject="4711")
        before = content(store.folder / "samples" / first.id)
        other = store.add(corrected_case(2))
        case = corrected_case(1)
        labels = case.labels.with_array(np.zeros_like(case.labels.array))
        second = store.add(dataclasses.replace(case, labels=labels))
        third = store.add(dataclasses.replace(case, labels=labels))
        assert [x.record.parent for x in (first, other, second, third)] == [
            None, None, first.id, second.id,
        ]  # fmt: skip
        assert content(store.folder / "samples" / first.id) == before
        assert_same_case(store.load(first.id), case)
        assert not store.load(third.id).labels.array.any()
        assert store.samples() == (first, other, second, third)
        assert store.newest() == (other, third)
        keys = {x.record.case_key for x in (first, second, third)}
        assert len(keys) == 1 and other.record.case_key not in keys
        assert (
            {x.record.subject_key for x in (first, second, third)}
            == {first.record.subject_key}
            != {None}
        )
        assert other.record.subject_key is None

    def test_a_case_can_name_what_it_corrects(self, store):
        first = store.add(corrected_case(1))
        resampled = store.add(corrected_case(2, parent=first.id))
        assert resampled.record.parent == first.id
        assert resampled.record.case_key == first.record.case_key
        assert store.newest() == (resampled,)

    def test_a_parent_must_be_there(self, store):
        store.add(corrected_case(1))
        before = content(store.folder)
        with pytest.raises(MuscleFMError, match="no sample of this id"):
            store.add(corrected_case(2, parent="0" * 8 + "-" + "0" * 16))
        assert content(store.folder) == before

    def test_what_was_loaded_can_be_corrected_and_stored_again(self, store):
        first = store.add(corrected_case(1))
        again = store.add(store.load(first.id))
        assert again.record.parent == first.id

    def test_a_removed_version_leaves_the_others(self, store):
        first, second, third = (store.add(corrected_case(1)) for _ in range(3))
        store.remove(third.id)
        assert store.samples() == (first, second) and store.newest() == (second,)
        store.remove(first.id)
        assert store.newest() == (second,)
        assert_same_case(store.load(second.id), corrected_case(1))
        with pytest.raises(MuscleFMError, match="no sample of this id"):
            store.remove(first.id)

    def test_persons_and_cases_have_other_keys_in_another_store(self, store, tmp_path):
        one = store.add(corrected_case(1), subject="4711").record
        same_person = store.add(corrected_case(2), subject="4711").record
        other_person = store.add(corrected_case(3), subject="4712").record
        elsewhere = CorrectionStore(tmp_path / "other").add(corrected_case(1), subject="4711")
        assert one.subject_key == same_person.subject_key != other_person.subject_key
        assert one.case_key != same_person.case_key
        assert elsewhere.record.subject_key != one.subject_key
        assert elsewhere.record.case_key != one.case_key


class TestTrainingLabels:
    def test_all(self, store):
        case = corrected_case()
        learned = store.training_labels(store.add(case).id)
        np.testing.assert_array_equal(learned.array, case.labels.array)
        assert learned.grid == GRID

    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_slices(self, store, axis):
        case = corrected_case(reviewed=Reviewed("slices", slices=(1, 3), slice_axis=axis))
        learned = store.training_labels(store.add(case).id).array
        known = np.moveaxis(learned, 2 - axis, 0)
        labels = np.moveaxis(case.labels.array, 2 - axis, 0)
        for index in range(len(labels)):
            expected = labels[index] if index in (1, 3) else 255
            np.testing.assert_array_equal(known[index], np.broadcast_to(expected, labels[0].shape))

    def test_muscles_are_learned_where_they_are_and_where_they_no_longer_are(self, store):
        right, left = 3, 3 + 11
        case = corrected_case(reviewed=Reviewed("muscles", muscles=(left,)))
        labels, before = case.labels.array, case.model_labels.array
        learned = store.training_labels(store.add(case).id).array
        assert (learned[labels == left] == left).all()
        taken_away = (before == left) & (labels != left)
        assert taken_away.any()
        np.testing.assert_array_equal(learned[taken_away], labels[taken_away])
        assert (learned[(labels != left) & (before != left)] == 255).all()
        assert (learned[(labels == right) & (before != left)] == 255).all()

    @pytest.mark.parametrize(
        "reviewed",
        [Reviewed("all"), Reviewed("slices", slices=(0, 1)), Reviewed("muscles", (), 2, (3, 5))],
    )
    def test_carried_slices_are_not_learned_until_they_were_seen(self, store, reviewed):
        unseen = MuscleSlices(3, (1, 2))
        case = corrected_case(reviewed=dataclasses.replace(reviewed, unseen=(unseen,)))
        stored = store.add(case)
        assert store.sample(stored.id).record.reviewed.unseen == (unseen,)
        learned = store.training_labels(stored.id).array
        seen = corrected_case(reviewed=reviewed).training_labels().array
        open_voxels = np.zeros(GRID.shape, bool)
        for array in (case.labels.array, case.model_labels.array):
            open_voxels[1:3] |= array[1:3] == 3
        open_voxels[1:3] |= case.labels.array[1:3] == 0
        np.testing.assert_array_equal(learned, np.where(open_voxels, 255, seen))
        assert (seen[open_voxels] != 255).any()

    def test_nothing_reviewed_is_nothing_learned(self, store):
        stored = store.add(corrected_case(reviewed=Reviewed("slices")))
        assert (store.training_labels(stored.id).array == 255).all()

    def test_unknown_voxels_stay_unknown(self, store):
        case = corrected_case()
        labels = case.labels.array.copy()
        labels[0] = 255
        stored = store.add(dataclasses.replace(case, labels=case.labels.with_array(labels)))
        learned = store.training_labels(stored.id).array
        assert (learned[0] == 255).all() and (learned[1:] != 255).all()
