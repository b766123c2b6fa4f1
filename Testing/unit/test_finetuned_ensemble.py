"""What becomes of trained members: weak ones go, one temperature, a card that says so."""

import dataclasses

import numpy as np
import pytest
import torch
from made_training import SHORT, made_store
from tiny_ensemble import tiny_bundle

from musclefm.errors import MuscleFMError
from musclefm.inference.device import choose_runtime
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.progress import silent
from musclefm.training import train as workflow
from musclefm.training.data.labelled_tiles import LabelledCases
from musclefm.training.fitting.checkpoint import read_progress, write_progress
from musclefm.training.fitting.temperature import calibration_scores, fit_temperature
from musclefm.training.members.ensemble import select_members
from musclefm.training.members.member import FineTuningJob
from musclefm.training.plan import TrainingPlan
from musclefm.training.train import finish_ensemble, train_ensemble

CPU = choose_runtime("cpu", "fp32")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a plan and three equal members that have not become an ensemble yet."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    recipe = dataclasses.replace(SHORT, members=3, folds=3, epochs=20)
    start, data = tiny_bundle(folder / "start", 1), LabelledCases(made_store(folder / "store", 5))
    plan = TrainingPlan(start, data, recipe, folder / "new", folder / "work", "new", "1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow, "finish_ensemble", stopped)
        with pytest.raises(KeyboardInterrupt):
            train_ensemble(plan, CPU, silent)
    job = FineTuningJob(start.folder, recipe, plan.work)
    states = [read_progress(job.state_file(member)) for member in range(3)]
    # Tiny networks that learned from one person each differ by more than the gate allows.
    yield plan, [dataclasses.replace(state, best=states[0].best) for state in states]
    torch.set_num_threads(threads)


def stopped(*_):
    raise KeyboardInterrupt


def finish(plan, states, out):
    return finish_ensemble(dataclasses.replace(plan, out=out), states, CPU, silent)


def spoiled(state, factor):
    torch.manual_seed(0)
    best = {name: tensor + factor * torch.randn_like(tensor) for name, tensor in state.best.items()}
    return dataclasses.replace(state, best=best)


def test_the_gates_rule():
    assert select_members([0.5, 0.6, 0.66, float("nan"), float("inf")]) == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert select_members([float("nan")]) == [False] and select_members([]) == []


def test_all_members_that_are_alike_stay_and_are_calibrated(trained, tmp_path):
    plan, states = trained
    bundle = finish(plan, states, tmp_path / "new")
    manifest, metrics = bundle.manifest, bundle.manifest.metrics
    assert [member.fold for member in manifest.members] == [0, 1, 2]
    assert [member.seed for member in manifest.members] == [3, 4, 5]
    assert metrics["members_left_out"] == 0 and "left out" not in manifest.description
    assert metrics["validation_nll"] <= metrics["validation_nll_at_temperature_1"]
    assert f"{metrics['validation_nll']:.4f}" in manifest.description
    assert f"{metrics['validation_ece_at_temperature_1']:.2%}" in manifest.description
    assert 0 < metrics["validation_dsc"] <= 1 and metrics["validation_subjects"] == 1
    # The temperature is that of inference.
    tiles = torch.rand(1, 1, 32, 32)
    answers = EnsemblePredictor(bundle, CPU, silent).probabilities(tiles)[0, 0]
    with torch.inference_mode():
        logits = bundle.load_member(0)(tiles)[0]
    torch.testing.assert_close(answers, (logits / manifest.temperature).softmax(dim=0))


@pytest.mark.parametrize("factor", [0.5, float("nan")])
def test_a_weak_member_is_left_out_and_the_card_says_so(trained, tmp_path, factor):
    plan, states = trained
    members = [states[0], spoiled(states[1], factor), states[2]]
    bundle = finish(plan, members, tmp_path / "new")
    assert [member.fold for member in bundle.manifest.members] == [0, 2]
    assert bundle.manifest.metrics["members_left_out"] == 1
    assert "1 member was left out" in bundle.manifest.description


def test_an_ensemble_of_nothing_but_diverged_members_is_not_written(trained, tmp_path):
    plan, states = trained
    members = [spoiled(state, float("nan")) for state in states]
    with pytest.raises(MuscleFMError, match="no member learned"):
        finish(plan, members, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (1, 5, 20000)).astype(np.float32)
    p = np.exp(logits[0]) / np.exp(logits[0]).sum(axis=0)
    reference = np.array([rng.choice(5, p=column / column.sum()) for column in p.T])
    assert fit_temperature(2.5 * logits, reference) == pytest.approx(2.5, rel=0.05)
    before = calibration_scores(2.5 * logits, reference, 1.0)
    after = calibration_scores(2.5 * logits, reference, 2.5)
    assert after.nll < before.nll and after.ece < 0.02 < before.ece
    assert fit_temperature(logits[:, :, :0], reference[:0]) == 1.0


def test_a_state_comes_back_from_its_file(trained, tmp_path):
    _, states = trained
    write_progress(tmp_path / "member.pt", states[0])
    again = read_progress(tmp_path / "member.pt")
    assert again is not None and again.history[1:] == states[0].history[1:]
    assert again.best_epoch == states[0].best_epoch
    assert all(torch.equal(t, states[0].best[name]) for name, t in again.best.items())
