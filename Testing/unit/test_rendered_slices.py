"""Rendered slices: the same from a seed, of every subject alike, and blind to the test subjects."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_ensemble import SCHEME, THIGH_TILES, TINY

from musclefm.demo import rendered_slices
from musclefm.demo.chunks import own_slice_scale
from musclefm.demo.phantom.anatomies import Anatomy
from musclefm.demo.phantom.artefacts import Scanner
from musclefm.demo.phantom.atrophy import Atrophy
from musclefm.demo.phantom.between_slices import densely_labelled
from musclefm.demo.phantom.fields import StreakTexture
from musclefm.demo.phantom.legs import Leg, both_legs
from musclefm.demo.phantom.neighbours import SliceDistances
from musclefm.demo.phantom.parametric import ParametricThigh, Person, parametric_labelmap
from musclefm.demo.rendered_slices import RenderedSlices
from musclefm.demo.rendering import SliceRecipe, SliceRenderer
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


def legs_of(*subjects: str) -> list[Leg]:
    return [
        leg
        for seed, subject in enumerate(subjects)
        for leg in both_legs(anatomy(subject, seed).labelmap, subject)
    ]


def legs_of_many_slices() -> Iterator[Leg]:
    grid = Grid((14, 64, 128), (3.0, 3.0, 24.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    return both_legs(parametric_labelmap(SCHEME, np.random.default_rng(3), grid=grid), "A")


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
    assert images.shape == (24, 3, 32, 32) and labels.shape == (24, 32, 32)
    assert images.dtype == labels.dtype == np.uint8
    drawn = {name for name in subjects if name.startswith("drawn-")}
    assert set(subjects) == {"A", "B"} | drawn and len(drawn) == (subjects > "C").sum()
    assert labels.any(axis=(1, 2)).all() and labels.max() < SCHEME.class_count
    assert images[:, 1].min() == 0 and images[:, 1].max() == 255
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
        # This network has one channel: it sees each slice alone.
        wanted = (images[mine][:, 1:2] / 255 - 0.5) / 0.25
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


def test_without_neighbours_a_slice_is_rendered_alone() -> None:
    alone = SliceRecipe(count=3, size=32, pixel_mm=6.4, neighbours_mm=None)
    images, labels, _ = RenderedSlices(legs_of("A"), alone, 7, 1).rendered(SCHEME, silent)
    assert images.shape == (3, 1, 32, 32) and labels.shape == (3, 32, 32)


@pytest.mark.parametrize("plain", [False, True])
def test_neighbours_show_the_same_patient_where_the_next_slices_lie(plain: bool) -> None:
    leg = densely_labelled(next(legs_of_many_slices()))
    renderer = SliceRenderer(SCHEME, 64, 3.0, StreakTexture(np.random.default_rng(0)))
    sections = leg.sections(len(leg.labels) // 2, 24.0)
    distances = SliceDistances(24.0, 1.0, 1.0, 0.0, (False, False))
    for seed in range(4):
        images, labels = renderer.render(sections, distances, np.random.default_rng(seed), plain)
        assert images.shape == (3, 64, 64) and labels.shape == (64, 64)
        below, own, above = images / images[1].std()
        for neighbour in (below, above):
            # One contrast, one gain, one body: alike as no two patients are.
            assert np.corrcoef(neighbour.ravel(), own.ravel())[0, 1] > 0.4
            assert np.abs(neighbour - own).max() > 0.1
        # The leg goes on: what is twice as far away differs more.
        assert np.abs(below - above).mean() > np.abs(below - own).mean() * 0.9


def test_slices_are_rendered_in_two_kinds_by_their_share() -> None:
    rendered = [
        RenderedSlices(legs_of("A"), replace(SMALL, plain=share), 7, 1).rendered(SCHEME, silent)
        for share in (0.0, 0.5, 1.0)
    ]
    rich, both, plain = (images for images, *_ in rendered)
    assert not (rich == plain).all(axis=(1, 2, 3)).any()
    assert not (both == rich).all() and not (both == plain).all()
    assert all(labels.any(axis=(1, 2)).all() for _, labels, _ in rendered)


def test_a_missing_neighbour_is_the_slice_again_and_a_far_one_is_blended() -> None:
    rng = np.random.default_rng(0)
    scanner = Scanner(0, (0, 0), 0, 0, 0, 0.02)
    below, own, above = (np.full((8, 8), value, np.float32) for value in (2.0, 4.0, 8.0))
    gain = np.ones((8, 8), np.float32)
    far = SliceDistances(next_mm=24.0, weight=0.25, noise=1.0, overlap=0.0, missing=(False, False))
    blended = far.images(below, own, above, scanner, gain, 1.0, rng)
    np.testing.assert_allclose(blended.mean(axis=(1, 2)), [3.5, 4.0, 5.0], atol=0.05)
    ended = far.images(None, own, above, scanner, gain, 1.0, rng)
    np.testing.assert_array_equal(ended[0], ended[1])
    gap = SliceDistances(24.0, 0.25, 1.0, 0.0, (False, True))
    shown = gap.images(below, own, above, scanner, gain, 1.0, rng)
    np.testing.assert_array_equal(shown[2], shown[1])
    thick = SliceDistances(6.0, 1.0, 1.0, 0.1, (False, False))
    np.testing.assert_allclose(
        thick.images(below, own, above, scanner, gain, 1.0, rng).mean(axis=(1, 2)),
        [2.2, 4.2, 7.6],
        atol=0.05,
    )


def test_protocols_have_slices_from_3_to_26_mm() -> None:
    rng = np.random.default_rng(0)
    drawn = [SliceDistances.draw(6.0, rng) for _ in range(2000)]
    next_mm = np.array([one.next_mm for one in drawn])
    assert next_mm.min() == 6 and 20 < next_mm.max() <= 26
    assert 0.6 < (next_mm <= 12).mean() < 0.95
    assert all(one.weight == pytest.approx(6 / one.next_mm) for one in drawn)
    assert all(0.7 <= one.noise <= 1 and 0 <= one.overlap <= 0.126 for one in drawn)
    assert 0.02 < np.mean([one.missing[0] for one in drawn]) < 0.12
    far = [SliceDistances.draw(6.0, rng, 1.0).next_mm for _ in range(200)]
    assert 14 <= min(far) < 15 and 25 < max(far) <= 26


def test_the_slice_itself_sets_the_scale_of_its_neighbours() -> None:
    own = np.linspace(0, 10, 400, dtype=np.float32).reshape(20, 20)
    scaled = own_slice_scale(np.stack([0.5 * own, own, 3 * own]))
    alone = own_slice_scale(own[None])
    np.testing.assert_array_equal(scaled[1], alone[0])
    assert scaled[0].max() == pytest.approx(0.5, abs=0.02) and scaled[2].max() == 1
    assert not own_slice_scale(np.ones((3, 4, 4), np.float32)).any()


def test_atrophy_thins_every_muscle_in_its_place() -> None:
    person = Person(1.0, 4, dict.fromkeys(range(1, 12), 1.0))
    labels, further = (ParametricThigh(SCHEME).draw(person, at, 1.4, 128) for at in (0.5, 0.52))
    kept, kept_further = [], []
    for seed in range(20):
        atrophy = Atrophy.draw((128, 128), 1.4, np.random.default_rng(seed))
        for section, shares in ((labels, kept), (further, kept_further)):
            thinner = atrophy.thinned(section)
            assert ((thinner == section) | (thinner == 0)).all()
            shares.append((thinner > 0).sum() / (section > 0).sum())
    assert min(kept) < 0.7 and max(kept) > 0.9
    # It is one thigh's: its next section has lost as much.
    np.testing.assert_allclose(kept, kept_further, atol=0.06)


def test_members_hold_out_folds_of_subjects_that_do_not_overlap() -> None:
    real = [f"P{index:02d}" for index in range(17)]
    names = real + [f"drawn-{index}" for index in range(60)]
    recipe = DemoRecipe(members=4).training
    split = split_subjects(names, recipe.held_out, recipe.validation, recipe.folds, recipe.seed)
    held = [subject for member in range(4) for subject in split.fold(member)]
    assert len(held) == len(set(held)) and set(held) <= set(names)
    assert all(6 <= len(split.fold(member)) <= 7 for member in range(4))
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
