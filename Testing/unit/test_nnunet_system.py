"""nnU-Net as a row of the comparison, its training replaced by folds that are there already."""

import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dynamic_network_architectures", reason="needs nnU-Net's networks")

from made_list import SCHEME, made_list
from made_nnunet import plans_of, write_results
from made_training import CPU

from musclefm.benchmark import nnunet_system
from musclefm.benchmark.cases import open_study
from musclefm.benchmark.plan import BenchmarkPlan
from musclefm.benchmark.study import System
from musclefm.benchmark.systems import open_system
from musclefm.errors import MuscleFMError
from musclefm.progress import ProgressEvent, WorkCancelledError, silent

# What stands for nnU-Net: it keeps its settings, and its results are those beside it.
PROCESS = """
import json, os, pathlib, shutil, sys, time
given, here = json.loads(sys.argv[1]), pathlib.Path(__file__).parent
results = pathlib.Path(os.environ["nnUNet_results"])
if (here / "fail").exists():
    sys.exit("no case has a label")
if "fold" not in given:
    assert list(pathlib.Path(os.environ["nnUNet_raw"]).glob("*/labelsTr/case-*.nii.gz"))
    pathlib.Path(os.environ["nnUNet_preprocessed"], "Dataset700_Study").mkdir(parents=True)
else:
    for step in range(1, 18):
        total = given["epochs"] * given["steps"]
        print("musclefm-step", step, total, 100 + 2.5 * step, flush=True)
    if (here / "wait").exists():
        time.sleep(600)
    shutil.copytree(here / f"results-{given['fold']}", results / "Dataset700_Study" / "trainer")
"""


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """Return a row whose two folds, once trained, are made ones."""
    fake = tmp_path / "fake"
    for fold in (0, 1):
        results = write_results(fake / f"results-{fold}", plans_of(), SCHEME, folds=fold + 1)
        if fold:
            (results / "fold_0" / "checkpoint_final.pth").unlink()
    (fake / "made_process.py").write_text(PROCESS)
    monkeypatch.setattr(nnunet_system, "_PROCESS", "made_process")
    monkeypatch.setattr(nnunet_system, "_PACKAGES", ("nnunetv2",))
    monkeypatch.setattr(sys, "path", [str(fake), *sys.path])
    return opened(made_list(tmp_path / "data", 8), tmp_path / "work")


def opened(
    data: Path, folder: Path, budget: dict[str, float] | None = None, **entry: object
) -> System:
    plan = BenchmarkPlan.model_validate(
        {
            "data": str(data),
            "systems": [{"system": "nnunet-3d"} | entry],
            "folds": 2,
            "budget": budget or {"steps": 20},
        }
    )
    return open_system(open_study(plan, data, CPU), plan.systems[0], folder)


def test_folds_are_trained_once_and_predict(system: System, tmp_path: Path) -> None:
    seen: list[ProgressEvent] = []
    system.prepare(silent)
    for fold in (0, 1):
        assert not system.trained(fold)
        system.train_fold(fold, seen.append)
        assert system.trained(fold)
    assert (1, 20) in {(event.done, event.total) for event in seen}
    (tmp_path / "fake" / "fail").touch()
    system.prepare(silent)
    system.train_fold(0, silent)
    assert system.averages_logits and "3D" in system.title
    assert len(set(system.hashes().values())) == 2
    study = system._study  # type: ignore[attr-defined]
    case = study.test[0].read()
    folds = list(system.predict(case))
    assert [fold.shape for fold in folds] == [(12, *case.labels.array.shape)] * 2
    assert all(np.allclose(fold.sum(axis=0), 1, atol=1e-2) for fold in folds)
    assert np.abs(folds[0] - folds[1]).max() > 0.1
    splits = tmp_path / "work" / "preprocessed" / "Dataset700_Study" / "splits_final.json"
    assert splits.read_text().count("case-") == 2 * sum(len(x.stops_by) for x in study.folds)


def test_a_budget_of_seconds_is_as_many_steps_as_fit(system: System, tmp_path: Path) -> None:
    system = opened(tmp_path / "data" / "datalist.json", tmp_path / "work", {"seconds": 100.0})
    (tmp_path / "fake" / "wait").touch()
    # Once its steps are timed, the process is ended.
    system.prepare(silent)
    (tmp_path / "fake" / "wait").unlink()
    seen: list[ProgressEvent] = []
    system.train_fold(0, seen.append)
    assert seen[-1].total == 40 and system.trained(0)


def test_what_goes_wrong_is_one_line_and_stopping_ends_it(system: System, tmp_path: Path) -> None:
    (tmp_path / "fake" / "fail").touch()
    with pytest.raises(MuscleFMError, match=r"no case has a label.*prepare\.log") as caught:
        system.prepare(silent)
    assert "\n" not in str(caught.value)
    (tmp_path / "fake" / "fail").unlink()
    (tmp_path / "fake" / "wait").touch()
    system.prepare(silent)

    def stop(event: ProgressEvent) -> None:
        if event.done:
            raise WorkCancelledError

    with pytest.raises(WorkCancelledError):
        system.train_fold(0, stop)
    assert not system.trained(0)


def test_what_cannot_run_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = made_list(tmp_path / "data", 8)
    monkeypatch.setattr(nnunet_system, "_PACKAGES", ("nnunetv2",))
    with pytest.raises(MuscleFMError, match="plans its patches itself"):
        opened(data, tmp_path / "work", slice_size=64)
    monkeypatch.setattr(nnunet_system, "find_spec", lambda name: util.find_spec("no_such_package"))
    with pytest.raises(MuscleFMError, match=r"pip install 'musclefm\[nnunet\]'"):
        opened(data, tmp_path / "work")
    assert not (tmp_path / "work").exists()
