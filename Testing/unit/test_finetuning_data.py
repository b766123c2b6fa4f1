"""What is learned from: tiles as inference sees them, reviewed voxels only, disjoint subjects."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from made_training import GRID, LATERAL, LEFT, MEDIAL, labelled_case, made_store, thighs
from tiny_ensemble import SCHEME, THIGH_TILES, TINY, WHOLE_SLICES

from musclefm.corrections.case import Reviewed
from musclefm.corrections.export import export_dataset
from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.labels.sided import IGNORE, without_sides
from musclefm.models.manifest import BundleCard, ModelInput, WholeSlice
from musclefm.progress import silent
from musclefm.review.muscle_slices import MuscleSlices
from musclefm.training.data.augmentation import augment
from musclefm.training.data.dataset import read_cases
from musclefm.training.data.labelled_tiles import LabelledCases, cut_tiles
from musclefm.training.data.split import held_out_subjects, split_subjects
from musclefm.training.data.tiles import NONE_OF_ABSENT, TileFolder, known_labels, write_tiles
from musclefm.training.recipe import Augmentation
from musclefm.volumes.channels import Channels
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume


def card(model_input=THIGH_TILES):
    whole = isinstance(model_input.framing, WholeSlice)
    return BundleCard(
        name="tiny", title="Tiny", version="1", description="", scheme=SCHEME.name,
        architecture=TINY.model_copy(update={"input_channels": 3 if whole else 1}),
        input=model_input, training_data="", licence="",
    )  # fmt: skip


def learning_case(array, labels, grid=GRID, side=None):
    channels = Channels({"image": Volume(array, grid)}, (), "")
    ids = without_sides(labels, SCHEME)
    return LabelledCase("S", channels, Volume(ids, grid), SCHEME, side)


@pytest.mark.parametrize("model_input", [THIGH_TILES, WHOLE_SLICES])
def test_labels_lie_in_the_tiles_where_the_image_shows_them(model_input):
    image, labels = thighs(0)
    # The image itself tells the labels, so each tile can be held against its own.
    shown = without_sides(labels, SCHEME).astype(np.float32)
    image = np.where(shown > 0, 20 * shown, np.where(image > 40, 60, 0)).astype(np.float32)
    cut = cut_tiles(learning_case(image, labels), card(model_input))
    images, tiles = cut.images, cut.labels
    assert images.shape[0] == tiles.shape[0] == (6 if model_input is THIGH_TILES else 3)
    for tile, answer in zip(images[:, 0], tiles, strict=True):
        assert {0, LATERAL, MEDIAL} <= set(np.unique(answer)) <= {0, LATERAL, MEDIAL, IGNORE}
        tones = [np.median(tile[answer == value]) for value in (LATERAL, MEDIAL)]
        assert tones[0] < tones[1]
        for value, tone in zip((LATERAL, MEDIAL), tones, strict=True):
            assert (np.abs(tile[answer == value] - tone) < 0.4).mean() > 0.6
    if model_input is THIGH_TILES:
        for answer in tiles:
            lateral, medial = (np.nonzero(answer == v)[1].mean() for v in (LATERAL, MEDIAL))
            assert lateral < medial, "every thigh is seen as a right one"


def test_tiles_are_the_same_in_any_orientation(stored_48_ways):
    image, labels = thighs(1)
    wanted = cut_tiles(learning_case(image, labels), card())
    ways = zip(
        stored_48_ways(Volume(image, GRID)), stored_48_ways(Volume(labels, GRID)), strict=True
    )
    for number, (stored, stored_labels) in enumerate(ways):
        if number % 7 == 0:
            case = learning_case(stored.array, stored_labels.array, stored.grid)
            found = cut_tiles(case, card())
            np.testing.assert_array_equal(found.labels, wanted.labels)
            np.testing.assert_allclose(found.images, wanted.images, atol=1e-5)


def test_a_slice_as_stored_has_its_labels_as_stored():
    image, labels = thighs(2)
    stored = ModelInput(framing=WholeSlice(orientation="stored"))
    turned = cut_tiles(learning_case(image, labels), card(stored))
    upright = cut_tiles(learning_case(image, labels), card(WHOLE_SLICES))
    np.testing.assert_array_equal(turned.labels, upright.labels.swapaxes(1, 2))
    # The slice, 26 x 8 mm by 52 x 8 mm, is squeezed to 32 x 32 pixels.
    assert upright.pixel_mm == (6.5, 13.0) and turned.pixel_mm == (13.0, 6.5)


@pytest.mark.parametrize("side", ["left", "right", None])
def test_a_thigh_alone_is_seen_as_a_right_one(side):
    image, labels = thighs(3)
    half = np.s_[:, :, 26:] if side in ("left", None) else np.s_[:, :, :26]
    grid = Grid((3, 26, 26), GRID.spacing, GRID.origin, GRID.direction)
    case = learning_case(
        np.ascontiguousarray(image[half]), np.ascontiguousarray(labels[half]), grid, side
    )
    for answer in cut_tiles(case, card()).labels:
        lateral, medial = (np.nonzero(answer == v)[1].mean() for v in (LATERAL, MEDIAL))
        assert lateral < medial


def test_what_nobody_reviewed_is_to_be_ignored(tmp_path):
    store = CorrectionStore(tmp_path / "store")
    store.add(labelled_case(0, Reviewed("slices", slices=(1,))))
    store.add(labelled_case(1, Reviewed("muscles", muscles=(LATERAL + LEFT,))))
    store.add(labelled_case(2, Reviewed("slices")))
    slices, muscles = read_cases(store.folder, SCHEME)
    assert set(np.unique(slices.labels.array[[0, 2]])) == {IGNORE}
    assert set(np.unique(muscles.labels.array)) == {LATERAL, IGNORE} and muscles.side == "left"
    write_tiles(LabelledCases(store.folder).tiles(card(), silent), tmp_path / "tiles")
    tiles = TileFolder(tmp_path / "tiles")
    # Both thighs of one slice, and the left thigh of three.
    assert np.bincount(tiles.cases).tolist() == [2, 3]
    of_muscles = tiles.labels(np.flatnonzero(tiles.cases == 1))
    assert set(np.unique(of_muscles.numpy())) == {LATERAL, IGNORE, NONE_OF_ABSENT}
    assert not tiles.absent(np.arange(2)).any()


def muscle_wise(folder, muscles, unseen=()):
    """Return the tiles of a case of which muscles were verified, and what they show."""
    store = CorrectionStore(folder)
    case = labelled_case(1, Reviewed("muscles", muscles=muscles, unseen=unseen))
    labels = case.labels.array.copy()
    labels[1, 12, 12] = IGNORE
    store.add(dataclasses.replace(case, labels=case.labels.with_array(labels)))
    (read,) = read_cases(folder, SCHEME)
    return read, labels


def test_a_verified_muscle_teaches_where_it_is_not(tmp_path):
    left, right = LATERAL + LEFT, LATERAL
    unseen = (MuscleSlices(left, (2,)),)
    case, labels = muscle_wise(tmp_path / "one", (left,), unseen)
    # Nothing of slice 2, where nobody looked, nor where the reader does not know.
    expected = (labels != left) & (labels != IGNORE)
    expected[2] = False
    np.testing.assert_array_equal(case.absent[left], expected)
    cut = cut_tiles(case, card())
    assert cut.absent.nonzero()[1].tolist() == [LATERAL, LATERAL]
    marked = cut.labels == NONE_OF_ABSENT
    assert len(cut.labels) == 2, "the left thigh of two slices: the right one is another muscle"
    for tile, mark in zip(cut.labels, marked, strict=True):
        assert mark.sum() > 100 and (tile == LATERAL).any()
        # Around it on all sides.
        rows, columns = np.nonzero(tile == LATERAL)
        for row, column in ((rows.min() - 1, columns[0]), (rows.max() + 1, columns[-1])):
            assert mark[row, column] or tile[row, column] == IGNORE
    # A tile of both thighs lacks a muscle only where neither side's is.
    whole = cut_tiles(case, card(WHOLE_SLICES))
    assert not whole.absent.any() and NONE_OF_ABSENT not in whole.labels
    both, labels = muscle_wise(tmp_path / "both", (left, right, MEDIAL), unseen)
    whole = cut_tiles(both, card(WHOLE_SLICES))
    assert [np.flatnonzero(row).tolist() for row in whole.absent] == [[LATERAL], [LATERAL], []]
    assert (whole.labels[:2] == NONE_OF_ABSENT).any() and NONE_OF_ABSENT not in whole.labels[2]


def test_absent_muscles_are_kept_with_the_tiles_and_stay_with_moved_pixels(tmp_path):
    case, _ = muscle_wise(tmp_path / "store", (LATERAL + LEFT,))
    plain = learning_case(*thighs(0))
    write_tiles([cut_tiles(plain, card()), cut_tiles(case, card())], tmp_path / "tiles")
    tiles = TileFolder(tmp_path / "tiles")
    chosen = np.array([8, 0, 6])
    absent = tiles.absent(chosen)
    assert absent.shape == (3, SCHEME.class_count)
    assert absent.nonzero().tolist() == [[0, LATERAL], [2, LATERAL]]
    labels = tiles.labels(chosen)
    assert set(np.unique(known_labels(labels).numpy())) <= {0, LATERAL, MEDIAL, IGNORE}
    turned = Augmentation(10, 5, 1.2, 0.05, 1.4, 0.2, 0.03)
    rngs = [np.random.default_rng(n) for n in range(3)]
    _, moved = augment(tiles.images(chosen), labels, turned, rngs)
    assert set(np.unique(moved[0].numpy())) == {LATERAL, IGNORE, NONE_OF_ABSENT}
    write_tiles([cut_tiles(plain, card())], tmp_path / "plain")
    assert TileFolder(tmp_path / "plain").absent(np.arange(3)) is None


@pytest.mark.parametrize("sided", [True, False])
def test_a_data_list_teaches_the_same_as_the_store(tmp_path, sided):
    store = CorrectionStore(made_store(tmp_path / "store", 2))
    export_dataset(store, store.newest(), tmp_path / "list", "monai", sided=sided)
    for path in (tmp_path / "list", tmp_path / "list" / "datalist.json"):
        for stored, listed in zip(
            read_cases(store.folder, SCHEME), read_cases(path, SCHEME), strict=True
        ):
            assert stored.subject == listed.subject
            np.testing.assert_array_equal(stored.labels.array, listed.labels.array)
            one, other = cut_tiles(stored, card()), cut_tiles(listed, card())
            np.testing.assert_allclose(one.images, other.images, atol=1e-4)
            np.testing.assert_array_equal(one.labels, other.labels)


def test_only_the_newest_version_of_a_case_is_learned_from(tmp_path):
    store = CorrectionStore(tmp_path / "store")
    store.add(labelled_case(0))
    again = labelled_case(0)
    emptied = again.labels.with_array(np.zeros_like(again.labels.array))
    store.add(dataclasses.replace(again, labels=emptied))
    (case,) = read_cases(store.folder, SCHEME)
    assert not case.labels.array.any()


def test_data_that_cannot_be_learned_from_is_refused_in_words(tmp_path):
    store = CorrectionStore(made_store(tmp_path / "store", 1))
    export_dataset(store, store.newest(), tmp_path / "list", "monai")
    file = tmp_path / "list" / "datalist.json"
    document = json.loads(file.read_text())

    def reported(**changes):
        file.write_text(json.dumps(document | changes))
        with pytest.raises(MuscleFMError) as error:
            list(read_cases(file, SCHEME))
        return str(error.value)

    assert "another scheme" in reported(labels={"0": "background", "1": "liver"})
    assert "channels" in reported(modality={"0": "CT", "1": "PET"})
    assert "understood" in reported(training=[{"image": "a.nii.gz"}])
    assert "images for 1 channels" in reported(
        training=[document["training"][0] | {"image": ["a.nii.gz", "b.nii.gz"]}]
    )
    with pytest.raises(MuscleFMError, match="no labelled cases"):
        list(read_cases(tmp_path / "nowhere", SCHEME))


def test_subjects_are_split_without_overlap_and_again_alike():
    names = [f"P{number}" for number in range(17)]
    split = split_subjects(names, 0.2, 0.2, 5, 1)
    groups = [split.held_out, split.validation, *split.folds]
    assert [len(group) for group in groups] == [3, 3, 3, 2, 2, 2, 2]
    assert sorted(name for group in groups for name in group) == sorted(names)
    assert split == split_subjects(reversed(names), 0.2, 0.2, 5, 1)
    assert split != split_subjects(names, 0.2, 0.2, 5, 2)
    assert split.trained_on(1) == frozenset().union(*split.folds) - split.folds[1]
    assert split.fold(6) == split.folds[1]
    with pytest.raises(MuscleFMError, match="at least 4 subjects"):
        split_subjects(names[:3], 0.2, 0.2, 5, 1)
    assert len(split_subjects(names[:3], 0.0, 0.2, 5, 1).folds) == 2


def test_who_was_held_out_mostly_stays_so_as_others_join():
    before = held_out_subjects([f"P{number}" for number in range(30)], 0.2)
    after = held_out_subjects([f"P{number}" for number in range(60)], 0.2)
    assert len(before) == 6 and len(after) == 12
    assert len(before & after) >= 4
    assert held_out_subjects(["P1"], 0.0) == frozenset()


def test_augmentation_moves_labels_with_the_image_and_never_mirrors():
    labels = torch.zeros(24, 40, 40, dtype=torch.uint8)
    labels[:, 8:18, 6:16] = 1
    labels[:, 24:34, 22:36] = 2
    labels[:, :, :2] = IGNORE
    images = torch.tensor([-2.0, 0.0, 2.0])[labels.long() % 3][:, None].expand(-1, 3, -1, -1)
    strong = Augmentation(10, 5, 1.2, 0.05, 1.4, 0.2, 0.03)

    def augmented(seed):
        rngs = [np.random.default_rng([seed, number]) for number in range(24)]
        return augment(images, labels, strong, rngs)

    moved, answers = augmented(0)
    assert moved.min() >= -2 and moved.max() <= 2 and IGNORE in answers
    assert (answers != labels).any(dim=2).any(dim=1).all()
    for image, answer in zip(moved[:, 0], answers, strict=True):
        means = [float(image[answer == value].mean()) for value in range(3)]
        assert means[0] < means[1] < means[2]
        first, second = (torch.nonzero(answer == value).float().mean(dim=0) for value in (1, 2))
        assert (first < second).all()
    again, _ = augmented(0)
    other, _ = augmented(1)
    assert torch.equal(moved, again) and not torch.equal(moved, other)


def test_without_augmentation_a_tile_stays_as_it_is():
    images = torch.rand(2, 1, 16, 16)
    labels = (images[:, 0] > 0.5).to(torch.uint8)
    still = Augmentation(0, 0, 1, 0, 1, 0, 0)
    moved, answers = augment(images, labels, still, [np.random.default_rng(n) for n in range(2)])
    torch.testing.assert_close(moved, images, atol=1e-5, rtol=0)
    assert torch.equal(answers, labels)
