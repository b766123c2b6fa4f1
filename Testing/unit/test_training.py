"""Pools, members and folds: the same from a seed, learning, and blind to the test subjects."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tiny_ensemble import SCHEME, TINY

from musclefm.demo import rendered_pool as pools
from musclefm.demo.augmentation import augment
from musclefm.demo.ensemble import MemberTask, train_members
from musclefm.demo.member import MemberRecipe, score_members, train_member
from musclefm.demo.phantom.anatomies import Anatomy
from musclefm.demo.phantom.legs import LegSlice, leg_slices
from musclefm.demo.phantom.parametric import ParametricThigh, Person, parametric_labelmap
from musclefm.demo.rendered_pool import PoolRecipe, SlicePool, render_pool
from musclefm.demo.rendering import atrophied
from musclefm.demo.train import (
    TEST_SUBJECTS,
    DemoRecipe,
    member_tasks,
    selected_members,
    training_legs,
)
from musclefm.errors import MuscleFMError
from musclefm.networks.sam import MultiClassSam
from musclefm.progress import ProgressEvent, silent
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

CLASSES = SCHEME.class_count
SMALL = PoolRecipe(count=24, size=32, pixel_mm=6.4, parametric=0.5)
SHORT = MemberRecipe(steps=60, batch=8, learning_rate=5e-3, averaging=0.9)


def anatomy(subject: str, seed: int) -> Anatomy:
    grid = Grid(
        shape=(2, 48, 96),
        spacing=(4.0, 4.0, 100.0),
        origin=(0.0, 0.0, 0.0),
        direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    )
    whole = Grid((6, 48, 96), grid.spacing, grid.origin, grid.direction)
    labels = parametric_labelmap(SCHEME, np.random.default_rng(seed), grid=whole)
    return Anatomy(subject, Volume(np.ascontiguousarray(labels.array[2:4]), grid))


def legs_of(*subjects: str) -> list[LegSlice]:
    return [
        leg
        for seed, subject in enumerate(subjects)
        for leg in leg_slices(anatomy(subject, seed).labelmap, subject)
    ]


@pytest.fixture(scope="module")
def pool() -> SlicePool:
    """Return slices in which bright stands for muscle: learnt within a few steps."""
    rng = np.random.default_rng(0)
    labels = np.zeros((40, 32, 32), np.uint8)
    for index, slice_labels in enumerate(labels):
        row, column = rng.integers(3, 12, 2)
        slice_labels[row : row + 14, column : column + 8] = 1 + index % 2
        slice_labels[row : row + 14, column + 8 : column + 15] = 3
    images = np.array([10, 110, 110, 230], np.uint8)[labels]
    images = images + rng.integers(0, 20, labels.shape).astype(np.uint8)
    return SlicePool(images, labels, np.array([f"S{index % 4}" for index in range(40)]))


@pytest.fixture(scope="module")
def trained(pool: SlicePool) -> MultiClassSam:
    return train_member(TINY, CLASSES, pool, SHORT, 3, silent)


def untrained(seed: int) -> MultiClassSam:
    torch.manual_seed(seed)
    return MultiClassSam(TINY, CLASSES).eval()


def test_a_pool_is_the_same_with_one_process_or_two(monkeypatch: pytest.MonkeyPatch) -> None:
    # Three chunks, shared out differently.
    monkeypatch.setattr(pools, "_CHUNK", 10)
    legs = legs_of("A", "B")
    events: list[ProgressEvent] = []

    def told(event: ProgressEvent) -> None:
        events.append(event)

    one = render_pool(legs, SCHEME, SMALL, 7, 1, told)
    two = render_pool(legs, SCHEME, SMALL, 7, 2, silent)
    for name in ("images", "labels", "subjects"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert [event.done for event in events] == [1, 2, 3]
    assert one.images.shape == one.labels.shape == (24, 32, 32)
    assert one.images.dtype == one.labels.dtype == np.uint8
    assert set(one.subjects) == {"A", "B", "parametric"}
    assert one.labels.any(axis=(1, 2)).all() and one.labels.max() < CLASSES
    assert one.images.min() == 0 and one.images.max() == 255
    # No slice is rendered twice.
    assert len(np.unique(one.images.reshape(24, -1), axis=0)) == 24


def test_a_pool_without_anatomies_is_of_parametric_thighs() -> None:
    few = PoolRecipe(count=4, size=32, pixel_mm=6.4, parametric=0.0)
    alone = render_pool([], SCHEME, few, 8, 1, silent)
    assert set(alone.subjects) == {"parametric"} and alone.labels.any(axis=(1, 2)).all()


def test_a_pool_shows_every_subject_as_often_however_finely_it_was_sliced() -> None:
    few = legs_of("A")
    many = [leg for leg in legs_of("A", "B") if leg.subject == "B"] * 10
    recipe = PoolRecipe(count=200, size=16, pixel_mm=12.8, parametric=0.0)
    subjects = render_pool(few + many, SCHEME, recipe, 9, 1, silent).subjects
    assert 70 <= (subjects == "A").sum() <= 130


def test_wasting_thins_every_muscle_in_its_place() -> None:
    labels = ParametricThigh(SCHEME).draw(
        Person(1.0, 4, dict.fromkeys(range(1, 12), 1.0)), 0.5, 1.4, 128
    )
    kept = []
    for seed in range(20):
        thinner = atrophied(labels, 1.4, np.random.default_rng(seed))
        assert ((thinner == labels) | (thinner == 0)).all()
        kept.append((thinner > 0).sum() / (labels > 0).sum())
    assert min(kept) < 0.7 and max(kept) > 0.9
    again = atrophied(labels, 1.4, np.random.default_rng(0))
    np.testing.assert_array_equal(again, atrophied(labels, 1.4, np.random.default_rng(0)))


def test_a_pool_is_split_by_subject(pool: SlicePool) -> None:
    rest, held = pool.without({"S1", "S2"}), pool.only({"S1", "S2"})
    assert set(rest.subjects) == {"S0", "S3"} and set(held.subjects) == {"S1", "S2"}
    assert len(rest.images) + len(held.images) == len(pool.images)
    np.testing.assert_array_equal(held.labels, pool.labels[np.isin(pool.subjects, ["S1", "S2"])])
    np.testing.assert_array_equal(pool.first(7).images, pool.images[:7])


def test_training_teaches(pool: SlicePool, trained: MultiClassSam) -> None:
    before, after = score_members([untrained(3)], pool), score_members([trained], pool)
    assert before.nll > 1.0
    assert after.nll < 0.5 * before.nll
    assert after.dice > before.dice + 0.3


def test_the_same_seed_trains_the_same_member(pool: SlicePool) -> None:
    brief = MemberRecipe(steps=6, batch=4)
    steps: list[int] = []

    def told(event: ProgressEvent) -> None:
        steps.append(event.done)

    first = train_member(TINY, CLASSES, pool, brief, 1, told).state_dict()
    again = train_member(TINY, CLASSES, pool, brief, 1, silent).state_dict()
    other = train_member(TINY, CLASSES, pool, brief, 2, silent).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
    assert any(not torch.equal(tensor, other[name]) for name, tensor in first.items())
    assert steps == [1, 2, 3, 4, 5, 6]


def test_scores_are_those_of_the_ensembles_mean(pool: SlicePool, trained: MultiClassSam) -> None:
    few = pool.first(5)
    members = [trained, untrained(9)]
    images = torch.from_numpy(few.images)[:, None].float() / 255
    with torch.inference_mode():
        answers = []
        for member in members:
            logits = member((images - 0.5) / 0.25)
            grown = torch.nn.functional.interpolate(logits, size=(32, 32), mode="bilinear")
            answers.append(grown.softmax(dim=1).double().numpy())
    mean = np.mean(answers, axis=0)
    chosen = np.take_along_axis(mean, few.labels[:, None].astype(np.int64), axis=1)
    scores = score_members(members, few, batch=2)
    # Networks run in bfloat16.
    assert scores.nll == pytest.approx(-np.log(chosen).mean(), rel=0.03)
    predicted = mean.argmax(axis=1)
    slices = []
    for found, truth in zip(predicted, few.labels, strict=True):
        overlaps = []
        for label in np.unique(truth[truth > 0]):
            shared = ((found == label) & (truth == label)).sum()
            overlaps.append(2 * shared / ((found == label).sum() + (truth == label).sum()))
        slices.append(np.mean(overlaps))
    assert scores.dice == pytest.approx(np.mean(slices), abs=0.03)


def test_augmentation_moves_labels_with_the_image_and_never_mirrors() -> None:
    labels = torch.zeros(32, 40, 40, dtype=torch.uint8)
    labels[:, 8:18, 6:16] = 1
    labels[:, 24:34, 22:36] = 2
    images = torch.tensor([0.0, 0.5, 1.0])[labels.long()][:, None]
    generator = torch.Generator().manual_seed(0)
    moved, moved_labels = augment(images, labels, generator)
    assert moved.shape == images.shape and moved_labels.dtype == torch.uint8
    assert moved.min() >= 0 and moved.max() <= 1
    assert (moved_labels != labels).any(dim=2).any(dim=1).all()
    for image, answer in zip(moved[:, 0], moved_labels, strict=True):
        means = [float(image[answer == value].mean()) for value in range(3)]
        assert means[0] + 0.1 < means[1] < means[2] - 0.1
        first, second = (torch.nonzero(answer == value).float().mean(dim=0) for value in (1, 2))
        # Above and to the left stays above and to the left.
        assert (first < second).all()


def test_members_hold_out_folds_of_subjects_that_do_not_overlap() -> None:
    subjects = [f"P{index:02d}" for index in range(17)]
    legs = [LegSlice(np.ones((2, 2), np.uint8), (1.0, 1.0), 0.5, name) for name in subjects]
    recipe = DemoRecipe(members=4)
    tasks = member_tasks(recipe, legs)
    assert [task.index for task in tasks] == [0, 1, 2, 3]
    assert len({task.seed for task in tasks}) == 4
    held = [subject for task in tasks for subject in task.held_out]
    assert len(held) == len(set(held)) and set(held) <= set(subjects)
    assert all(2 <= len(task.held_out) <= 3 for task in tasks)
    assert member_tasks(recipe, list(reversed(legs))) == tasks


def test_no_test_subject_is_trained_on() -> None:
    test_subject = min(TEST_SUBJECTS)
    known = training_legs([anatomy("THIGH_000", 1), anatomy(test_subject, 2)])
    assert {leg.subject for leg in known} == {"THIGH_000"}
    assert training_legs([anatomy(subject, 3) for subject in sorted(TEST_SUBJECTS)[:2]]) == []


def test_test_subjects_are_real_ones(shared: Path) -> None:
    names = {path.name[:9] for path in (shared / "anatomies").glob("THIGH_*.nii.gz")}
    assert names > TEST_SUBJECTS


def spoiled(member: MultiClassSam, spoil: float) -> MultiClassSam:
    other = MultiClassSam(TINY, CLASSES)
    state = {name: tensor.clone() for name, tensor in member.state_dict().items()}
    torch.manual_seed(0)
    for name, tensor in state.items():
        if name.endswith("weight") and tensor.is_floating_point():
            tensor.copy_(torch.randn_like(tensor) * spoil)
    other.load_state_dict(state)
    return other.eval()


def test_the_gate_keeps_good_members_and_leaves_out_spoiled_ones(
    pool: SlicePool, trained: MultiClassSam
) -> None:
    broken = spoiled(trained, math.nan)
    members = [broken, trained, spoiled(trained, 0.5), trained]
    folds = ({"S0"}, {"S1"}, {"S2"}, {"S3"})
    tasks = [MemberTask(index, 70 + index, frozenset(fold)) for index, fold in enumerate(folds)]
    kept = selected_members(members, tasks, pool, pool, silent)
    assert [state.fold for state in kept] == [1, 3] and [state.seed for state in kept] == [71, 73]
    for state, fold in zip(kept, ("S1", "S3"), strict=True):
        assert state.metrics["fold_nll"] == pytest.approx(
            score_members([trained], pool.only({fold})).nll
        )
        assert 0 < state.metrics["fold_dsc_per_slice"] <= 1
    for nobody in (set[str](), {"S9"}):
        (state,) = selected_members(
            [trained], [MemberTask(0, 1, frozenset(nobody))], pool, pool, silent
        )
        assert state.metrics["fold_nll"] == pytest.approx(score_members([trained], pool).nll)
    with pytest.raises(MuscleFMError, match="no member"):
        selected_members([broken], tasks[:1], pool, pool, silent)


def test_finished_members_are_not_trained_again(pool: SlicePool, tmp_path: Path) -> None:
    brief = MemberRecipe(steps=10, batch=4)
    tasks = [MemberTask(0, 5, frozenset({"S2"}))]
    events: list[ProgressEvent] = []

    def told(event: ProgressEvent) -> None:
        events.append(event)

    def train() -> dict[str, npt.NDArray[Any]]:
        (member,) = train_members(TINY, CLASSES, pool, brief, tasks, tmp_path, told)
        return {name: tensor.numpy() for name, tensor in member.state_dict().items()}

    first = train()
    assert events[-1].done == events[-1].total == 10
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(files) == 1
    events.clear()
    again = train()
    assert not events and files == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    # Members have one thread each; more would round another way.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = train_member(TINY, CLASSES, pool.without({"S2"}), brief, 5, silent).state_dict()
    torch.set_num_threads(threads)
    for name, tensor in first.items():
        np.testing.assert_array_equal(tensor, again[name])
        np.testing.assert_allclose(tensor, alone[name].numpy(), atol=1e-5)
