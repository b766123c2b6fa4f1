"""Old against new: measured where labels are known, by person, and worse when it is worse."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from made_training import GRID, LATERAL, LEFT, MEDIAL, SHORT, labelled_case, made_store
from scipy.stats import wilcoxon
from tiny_ensemble import SCHEME, WHOLE_SLICES, tiny_bundle

from musclefm.cli.commands.evaluation.compare import print_comparison
from musclefm.corrections.case import Reviewed
from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError
from musclefm.evaluation.case_quality import CaseQuality, case_quality
from musclefm.evaluation.comparison import Comparison, compare_models, compare_qualities
from musclefm.evaluation.dice import dice
from musclefm.inference.case import run_case
from musclefm.inference.device import choose_runtime
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.labels.sided import IGNORE
from musclefm.progress import silent
from musclefm.training.data.dataset import read_cases, read_held_out
from musclefm.training.data.labelled_tiles import LabelledCases
from musclefm.training.plan import TrainingPlan
from musclefm.training.train import train_ensemble

CPU = choose_runtime("cpu", "fp32")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return a bundle of random networks, and what became of it by training."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    old = tiny_bundle(folder / "old", 2)
    recipe = dataclasses.replace(SHORT, epochs=12)
    data = made_store(folder / "store", 4)
    plan = TrainingPlan(
        old, LabelledCases(data), recipe, folder / "new", folder / "work", "tiny", "2"
    )
    yield old, train_ensemble(plan, CPU, silent)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def unseen(tmp_path_factory):
    store = CorrectionStore(tmp_path_factory.mktemp("unseen") / "store")
    for seed in range(20, 27):
        store.add(labelled_case(seed), subject=f"person {seed // 2}")
    return store.folder


def compare(old, new, path):
    return compare_models(old, new, read_cases(path, SCHEME), CPU, silent)


def test_what_learned_is_better_and_what_unlearned_is_worse(models, unseen, capsys):
    old, new = models
    up, down = compare(old, new, unseen), compare(new, old, unseen)
    assert up.cases == 7 and up.subjects == 4
    assert up.new.dice > up.old.dice + 0.3 and up.not_worse and not up.reasons
    assert (up.old.version, up.new.version, up.new.sha256) == ("1", "2", new.sha256)
    assert down.verdict == "worse" and not down.not_worse and "mean Dice" in down.reasons[0]
    assert down.old == up.new and down.new == up.old
    lateral = up.muscles[LATERAL - 1]
    assert lateral.label_id == LATERAL and lateral.subjects == 4
    assert lateral.new_dice > lateral.old_dice
    assert Comparison.model_validate(json.loads(up.model_dump_json())) == up
    print_comparison(down)
    reported = capsys.readouterr().out
    assert "vastus lateralis" in reported and "the new model is worse" in reported


def test_a_model_is_not_worse_than_itself(models, unseen):
    same = compare(models[0], models[0], unseen)
    assert same.not_worse and same.p == 1 and same.verdict == "not different"
    assert {muscle.verdict for muscle in same.muscles} == {"not different"}


@pytest.mark.parametrize("rule", [None, WHOLE_SLICES])
def test_quality_is_that_of_the_labels_that_the_user_gets(models, tmp_path, rule):
    bundle = models[1] if rule is None else tiny_bundle(tmp_path / "whole", 2, rule)
    predictor = EnsemblePredictor(bundle, CPU, silent)
    store = CorrectionStore(tmp_path / "store")
    store.add(labelled_case(30, Reviewed("slices", slices=(0, 2))))
    (case,) = read_cases(store.folder, SCHEME)
    image = case.channels.provide(("image",))
    found = run_case(image, GRID, bundle, predictor)
    quality = case_quality(case, bundle, predictor)
    known = case.labels.array != IGNORE
    assert known[[0, 2]].all() and not known[1].any()
    said, true = found.labels[known], case.labels.array[known]
    for label in (LATERAL, MEDIAL):
        shared = ((said == label) & (true == label)).sum()
        wanted = 2 * shared / ((said == label).sum() + (true == label).sum())
        assert quality.muscle_dice[label - 1] == pytest.approx(wanted)
    voxel_ml = GRID.voxel_volume_mm3 / 1000
    assert quality.wrong_ml == pytest.approx((said != true).sum() * voxel_ml)
    expected = found.least_confidence[known] * voxel_ml
    assert quality.expected_ml == pytest.approx(expected.sum(), rel=1e-4)
    wanted = expected[said == LATERAL].sum()
    assert quality.muscle_expected_ml[LATERAL - 1] == pytest.approx(wanted, rel=1e-4)
    assert 0 <= quality.ece <= 1 and quality.nll > 0
    by_slice = []
    for k in (0, 2):
        overlaps = dice(found.labels[k], case.labels.array[k], bundle.scheme.class_count)
        by_slice.append(overlaps[[LATERAL, MEDIAL]].mean())
    assert quality.slice_dice == pytest.approx(np.mean(by_slice))
    # A muscle that neither shows has no DSC.
    hidden = [n for n in range(1, 12) if n not in said and n not in true]
    assert np.isnan(quality.muscle_dice[[n - 1 for n in hidden]]).all()


def test_a_side_that_was_not_reviewed_does_not_count(models, tmp_path):
    predictor = EnsemblePredictor(models[0], CPU, silent)
    store = CorrectionStore(tmp_path / "store")
    left = (LATERAL + LEFT, MEDIAL + LEFT)
    store.add(labelled_case(31, Reviewed("muscles", muscles=left)))
    (case,) = read_cases(store.folder, SCHEME)
    quality = case_quality(case, models[0], predictor)
    known = (case.labels.array != IGNORE).sum()
    assert quality.wrong_ml <= known * GRID.voxel_volume_mm3 / 1000
    assert not (case.labels.array[:, :, :26] != IGNORE).any()


def test_a_prone_patient_is_scored_as_the_same_patient_supine(models, unseen, monkeypatch):
    supine = next(read_cases(unseen, SCHEME))

    def turned(volume):
        return volume.with_array(np.ascontiguousarray(volume.array[:, ::-1, ::-1]))

    images = {name: turned(volume) for name, volume in supine.channels.images.items()}
    prone = dataclasses.replace(
        supine,
        channels=dataclasses.replace(supine.channels, images=images),
        labels=turned(supine.labels),
    )
    predictor = EnsemblePredictor(models[1], CPU, silent)
    found = []
    for case, lies_prone in ((supine, False), (prone, True)):
        monkeypatch.setattr(
            "musclefm.inference.case.looks_upside_down", lambda *_, answer=lies_prone: answer
        )
        found.append(case_quality(case, models[1], predictor))
    assert found[0].nll < 0.5
    for name in ("nll", "ece", "dice", "slice_dice"):
        assert getattr(found[1], name) == pytest.approx(getattr(found[0], name), rel=1e-3)


def made_quality(dice, ece=0.02):
    muscles = np.full(11, np.nan)
    muscles[: len(dice)] = dice
    some = np.ones(11)
    return CaseQuality(
        muscles, np.where(np.isnan(muscles), np.nan, 0.1), some, ece, 0.1, 9, 8, 0.7, 0.8
    )


def compared(bundle, subjects, before, after):
    return compare_qualities(bundle, bundle, subjects, before, after)


def test_persons_are_the_unit_of_the_test_and_muscles_are_corrected_for(models):
    rng = np.random.default_rng(1)
    subjects = [f"P{number // 2}" for number in range(24)]
    before = [made_quality(rng.uniform(0.7, 0.9, 3)) for _ in subjects]
    gain = rng.normal([0.004, 0.0, -0.002], 0.002, (24, 3))
    after = [made_quality(c.muscle_dice[:3] + g) for c, g in zip(before, gain, strict=True)]
    found = compared(models[0], subjects, before, after)
    assert found.subjects == 12
    by_person = gain.reshape(12, 2, 3).mean(axis=1)
    ps = [wilcoxon(column).pvalue for column in by_person.T]
    smallest = int(np.argmin(ps))
    assert found.muscles[smallest].p == pytest.approx(min(11 * ps[smallest], 1))
    assert found.p == pytest.approx(wilcoxon(by_person.mean(axis=1)).pvalue)
    assert found.muscles[0].verdict == "better" and found.muscles[5].subjects == 0
    assert found.muscles[5].old_dice is None and found.muscles[5].p == 1


def test_a_clear_fall_is_worse_even_with_too_few_cases_for_any_test(models):
    subjects = ["P1", "P2"]
    before = [made_quality([0.9, 0.9]) for _ in subjects]
    little = [made_quality([0.895, 0.895]) for _ in subjects]
    assert compared(models[0], subjects, before, little).not_worse
    much = compared(models[0], subjects, before, [made_quality([0.88, 0.88]) for _ in subjects])
    assert much.verdict == "worse" and not much.not_worse
    one = compared(models[0], subjects, before, [made_quality([0.94, 0.86]) for _ in subjects])
    assert one.verdict == "not different" and not one.not_worse
    assert SCHEME.labels[1].name in one.reasons[0]
    unsure = compared(models[0], subjects, before, [made_quality([0.9, 0.9], 0.06)] * 2)
    assert unsure.reasons == ("ECE from 2.0% to 6.0%",)


def test_training_and_comparison_hold_the_same_persons_out(tmp_path):
    data = made_store(tmp_path / "store", 8)
    everyone = {case.subject for case in read_cases(data, SCHEME)}
    held = {case.subject for case in read_held_out(data, SCHEME, 0.25)}
    recipe = dataclasses.replace(SHORT, held_out=0.25, epochs=1)
    plan = TrainingPlan(
        tiny_bundle(tmp_path / "start", 1), LabelledCases(data), recipe,
        tmp_path / "new", tmp_path / "work", "new", "1",
    )  # fmt: skip
    train_ensemble(plan, CPU, silent)
    subjects = json.loads((tmp_path / "work" / "training.json").read_text())["subjects"]
    assert set(subjects["held_out"]) == held and len(held) == 2
    learned = set(subjects["validation"]).union(*subjects["folds"])
    assert learned == everyone - held


def test_a_comparison_without_cases_is_refused(models, tmp_path):
    store = CorrectionStore(tmp_path / "store")
    store.add(labelled_case(1, Reviewed("slices")))
    with pytest.raises(MuscleFMError, match="no reviewed case"):
        compare(*models, store.folder)
