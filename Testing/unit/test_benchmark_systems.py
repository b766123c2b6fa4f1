"""The systems of a benchmark: split by subject, trained within a budget, resumed, predicting."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from made_list import made_list
from made_training import CPU, one_thread
from tiny_ensemble import TINY

from musclefm.benchmark.cases import open_study
from musclefm.benchmark.plan import BenchmarkPlan, SystemEntry, read_plan
from musclefm.benchmark.rows import Row
from musclefm.benchmark.study import Study
from musclefm.benchmark.systems import SYSTEMS, open_system
from musclefm.benchmark.timing import step_seconds
from musclefm.benchmark.trained_system import TrainedSystem
from musclefm.errors import MuscleFMError
from musclefm.progress import ProgressEvent, silent

PLAN = {"data": "datalist.json", "systems": ["thigh-demo"], "folds": 2, "budget": {"steps": 4}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_list(tmp_path_factory.mktemp("list") / "data", 8)


def study_of(data: Path, **changes: object) -> Study:
    plan = BenchmarkPlan.model_validate(PLAN | {"data": str(data)} | changes)
    return open_study(plan, data, CPU)


def test_the_split_is_by_subject_and_of_each_severity(data: Path) -> None:
    study = study_of(data)
    tested = {case.subject for case in study.test}
    assert {case.severity for case in study.test} == {"early", "moderate", "severe"}
    validated = {case.subject for case in study.validation}
    for fold in study.folds:
        learned = {case.subject for case in fold.learns_from}
        stopped = {case.subject for case in fold.stops_by}
        assert learned and stopped
        groups = [tested, validated, learned, stopped]
        assert len(set().union(*groups)) == sum(map(len, groups)) == 8


def test_the_list_may_say_who_is_tested_on(data: Path, tmp_path: Path) -> None:
    document = json.loads(data.read_text())
    for item in document["training"]:
        item["split"] = "test" if item["subject"] == "person-3" else "training"
        item["image"], item["label"] = (str(data.parent / item[x]) for x in ("image", "label"))
    (tmp_path / "datalist.json").write_text(json.dumps(document))
    assert [case.subject for case in study_of(tmp_path / "datalist.json").test] == ["person-3"]


def test_a_fold_is_resumed_and_predicts_all_classes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musclefm.benchmark.trained_system._TILE_MM", 6.0)
    study = study_of(data)
    entry, row = SystemEntry(system="mine", batch=2), Row("Mine", TINY)

    def opened() -> TrainedSystem:
        return TrainedSystem(row, study, entry, tmp_path / "mine")

    with one_thread():
        opened().prepare(silent)

        def stop(event: ProgressEvent) -> None:
            if event.done == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            opened().train_fold(0, stop)
        assert not opened().trained(0)
        steps: list[int] = []
        opened().train_fold(0, lambda event: steps.append(event.done))
        # Both epochs, of a step each, were kept.
        assert steps == [3, 4]
        opened().train_fold(0, lambda event: pytest.fail("it was finished"))
        opened().train_fold(1, silent)
        case = study.test[0].read()
        folds = list(opened().predict(case))
    assert [fold.shape for fold in folds] == [(12, *case.labels.array.shape)] * 2
    np.testing.assert_allclose(np.sum(folds, axis=1), 1, atol=2e-3)
    assert np.abs(folds[0] - folds[1]).max() > 0.01
    assert opened().hashes().keys() == {"fold-0", "fold-1"}


def test_a_budget_of_seconds_is_as_many_steps_as_fit(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musclefm.benchmark.trained_system._TILE_MM", 6.0)
    study = study_of(data, budget={"seconds": 1e-9})
    entry, row = SystemEntry(system="mine", batch=2), Row("Mine", TINY)
    with one_thread():
        TrainedSystem(row, study, entry, tmp_path / "mine").prepare(silent)
        taken = step_seconds(tmp_path / "mine")
        assert taken is not None and taken > 0
        assert not list((tmp_path / "mine").glob("member-*"))
        (tmp_path / "mine" / "timing.json").write_text('{"seconds_a_step": 2.0}')
        study = study_of(data, budget={"seconds": 25})
        system = TrainedSystem(row, study, entry, tmp_path / "mine")
        # It is not measured again.
        system.prepare(silent)
        assert step_seconds(tmp_path / "mine") == 2.0
        steps: list[ProgressEvent] = []
        system.train_fold(0, steps.append)
    assert (steps[-1].done, steps[-1].total) == (10, 20)


def test_a_row_says_where_its_weights_come_from(data: Path, tmp_path: Path) -> None:
    study = study_of(data)

    def title(**entry: str) -> str:
        return open_system(study, SystemEntry(**entry), tmp_path / "x").title

    assert title(system="sam-lora", start="thigh-demo").endswith("(LoRA), from thigh-demo 4")
    assert title(system="sam-lora", start="scratch") == "SAM's design, small, from scratch"
    assert title(system="monai-unet") == "MONAI U-Net, from scratch"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"system": "sam"}, "there is no system 'sam': use one of sam-lora,"),
        ({"system": "sam-lora"}, "sam-vit-b, which is not installed: get it with"),
        ({"system": "sam-decoder", "start": "scratch"}, "its encoder would never learn"),
        ({"system": "medsam-lora", "start": "no-such-model"}, "no-such-model"),
    ],
)
def test_a_system_that_cannot_run_is_refused_at_once(
    entry: dict[str, str], message: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(MuscleFMError, match=message.replace("(", r"\(")):
        open_system(study_of(data), SystemEntry(**entry), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_monai_is_needed_for_its_network_alone(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "monai.networks.nets.basic_unet", None)
    study = study_of(data)
    assert dataclasses.is_dataclass(study) and "monai-unet" in SYSTEMS
    with pytest.raises(MuscleFMError, match=r"MONAI.*is not installed: run: .*\[benchmark\]"):
        open_system(study, SystemEntry(system="monai-unet"), tmp_path / "x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sistems": []}, "sistems: Extra inputs are not permitted"),
        ({"systems": []}, "systems: .*at least 1 item"),
        ({"systems": ["monai-unet", "monai-unet"]}, "two systems are called 'monai-unet'"),
        ({"budget": {}}, "budget: .*one of steps, epochs and seconds"),
        ({"folds": 1}, "folds: .*greater than or equal to 2"),
        ({"channels": ["t9"]}, "there is no channel called t9"),
    ],
)
def test_a_bad_plan_is_one_line(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN | changes))
    with pytest.raises(MuscleFMError, match=message):
        read_plan(tmp_path / "plan.json")


def test_more_folds_than_subjects_are_refused(data: Path) -> None:
    with pytest.raises(MuscleFMError, match="9 folds are asked for, and 5 subjects are left"):
        study_of(data, folds=9)


def test_a_list_without_cases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MuscleFMError, match="0 subjects to learn from and 0 to test on: give one"):
        study_of(made_list(tmp_path / "empty", 0))


def test_the_data_lie_beside_the_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    assert read_plan(tmp_path / "plan.json").data == str(tmp_path / "datalist.json")
