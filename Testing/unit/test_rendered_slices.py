"""Rendered slices: the same from a seed, of every subject alike, and blind to the test subjects."""

from pathlib import Path

import numpy as np
import pytest
from tiny_ensemble import SCHEME, THIGH_TILES, TINY

from musclefm.demo import rendered_slices
from musclefm.demo.phantom.anatomies import Anatomy
from musclefm.demo.phantom.legs import LegSlice, leg_slices
from musclefm.demo.phantom.parametric import ParametricThigh, Person, parametric_labelmap
from musclefm.demo.rendered_slices import RenderedSlices
from musclefm.demo.rendering import SliceRecipe, atrophied
from musclefm.demo.train import TEST_SUBJECTS, DemoRecipe, training_legs
from musclefm.models.manifest import BundleCard
from musclefm.progress import ProgressEvent, silent
from musclefm.training.data.split import split_subjects
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

SMALL = SliceRecipe(count=24, size=32, pixel_mm=6.4, parametric=0.5)


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


def test_slices_are_the_same_with_one_process_or_two(monkeypatch: pytest.MonkeyPatch) -> None:
    # Three chunks, shared out differently.
    monkeypatch.setattr(rendered_slices, "_CHUNK", 10)
    legs = legs_of("A", "B")
    events: list[ProgressEvent] = []

    def noted(event: ProgressEvent) -> None:
        events.append(event)

    one, two = (RenderedSlices(legs, SMALL, 7, jobs) for jobs in (1, 2))
    images, labels, subjects = one.rendered(SCHEME, noted)
    for mine, other in zip((images, labels, subjects), two.rendered(SCHEME, silent), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert one.fingerprint == two.fingerprint != RenderedSlices(legs, SMALL, 8, 1).fingerprint
    assert one.fingerprint != RenderedSlices(legs[1:], SMALL, 7, 1).fingerprint
    assert [event.done for event in events] == [1, 2, 3]
    assert images.shape == labels.shape == (24, 32, 32)
    assert images.dtype == labels.dtype == np.uint8
    drawn = {name for name in subjects if name.startswith("drawn-")}
    assert set(subjects) == {"A", "B"} | drawn and len(drawn) == (subjects > "C").sum()
    assert labels.any(axis=(1, 2)).all() and labels.max() < SCHEME.class_count
    assert images.min() == 0 and images.max() == 255
    # No slice is rendered twice.
    assert len(np.unique(images.reshape(24, -1), axis=0)) == 24


def test_tiles_are_the_slices_of_each_subject_as_the_network_sees_them() -> None:
    slices = RenderedSlices(legs_of("A", "B"), SMALL, 7, 1)
    card = BundleCard(
        name="tiny", title="Tiny", version="1", description="", scheme=SCHEME.name,
        architecture=TINY, input=THIGH_TILES, training_data="", licence="",
    )  # fmt: skip
    images, labels, subjects = slices.rendered(SCHEME, silent)
    cases = list(slices.tiles(card, silent))
    assert [case.subject for case in cases] == sorted(set(subjects))
    for case in cases:
        mine = subjects == case.subject
        np.testing.assert_array_equal(case.labels, labels[mine])
        wanted = (images[mine][:, None] / 255 - 0.5) / 0.25
        np.testing.assert_allclose(case.images, wanted, atol=1e-5)
        assert case.pixel_mm == (6.4, 6.4)


def test_slices_without_anatomies_are_of_parametric_thighs() -> None:
    few = SliceRecipe(count=4, size=32, pixel_mm=6.4, parametric=0.0)
    _, labels, subjects = RenderedSlices([], few, 8, 1).rendered(SCHEME, silent)
    # Each shows a person of its own.
    assert len(set(subjects)) == 4 and labels.any(axis=(1, 2)).all()


def test_every_subject_is_shown_as_often_however_finely_it_was_sliced() -> None:
    few = legs_of("A")
    many = [leg for leg in legs_of("A", "B") if leg.subject == "B"] * 10
    recipe = SliceRecipe(count=200, size=16, pixel_mm=12.8, parametric=0.0)
    *_, subjects = RenderedSlices(few + many, recipe, 9, 1).rendered(SCHEME, silent)
    assert 70 <= (subjects == "A").sum() <= 130


def test_atrophy_thins_every_muscle_in_its_place() -> None:
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


def test_members_hold_out_folds_of_subjects_that_do_not_overlap() -> None:
    real = [f"P{index:02d}" for index in range(17)]
    names = real + [f"drawn-{index}" for index in range(60)]
    recipe = DemoRecipe(members=4).training
    split = split_subjects(names, recipe.held_out, recipe.validation, recipe.folds, recipe.seed)
    held = [subject for member in range(4) for subject in split.fold(member)]
    assert len(held) == len(set(held)) and set(held) <= set(names)
    assert all(12 <= len(split.fold(member)) <= 13 for member in range(4))
    # Nearly all real anatomies are learned from.
    assert not split.held_out and len(split.validation) == 4
    assert len(frozenset(real) - split.validation) >= 15


def test_no_test_subject_is_trained_on() -> None:
    test_subject = min(TEST_SUBJECTS)
    known = training_legs([anatomy("THIGH_000", 1), anatomy(test_subject, 2)])
    assert {leg.subject for leg in known} == {"THIGH_000"}
    assert training_legs([anatomy(subject, 3) for subject in sorted(TEST_SUBJECTS)[:2]]) == []


def test_test_subjects_are_real_ones(shared: Path) -> None:
    names = {path.name[:9] for path in (shared / "anatomies").glob("THIGH_*.nii.gz")}
    assert names > TEST_SUBJECTS
