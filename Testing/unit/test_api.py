"""What ``import musclefm`` gives: light, as the command line does it, stopped at any moment."""

import ast
import inspect
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from made_report_case import ensemble
from made_training import SHORT, made_store
from tiny_ensemble import tiny_bundle

import musclefm
from musclefm.cli.main import main
from musclefm.corrections.store import CorrectionStore
from musclefm.results.files import PROVENANCE_FILE, RESULT_FILES
from musclefm.volumes.writing import write_volume

TINY = {"device": "cpu", "precision": "fp32"}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("models") / "tiny", 2)


@pytest.fixture(scope="module")
def image():
    return ensemble()[1]


@pytest.fixture(scope="module")
def file(image, tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "scan.nrrd"
    write_volume(image, path)
    return path


@pytest.fixture(scope="module")
def case(file, model):
    return musclefm.segment(file, model=model, **TINY)


def child(code, *arguments):
    """Run code in a Python of its own, and return what it prints."""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": ""}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_importing_loads_nothing_heavy_and_costs_next_to_nothing():
    code = """
import sys, time
start = time.process_time()
import musclefm
spent = time.process_time() - start
loaded = {"numpy", "torch", "scipy", "SimpleITK", "pydantic", "pandas"} & set(sys.modules)
assert not loaded, loaded
print(spent)
"""
    # Of the processor, not of the clock, and the best of some: the machine may be busy.
    assert min(float(child(code)) for _ in range(5)) < 0.1


def test_every_public_name_is_there_and_no_other():
    for name in musclefm.__all__:
        value = getattr(musclefm, name)
        assert inspect.getdoc(value)
        assert name in dir(musclefm)
    with pytest.raises(AttributeError, match="no attribute 'segmentation_of_cats'"):
        _ = musclefm.segmentation_of_cats


def test_type_checkers_and_python_find_the_same_names():
    tree = ast.parse(Path(musclefm.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    named = {alias.name: node.module for node in block.body for alias in node.names}
    assert named == {name: f"musclefm.{module}" for name, module in musclefm._MODULES.items()}
    assert set(named) == set(musclefm.__all__)
    assert (Path(musclefm.__file__).parent / "py.typed").is_file()


def inputs_of(image, file):
    array, affine = image.array, image.grid.ijk_to_ras
    simple = SimpleITK.GetImageFromArray(array)
    simple.SetSpacing(image.grid.spacing)
    simple.SetOrigin(image.grid.origin)
    simple.SetDirection(image.grid.direction)
    return {
        "text": (str(file), {}),
        "array": (array, {"affine": affine}),
        "list": (array.astype(np.float64), {"affine": affine.tolist()}),
        "SimpleITK": (simple, {}),
        "volume": (image, {}),
        "channel": ({"image": image}, {}),
    }


@pytest.mark.parametrize("kind", ["text", "array", "list", "SimpleITK", "volume", "channel"])
def test_the_same_scan_in_any_form_is_the_same_case(kind, image, file, model, case):
    given, options = inputs_of(image, file)[kind]
    found = musclefm.segment(given, model=model, **options, **TINY)
    assert found.grid.matches(case.grid)
    assert found.provenance["input"] == case.provenance["input"]
    assert np.count_nonzero(found.labels != case.labels) <= 3
    np.testing.assert_allclose(found.uncertainty, case.uncertainty, atol=1e-3)


def test_a_case_is_arrays_on_its_grid_with_tables(case, image):
    assert case.grid.matches(image.grid)
    for name in ("labels", "sided_labels", "uncertainty", "aleatoric", "epistemic"):
        assert getattr(case, name).shape == image.array.shape
    assert case.fat_fraction is None and case.labels.max() <= 11 < case.sided_labels.max()
    assert list(case.muscles["side"]) == [muscle.side for muscle in case.muscle_summaries]
    assert set(np.unique(case.region_labels)) - {0} == {region.id for region in case.regions}
    assert repr(case).startswith("<Case: 140 x 72 x 9 voxels")


def test_without_pandas_tables_are_rows(case, monkeypatch):
    monkeypatch.setattr("musclefm.api.case.find_spec", lambda name: None)
    rows = case.muscles
    assert rows[0]["side"] == case.muscle_summaries[0].side and "volume_ml" in rows[0]


def test_dixon_channels_give_a_fat_fraction(image, model):
    channels = {"water": image, "fat": image.with_array(image.array / 3)}
    found = musclefm.segment(channels, model=model, **TINY)
    assert np.nanmedian(found.fat_fraction) == pytest.approx(0.25, abs=1e-3)


def test_what_is_saved_is_opened_again_unless_it_was_changed(case, tmp_path):
    case.save(tmp_path / "results")
    again = musclefm.open_results(tmp_path / "results")
    np.testing.assert_array_equal(again.sided_labels, case.sided_labels)
    np.testing.assert_array_equal(again.uncertainty, case.uncertainty)
    assert again.regions == case.regions
    assert again.provenance["input"] == case.provenance["input"]
    (tmp_path / "results" / "muscles.csv").write_text("Side\n")
    with pytest.raises(musclefm.MuscleFMError, match=r"muscles\.csv is not as it was written"):
        musclefm.open_results(tmp_path / "results")


BAD = {
    "missing": ("no-such-file.nii", {}, "does not exist"),
    "empty": ("", {}, "empty path"),
    "no affine": (np.zeros((20, 20, 20)), {}, "an array, which does not say where it lies"),
    "affine": (np.zeros((20, 20, 20)), {"affine": np.eye(3)}, "not a 4 x 4 matrix"),
    "flat": (np.ones((20, 20, 20)), {"affine": np.eye(4)}, "constant"),
    "picture": (np.zeros((20, 20)), {"affine": np.eye(4)}, "2 axes"),
    "complex": (np.zeros((20, 20, 20), complex), {"affine": np.eye(4)}, "several values a voxel"),
    "texts": (np.full((20, 20, 20), "a"), {"affine": np.eye(4)}, "give an array of real numbers"),
    "channel": ({"T3": "scan.nii"}, {}, "no channel called T3"),
    "nothing": ({}, {}, "no image was given"),
    "size": (np.zeros((20, 4, 4)), {"affine": np.eye(4)}, "only 4 x 4 x 20 voxels"),
    "spacing": (np.zeros((20, 20, 20)), {"affine": np.diag([0, 1, 1, 1])}, "spacing"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_input_is_refused_in_one_line(kind, model):
    image, options, expected = BAD[kind]
    with pytest.raises(musclefm.MuscleFMError, match=expected) as raised:
        musclefm.segment(image, model=model, **options)
    assert "\n" not in str(raised.value)


def test_something_that_is_no_image_is_a_type_error(model):
    with pytest.raises(TypeError, match="the image is a int: give a path"):
        musclefm.segment(3, model=model)


def test_a_bad_input_is_refused_before_torch_is_loaded():
    code = """
import sys, musclefm
try:
    musclefm.segment("no-such-file.nii")
except musclefm.MuscleFMError as error:
    print(error, "torch" in sys.modules)
"""
    assert child(code) == "the image does not exist: check the path False"


def test_a_folder_that_cannot_take_the_results_is_refused_before_any_work(file, model, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(musclefm.MuscleFMError, match="not of MuscleFM"):
        musclefm.segment(file, model=model, out=tmp_path, progress=pytest.fail)
    with pytest.raises(musclefm.MuscleFMError, match="replace the image itself"):
        musclefm.segment(file, model=model, out=file, progress=pytest.fail)


def test_progress_is_reported_of_every_stage(file, model, tmp_path):
    events = []
    musclefm.segment(file, model=model, out=tmp_path / "out", progress=events.append, **TINY)
    assert all(isinstance(event, musclefm.ProgressEvent) for event in events)
    stages = list(dict.fromkeys(event.stage for event in events))
    assert stages == ["read", "load", "segment", "review", "write"]


def test_the_networks_of_the_last_case_stay_loaded(file, model, tmp_path):
    def loads(chosen, **options):
        events = []
        options = TINY | options
        musclefm.segment(file, model=chosen, progress=events.append, **options)
        return sum(event.message == "loading the ensemble" for event in events)

    other = tiny_bundle(tmp_path / "other", 1)
    assert loads(model, keep_loaded=False) in (0, 2)
    assert [loads(model), loads(model), loads(other), loads(model)] == [2, 0, 1, 2]
    assert loads(model, precision="bf16") == 2
    assert loads(model, precision="bf16", keep_loaded=False) == 0
    assert loads(model, precision="bf16") == 2


def test_cancelled_at_any_event_nothing_is_left_behind(file, model, tmp_path):
    events = []
    musclefm.segment(file, model=model, out=tmp_path / "all", progress=events.append, **TINY)
    for number in range(0, len(events), 3):
        asked = []

        def cancel(asked=asked, number=number):
            asked.append(True)
            return len(asked) > number

        with pytest.raises(musclefm.WorkCancelledError):
            musclefm.segment(file, model=model, out=tmp_path / "out", cancel=cancel, **TINY)
        assert [path.name for path in tmp_path.iterdir()] == ["all"]


def test_the_command_writes_what_the_function_writes(file, model, tmp_path, capsys):
    musclefm.segment(file, model=model.folder, out=tmp_path / "function", **TINY)
    command = [
        "segment",
        str(file),
        "--model",
        str(model.folder),
        "--out",
        str(tmp_path / "command"),
    ]
    assert main([*command, "--device", "cpu", "--precision", "fp32", "--progress", "none"]) == 0
    written = [tmp_path / name for name in ("function", "command")]
    made_by = []
    for folder in written:
        assert {path.name for path in folder.iterdir()} <= {PROVENANCE_FILE, *RESULT_FILES}
        content = json.loads((folder / PROVENANCE_FILE).read_text())
        made_by.append({**content, "created": "", "files": ""})
    assert made_by[0] == made_by[1]
    for name in RESULT_FILES:
        # The report says when it was made.
        if name != "report.html" and (written[0] / name).exists():
            assert (written[0] / name).read_bytes() == (written[1] / name).read_bytes(), name


def test_learning_is_cancelled_and_resumed_and_the_command_finds_it_done(home, tmp_path, capsys):
    bundle = tiny_bundle(home / "models" / "tiny", members=1)
    store = CorrectionStore(made_store(home / "corrections", 5))
    recipe = replace(SHORT, held_out=0.2, epochs=2)
    options = {"store": store, "model": "tiny", "recipe": recipe, "out": tmp_path / "learned"}
    stages = []

    def cancel():
        return stages.count("train") >= 2

    with pytest.raises(musclefm.WorkCancelledError):
        musclefm.learn(
            **options, progress=lambda event: stages.append(event.stage), cancel=cancel, **TINY
        )
    stages.clear()
    comparison = musclefm.learn(
        **options, progress=lambda event: stages.append(event.stage), **TINY
    )
    assert "read" not in stages, "it began anew"
    assert comparison.old.sha256 == bundle.sha256
    candidate = musclefm.load_model(tmp_path / "learned" / "candidate")
    alone = musclefm.evaluate_model("tiny", data=store, held_out=0.2, **TINY)
    assert alone.mean_dice == pytest.approx(comparison.old.dice, abs=1e-3)
    assert alone.ece == pytest.approx(comparison.old.ece, abs=1e-3)
    assert 0 <= alone.pooled_dice <= 1 and len(alone.muscles) == 11
    again = musclefm.compare("tiny", candidate, data=store, held_out=0.2, **TINY)
    assert again.new.sha256 == comparison.new.sha256
    out = tmp_path / "compared.json"
    command = ["compare", "tiny", str(candidate.folder), "--data", str(store.folder)]
    command += ["--held-out", "0.2", "--out", str(out), "--device", "cpu", "--precision", "fp32"]
    assert main([*command, "--progress", "none"]) == 0
    assert json.loads(out.read_text()) == json.loads(again.model_dump_json())


def test_training_makes_a_model_and_refuses_before_any_work(model, tmp_path):
    data = made_store(tmp_path / "store", 4)
    recipe = replace(SHORT, epochs=1)
    made = musclefm.train(model, tmp_path / "new", data=data, recipe=recipe, version="7", **TINY)
    assert (made.manifest.name, made.manifest.version) == ("new", "7")
    assert musclefm.load_model(made) is made
    with pytest.raises(musclefm.MuscleFMError, match="taken already"):
        musclefm.train(model, tmp_path / "new", data=data, progress=pytest.fail)
    with pytest.raises(musclefm.MuscleFMError, match="no recipe 'slow': use one of fast, paper"):
        musclefm.train(model, tmp_path / "other", data=data, recipe="slow")
