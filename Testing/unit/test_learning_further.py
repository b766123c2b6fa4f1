"""A trained ensemble learns further: from other images, and from scans that it labels itself."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_training import CPU, one_thread
from test_training_from_scratch import BrightMuscles, plan_of
from tiny_ensemble import SCHEME, TINY, tiny_bundle

from musclefm.demo import evaluate
from musclefm.demo import train as demo
from musclefm.demo.rendering import SliceRecipe
from musclefm.demo.train import DemoRecipe, demo_card, train_demo
from musclefm.demo.warm_start import widened_members
from musclefm.errors import MuscleFMError
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.labels.sided import IGNORE
from musclefm.models.bundle import save_bundle
from musclefm.models.manifest import ModelInput, ThighTiles
from musclefm.models.member_files import MemberState
from musclefm.networks.families import build
from musclefm.progress import silent
from musclefm.training.data.batches import ORIGINAL
from musclefm.training.data.self_labelled import WithUnlabelledScans, loose_parts, sure_labels
from musclefm.training.data.tiles import CaseTiles, TileFolder, write_tiles
from musclefm.training.distributed import SINGLE_PROCESS
from musclefm.training.fitting.checkpoint import read_progress
from musclefm.training.members.member import FineTuningJob
from musclefm.training.train import train_ensemble
from musclefm.volumes.channels import Channels
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    with one_thread():
        yield


def seeing(channels, neighbours_mm):
    """Return the card of a demo ensemble of tiny networks."""
    architecture = TINY.model_copy(update={"input_channels": channels})
    framing = ThighTiles(spacing_mm=6.0, neighbours_mm=neighbours_mm)
    return demo_card(DemoRecipe(), False, {}).model_copy(
        update={"architecture": architecture, "input": ModelInput(framing=framing)}
    )


def test_networks_that_saw_slices_alone_answer_the_same_beside_neighbours(tmp_path):
    start = tiny_bundle(tmp_path / "alone", 2)
    card = seeing(3, 6.0)
    wide = save_bundle(tmp_path / "wide", card, widened_members(card, start), "fp32")
    own = torch.randn(4, 1, 32, 32)
    beside = torch.cat([torch.randn(4, 1, 32, 32), own, torch.randn(4, 1, 32, 32)], dim=1)
    answers = [
        EnsemblePredictor(bundle, CPU, silent).probabilities(images)
        for bundle, images in ((start, own), (wide, beside))
    ]
    torch.testing.assert_close(*answers, atol=2e-4, rtol=0)
    again = save_bundle(tmp_path / "again", card, widened_members(card, wide), "fp32")
    torch.testing.assert_close(
        EnsemblePredictor(again, CPU, silent).probabilities(beside), answers[1], atol=0, rtol=0
    )


def test_networks_of_another_kind_are_no_start(tmp_path):
    with pytest.raises(MuscleFMError, match="another kind"):
        widened_members(demo_card(DemoRecipe(), False, {}), tiny_bundle(tmp_path / "a"))


def test_statistics_are_learned_where_the_recipe_says_so(tmp_path):
    start = tiny_bundle(tmp_path / "start", 2)
    before = start.load_member(0).state_dict()
    for learned in (False, True):
        folder = tmp_path / str(learned)
        plan = plan_of(folder, start, trained="full", statistics=learned, epochs=1)
        after = train_ensemble(plan, CPU, silent).load_member(0).state_dict()
        names = [name for name in before if name.endswith(("running_mean", "running_var"))]
        moved = [not torch.allclose(after[n], before[n], rtol=1e-2, atol=1e-2) for n in names]
        assert all(moved) if learned else not any(moved)


class WithOwnLabels(BrightMuscles):
    """The same, and one scan that a model labelled."""

    fingerprint = "own labels"

    def tiles(self, card, progress):
        yield from super().tiles(card, progress)
        image, labels = np.zeros((5, 1, 32, 32), np.float32), np.zeros((5, 32, 32), np.uint8)
        yield CaseTiles("scan", image, labels, (5.0, 5.0), self_labelled=True)


def test_what_a_model_labelled_is_learned_from_and_never_validated_on(tmp_path):
    start = tiny_bundle(tmp_path / "start", 1)
    recipe = dataclasses.replace(plan_of(tmp_path, start).recipe, self_labelled=0.25)
    job = FineTuningJob(start.folder, recipe, tmp_path / "work")
    write_tiles(WithOwnLabels().tiles(start.manifest, silent), job.tiles)
    tiles = TileFolder(job.tiles)
    split = job.split(tiles)
    assert "scan" not in split.validation.union(split.held_out, *split.folds)
    for member in range(2):
        learned = job.trained_on(tiles, member)
        assert np.mean(tiles.self_labelled[learned]) == pytest.approx(0.25, abs=0.03)
        assert set(tiles.subjects[learned]) == split.trained_on(member) | {"scan"}
    caching = dataclasses.replace(job, recipe=dataclasses.replace(recipe, trained="decoder"))
    source = caching.source(start.load_member(0), tiles, CPU, SINGLE_PROCESS, silent)
    own = np.flatnonzero(tiles.self_labelled)
    # Empty images, which no augmentation changes.
    for version in (ORIGINAL, 1):
        logits, _ = source.answer(start.load_member(0), own, version)
        plain = start.load_member(0)(tiles.images(own))
        torch.testing.assert_close(logits, plain, rtol=1e-2, atol=1e-2)
    plan = dataclasses.replace(plan_of(tmp_path / "new", start, epochs=1), data=WithOwnLabels())
    assert train_ensemble(plan, CPU, silent).manifest.ready
    assert read_progress(plan.work / "member-0.pt") is None


GRID = Grid((5, 40, 40), (6.0, 6.0, 10.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))


def scan():
    """Return a round thigh with a bright and a dark half."""
    row, column = np.mgrid[:40, :40]
    body = np.hypot(row - 20, column - 20) < 13
    image = np.where(body, np.where(column < 20, 200.0, 90.0), 0.0).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 3, GRID.shape).astype(np.float32)
    return Volume(np.where(body, image + noise, 0).astype(np.float32), GRID)


def test_an_ensemble_labels_what_it_is_sure_of(tmp_path):
    bundle = tiny_bundle(tmp_path / "tiny", 1, temperature=0.1)
    predictor = EnsemblePredictor(bundle, CPU, silent)
    channels = Channels({"image": scan()}, (), "")
    labels = sure_labels(channels, bundle, predictor)
    assert labels.grid == GRID and labels.array.dtype == np.uint8
    known = labels.array != IGNORE
    assert 0.02 < known.mean() < 0.999 and labels.array[known].max() < SCHEME.class_count
    soft = tiny_bundle(tmp_path / "soft", 1, temperature=20.0)
    unsure = sure_labels(channels, soft, EnsemblePredictor(soft, CPU, silent)).array
    assert (unsure != IGNORE).sum() < known.sum()


def test_what_lies_apart_from_its_muscle_is_not_believed():
    labels = np.zeros((3, 20, 20), np.uint8)
    sides = np.full(labels.shape, 1, np.uint8)
    sides[..., 10:] = 2
    labels[:, 2:6, 2:6] = labels[:, 2:6, 12:15] = 3
    labels[1, 15, 4] = labels[1, 15, 14] = 3
    labels[1, 15, 5] = 4
    assert np.argwhere(loose_parts(labels, sides)).tolist() == [[1, 15, 4], [1, 15, 14]]


def test_scans_without_labels_join_the_labelled_tiles(tmp_path):
    write_volume(scan(), tmp_path / "scan.nii.gz")
    bundle = tiny_bundle(tmp_path / "tiny", 1)
    data = WithUnlabelledScans(BrightMuscles(), (tmp_path / "scan.nii.gz",), bundle, CPU)
    *given, own = data.tiles(bundle.manifest, silent)
    assert len(given) == 5 and not any(tiles.self_labelled for tiles in given)
    assert own.self_labelled and own.images.shape[1:] == (1, 32, 32)
    assert "scan" not in own.subject and (own.labels != IGNORE).any()
    other = dataclasses.replace(data, scans=(tmp_path / "other.nii.gz",))
    assert data.fingerprint != other.fingerprint != BrightMuscles.fingerprint


def test_the_demo_ensemble_learns_further_and_says_from_what(tmp_path, monkeypatch):
    small = TINY.model_copy(update={"input_size": 64, "trained_size": 64})
    monkeypatch.setattr(demo, "THIGH_DEMO", small)
    slices = SliceRecipe(count=8, size=64, pixel_mm=2.8)
    first = demo_card(DemoRecipe(slices=slices), False, {})
    states = [
        MemberState(build(first.architecture, SCHEME.class_count).state_dict(), metrics={"n": n})
        for n in range(3)
    ]
    start = save_bundle(tmp_path / "start", first, states)
    write_volume(scan(), tmp_path / "Doe.nii.gz")
    recipe = DemoRecipe(5, 1, 2, slices, start, (tmp_path / "Doe.nii.gz",), 2, 2)
    with pytest.raises(MuscleFMError, match="only 3 networks"):
        beyond = dataclasses.replace(recipe, first=3)
        train_demo(beyond, None, tmp_path / "new", tmp_path / "work", 1, CPU, silent)
    bundle = train_demo(recipe, None, tmp_path / "new", tmp_path / "work", 1, CPU, silent)
    text = bundle.manifest.training_data
    assert start.sha256 in text and "1 real scans were seen without labels" in text
    assert "Doe" not in (tmp_path / "new" / "model.json").read_text()
    assert bundle.manifest.input == first.input
    # The first two are as they were, the last one learned on, if it became any better.
    *kept, new = bundle.manifest.members
    known = start.manifest.members
    assert [one.weights.sha256 for one in kept] == [one.weights.sha256 for one in known[:2]]
    assert [one.metrics["n"] for one in kept] == [0, 1] and new.metrics["best_epoch"] >= 0
    learned = bundle.load_member(2).state_dict()
    far = [
        max(
            (learned[name] - state).abs().max()
            for name, state in start.load_member(n).named_parameters()
        )
        for n in range(3)
    ]
    assert far[2] < 0.05 < min(far[:2])


def test_whole_volumes_choose_the_temperature(tmp_path, monkeypatch):
    # What is measured at each temperature; it is asked only as far as the NLL falls.
    nll = {1.0: 0.5, 0.85: 0.4, 0.7: 0.45, 0.6: 0.1}

    def scored(bundle, *_):
        quality = SimpleNamespace(nll=nll[bundle.manifest.temperature])
        return [SimpleNamespace(quality=quality)]

    monkeypatch.setattr(evaluate, "score_on_renderings", scored)
    bundle = tiny_bundle(tmp_path / "tiny", 1, temperature=3.0)
    assert evaluate.volume_temperature(bundle, [], CPU, 1, silent) == 0.85
