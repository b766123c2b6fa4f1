"""``musclefm benchmark``: systems trained and compared by a plan, killed and resumed."""

import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from made_list import SCHEME, made_list
from made_training import CPU, one_thread
from sklearn.metrics import f1_score
from tiny_ensemble import TINY, tiny_bundle

import musclefm
from musclefm.benchmark.cases import open_study
from musclefm.benchmark.folds import FoldTrainer, train_folds
from musclefm.benchmark.plan import BenchmarkPlan, Budget, SystemEntry, read_plan
from musclefm.benchmark.records import read_record, shown_slice, write_record
from musclefm.benchmark.rows import Row
from musclefm.benchmark.scoring import Temperatures, annotated_muscles, fit_temperatures, score_case
from musclefm.benchmark.systems import SYSTEMS, open_system
from musclefm.benchmark.trained_system import TrainedSystem
from musclefm.cli.main import main
from musclefm.evaluation.cohort.case_evaluation import evaluate_case, pooled_dice_of
from musclefm.evaluation.cohort.case_pair import CasePair
from musclefm.evaluation.labelled_case import LabelledCase
from musclefm.networks.architecture import UNetArchitecture
from musclefm.progress import ProgressEvent, silent
from musclefm.results.benchmark.files import kept_benchmark
from musclefm.storage.work_folder import state_file
from musclefm.volumes.stored import read_stored

TINY_UNET = UNetArchitecture(input_size=32, input_channels=1, features=(4, 4, 8, 8, 8, 4))
PLAN = {
    "data": "data",
    "systems": [{"system": "tiny-sam", "batch": 2}, {"system": "tiny-unet", "batch": 2}],
    "folds": 2,
    "budget": {"steps": 3},
    "temperature": True,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a plan, its data, and nothing else."""
    folder = tmp_path_factory.mktemp("benchmark")
    made_list(folder / "data", 7)
    (folder / "plan.json").write_text(json.dumps(PLAN))
    return folder


@pytest.fixture(scope="module")
def tiny() -> pytest.MonkeyPatch:
    """Add two systems that learn in a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("musclefm.benchmark.trained_system._TILE_MM", 6.0)
        for name, small in (("tiny-sam", TINY), ("tiny-unet", TINY_UNET)):
            row = Row(name, small)
            patch.setitem(SYSTEMS, name, lambda *x, row=row: TrainedSystem(row, *x))
        yield patch


@pytest.fixture(scope="module")
def done(folder: Path, tiny: pytest.MonkeyPatch) -> Path:
    """Return the folder of a benchmark that was stopped twice, and then resumed."""
    arguments = [str(folder / "plan.json"), str(folder / "out")]
    for stage in ("train", "score"):

        def stop(event: ProgressEvent, stage: str = stage) -> None:
            if event.stage == stage and event.done > 0:
                raise KeyboardInterrupt

        with one_thread(), pytest.raises(KeyboardInterrupt):
            musclefm.run_benchmark(*arguments, device="cpu", progress=stop)
    stages: list[ProgressEvent] = []
    with one_thread():
        musclefm.run_benchmark(*arguments, device="cpu", progress=stages.append)
    # All folds and the first case were kept.
    assert all(event.stage != "train" for event in stages)
    assert next(event.done for event in stages if event.stage == "score") == 1
    return folder / "out"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_has_folds_and_ensemble_of_each_system_by_group(done: Path) -> None:
    table = rows(done / "benchmark.csv")
    assert [(row["system"], row["kind"], row["group"]) for row in table] == [
        (system, kind, group)
        for system in ("tiny-sam", "tiny-unet")
        for kind in ("single folds", "ensemble")
        for group in ("all", "early", "moderate", "severe")
    ]
    for row in table:
        for name in ("dsc_pooled", "ece", "nll", "ece_before_temperature", "ece_boxes_flipped"):
            assert float(row[name]) >= 0


def test_what_was_run_is_recorded(done: Path) -> None:
    found = json.loads((done / "benchmark.json").read_text())
    assert found["plan"]["budget"]["steps"] == 3 and found["plan"]["seed"] == 0
    assert found["versions"]["torch"] and "cores" in found["machine"]
    assert len(found["split"]["test"]) == 3
    for system in found["systems"]:
        assert re.fullmatch("[0-9a-f]{64}", system["sha256"]["fold-1"])
        assert 0.2 <= system["temperatures"]["ensemble"] <= 5
    # The first fold was stopped on its way: how long it took is not known.
    assert found["systems"][0]["training"][0]["seconds"] is None
    assert found["systems"][0]["training"][1]["seconds"] > 0
    assert {row["name"] for row in found["systems"][1]["against_the_first"]} > {"ece", "nll"}


def test_the_page_needs_nothing_and_keeps_the_papers_numbers_apart(done: Path) -> None:
    page = (done / "benchmark.html").read_text()
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page
    assert (
        page.index("tiny-unet") < page.index("Printed by Casali et al. 2025") < page.index(".857")
    )
    assert page.count("<svg") == 4
    # Of each severity a case: the reference, and labels and uncertainty of both.
    assert page.count("data:image/png") == 3 * (1 + 2 * 2)
    assert "<h3>severe, case" in page


def test_a_slice_to_look_at_is_as_it_is_in_the_case(done: Path, folder: Path) -> None:
    study = open_study(read_plan(folder / "plan.json"), folder / "data" / "datalist.json", CPU)
    view, k = shown_slice(study.test[1].read())
    labels = view.apply(study.test[1].read().labels.array)
    shown = (labels > 0).sum(axis=(1, 2))
    assert shown[k] == shown.max() > 0
    with np.load(done / "scores" / "tiny-sam" / "case-1.npz") as kept:
        assert kept["labels"].shape == kept["total"].shape == labels.shape[1:]
        assert kept["total"].min() >= 0 and kept["total"].max() <= np.log(SCHEME.class_count)


def test_where_some_muscles_were_annotated_it_counts_as_evaluate_does(tmp_path: Path) -> None:
    listed = json.loads(made_list(tmp_path / "data", 7).read_text())
    names = [listed["labels"][str(value)] for value in (3, 7)]
    (tmp_path / "data" / "datalist.json").write_text(json.dumps(listed | {"annotated": names}))
    plan = BenchmarkPlan.model_validate(PLAN | {"systems": ["thigh-demo"]})
    study = open_study(plan, tmp_path / "data" / "datalist.json", CPU)
    annotated = annotated_muscles(study.test)
    assert annotated == {3, 7}
    case = study.test[0].read()
    truth = read_stored(study.test[0].labels, "labels").array.astype(np.uint8)
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(SCHEME.class_count, 0.1), truth.shape).astype(np.float32)
    shares = np.moveaxis(shares, -1, 0)
    record, _ = score_case(_Known([shares]), case, annotated, None)
    expected = evaluate_case(
        CasePair(
            labels=shares.argmax(axis=0).astype(np.uint8),
            reference=truth,
            scheme=SCHEME,
            sided=False,
            spacing=case.labels.grid.spacing[::-1],
            probabilities=shares,
        ),
        annotated={3, 7},
    )
    scored = record["ensemble"][0]
    # Muscle 3 or 7 on background is wrong, another is not: nobody knows.
    assert scored.pooled_dice == expected.pooled_dice < 1
    assert scored.voxels == expected.voxels and scored.wrong_voxels == expected.wrong_voxels
    assert scored.calibration.near.nll == expected.calibration.near.nll


def test_a_process_that_is_killed_is_resumed_with_the_same_rows(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musclefm.results.benchmark.files.write_calibration_plots", lambda *_: None)
    tiny_bundle(tmp_path / "start", members=1)
    system = {"system": "sam-lora", "start": str(tmp_path / "start"), "batch": 1}
    data, budget = str(folder / "data"), {"steps": 6}
    plan = PLAN | {"data": data, "systems": [system], "budget": budget, "temperature": False}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    command = [sys.executable, "-m", "musclefm", "benchmark", str(tmp_path / "plan.json")]
    own = tmp_path / "killed" / "systems" / "sam-lora"
    with subprocess.Popen(
        [*command, "--out", str(tmp_path / "killed"), "--device", "cpu", "--progress", "none"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        while not state_file(own, 1).is_file():
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    first = own / "fold-0" / "model.json"
    before = first.stat().st_mtime_ns
    with one_thread():
        for name in ("killed", "whole"):
            musclefm.run_benchmark(tmp_path / "plan.json", tmp_path / name, device="cpu")
    assert first.stat().st_mtime_ns == before
    killed, whole = (rows(tmp_path / name / "benchmark.csv") for name in ("killed", "whole"))
    assert [row["group"] for row in killed] == [row["group"] for row in whole]
    for name in ("dsc_pooled", "ece", "nll"):
        np.testing.assert_allclose(
            [float(row[name]) for row in killed], [float(row[name]) for row in whole], rtol=1e-3
        )


def test_the_authors_files_are_there(done: Path) -> None:
    folder = done / "evaluations" / "tiny-sam"
    assert len(rows(folder / "metrics.csv")) == 3
    assert {path.name for path in (folder / "uncertainty").iterdir()} == {
        "calibration_score.csv",
        "calibration_score_class.csv",
        "overall_calibration_plot.png",
        *(f"calibration_plot_class_{place}.png" for place in range(SCHEME.class_count)),
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"systems": ["resnet"], "data": {"renderings": 9}},
            "there is no system 'resnet': use one of",
        ),
        ({"data": "nowhere"}, "there is no data list where the plan says"),
        ({"data": "a\0b"}, "the plan is not valid (data.constrained-str: "),
        ({"seed": 10**30}, "the plan is not valid (seed: "),
        ({"folds": 8}, "8 folds are asked for, and 4 subjects are left to learn from"),
        ({"buget": {}}, "the plan is not valid (buget: Extra inputs are not permitted)"),
    ],
)
def test_a_bad_plan_is_one_line_and_leaves_nothing(
    changes: dict[str, object],
    message: str,
    folder: Path,
    tiny: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = folder / "bad.json"
    bad.write_text(json.dumps(PLAN | changes))
    assert main(["benchmark", str(bad), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_folds_are_trained_by_other_processes(folder: Path, tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "start", members=1)
    entry = SystemEntry(system="sam-lora", start=str(tmp_path / "start"), batch=1)
    plan = read_plan(folder / "plan.json").model_copy(
        update={"systems": (entry,), "budget": Budget(steps=1)}
    )
    data = folder / "data" / "datalist.json"
    system = open_system(open_study(plan, data, CPU), entry, tmp_path / "systems" / entry.key)
    assert system.title == "SAM encoder/decoder (LoRA), from tiny 1"
    system.prepare(silent)
    trainer = FoldTrainer(plan, data, tmp_path, ((entry, 0),))
    with one_thread():
        trainer(0, CPU)
    assert system.trained(0) and not system.trained(1)
    events: list[ProgressEvent] = []
    train_folds(trainer, [(entry, system)], CPU, 2, None, events.append)
    # The other fold alone was left.
    assert system.trained(1) and events[-1].total == events[-1].done == 1
    assert system.hashes().keys() == {"start", "fold-0", "fold-1"}


class _Known:
    """A system whose folds are known."""

    title, averages_logits = "known", True

    def __init__(self, folds: list[np.ndarray]) -> None:
        self._folds = folds

    def predict(self, _: LabelledCase):
        return iter(self._folds)


def test_ensembles_are_means_of_probabilities_and_of_logits(
    folder: Path, tiny: pytest.MonkeyPatch
) -> None:
    plan = read_plan(folder / "plan.json")
    study = open_study(plan, folder / "data" / "datalist.json", CPU)
    case = study.test[0].read()
    truth = case.labels.array
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (3, 12, *truth.shape)).astype(np.float32)
    np.put_along_axis(logits, np.broadcast_to(truth, (3, 1, *truth.shape)).astype(int), 1.5, 1)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    record, answer = score_case(_Known(list(shares)), case, {3, 7}, None)
    assert answer.labels.shape == answer.total.shape == truth.shape[1:]
    mean_logits = np.exp(logits.mean(axis=0))
    for kind, expected in (
        ("ensemble", shares.mean(axis=0)),
        ("logits", mean_logits / mean_logits.sum(axis=0)),
    ):
        voxels = np.isin(expected.argmax(axis=0), [0, 3, 7])
        scored = record[kind][0]
        own = evaluate_case(
            CasePair(
                labels=expected.argmax(axis=0).astype(np.uint8),
                reference=truth.astype(np.uint8),
                scheme=SCHEME,
                sided=False,
                spacing=case.labels.grid.spacing[::-1],
                probabilities=expected,
            ),
            annotated={3, 7},
        )
        assert voxels.any()
        assert scored.pooled_dice == own.pooled_dice
        np.testing.assert_allclose(scored.calibration.near.nll, own.calibration.near.nll, rtol=1e-4)
    assert record["ensemble"][0].detection.keys() == {
        "total", "aleatoric", "epistemic", "variance"
    }  # fmt: skip


class _Sure(_Known):
    """A system of two equal folds that is as sure as it is right for some subjects alone."""

    def __init__(self, right: dict[str, float]) -> None:
        self._right = right

    def predict(self, case: LabelledCase):
        truth, rng = case.labels.array, np.random.default_rng(0)
        wrong = rng.random(truth.shape) > self._right[case.subject]
        said = np.where(wrong, (truth + 1) % SCHEME.class_count, truth)
        shares = np.where(np.arange(SCHEME.class_count)[:, None, None, None] == said, 0.89, 0.01)
        return iter([shares.astype(np.float32)] * 2)


def test_temperatures_are_of_all_subjects_that_were_not_learned_from(folder: Path) -> None:
    plan = BenchmarkPlan.model_validate(PLAN | {"systems": ["thigh-demo"]})
    study = open_study(plan, folder / "data" / "datalist.json", CPU)
    stops = [case.subject for fold in study.folds for case in fold.stops_by]

    def fitted(right_elsewhere: float) -> Temperatures:
        # Of the test subjects nothing is asked: they are not there.
        right = dict.fromkeys(stops, right_elsewhere) | {x.subject: 0.89 for x in study.validation}
        return fit_temperatures(_Sure(right), study, "", silent)

    known, less = fitted(0.89), fitted(0.5)
    assert [*known.folds, known.ensemble] == pytest.approx([1, 1, 1], abs=0.1)
    assert min(*less.folds, less.ensemble) > 1.2


def test_dice_pooled_over_cases_is_the_micro_f1_of_all_voxels() -> None:
    rng = np.random.default_rng(3)
    pairs = [rng.integers(0, 4, (2, n, 6, 6)).astype(np.uint8) for n in (1, 3)]
    cases = [
        evaluate_case(CasePair(a, b, SCHEME, sided=False), annotated={1, 2, 3}) for a, b in pairs
    ]
    a, b = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    expected = f1_score(b, a, labels=[1, 2, 3], average="micro")
    np.testing.assert_allclose(pooled_dice_of(cases), expected)
    assert abs(np.mean([case.pooled_dice for case in cases]) - expected) > 1e-4


def test_a_record_is_read_as_it_was(done: Path) -> None:
    record = read_record(done / "scores" / "tiny-sam" / "case-0.json")
    write_record(done / "again.json", record)
    assert (done / "again.json").read_text() == (
        done / "scores" / "tiny-sam" / "case-0.json"
    ).read_text()
    (done / "again.json").unlink()


def test_cancel_keeps_what_is_said(done: Path) -> None:
    assert "finished folds and" in kept_benchmark(done)
    assert kept_benchmark(done / "nothing") == ""


def test_a_system_is_added_and_another_plan_is_refused(
    done: Path, folder: Path, tiny: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.setattr("musclefm.results.benchmark.files.write_calibration_plots", lambda *_: None)
    other = folder / "other.json"
    out = ["--out", str(done), "--device", "cpu", "--progress", "none"]
    other.write_text(json.dumps(PLAN | {"seed": 4}))
    assert main(["benchmark", str(other), *out]) == 2
    assert "the folder holds a benchmark of another plan" in capsys.readouterr().err
    added = {"system": "tiny-sam", "name": "faster", "batch": 1}
    other.write_text(json.dumps(PLAN | {"systems": [PLAN["systems"][1], added]}))
    with one_thread():
        assert main(["benchmark", str(other), *out]) == 0
    assert {row["system"] for row in rows(done / "benchmark.csv")} == {"faster", "tiny-unet"}
