"""``musclefm phantom --cohort``: the same files for everyone, resumed, read by all that learns."""

import csv
import hashlib
import json
import shutil

import numpy as np
import pytest

from musclefm.cli.main import main
from musclefm.demo.cohort import CohortRecipe, kept_cohort, render_cohort
from musclefm.demo.phantom.anatomies import load_anatomies
from musclefm.evaluation.cohort.severity import SEVERITIES
from musclefm.labels.scheme import load_scheme
from musclefm.labels.sided import without_sides
from musclefm.progress import WorkCancelledError, silent
from musclefm.training.data.dataset import read_cases
from musclefm.volumes.grid import Grid
from musclefm.volumes.stored import read_stored
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

SCHEME = load_scheme("thigh-11")
RECIPE = CohortRecipe(seed=7, slices=4, pixel_mm=6.0, t1=True)
OPTIONS = ["--seed", "7", "--slices", "4", "--pixel-mm", "6", "--t1", "--progress", "none"]
# Of the voxels of three cases' labels; a new hash needs another number of the rendering.
LABELS_SHA256 = "cb78260f2947978df8900b7b53eca39aa85eb84fcc80edca19480206fb1eb03d"


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    out = tmp_path_factory.mktemp("cohort") / "out"
    assert main(["phantom", "--cohort", "6", "--out", str(out), *OPTIONS]) == 0
    return out


def test_anyone_gets_the_same_labels(cohort) -> None:
    digest = hashlib.sha256()
    for number in (1, 2, 3):
        labels = read_stored(cohort / "labels" / f"case-000{number}.nii.gz", "labels")
        digest.update(labels.array.astype(np.uint8).tobytes())
    assert digest.hexdigest() == LABELS_SHA256


def test_cases_are_read_as_data_to_learn_from(cohort) -> None:
    items = json.loads((cohort / "datalist.json").read_text())["training"]
    assert [item["severity"] for item in items] == [*SEVERITIES, *SEVERITIES]
    assert [item["fold"] for item in items] == [0, 0, 0, 1, 1, 1]
    cases = list(read_cases(cohort, SCHEME))
    means = {severity: [] for severity in SEVERITIES}
    assert len({case.subject for case in cases}) == 6
    for case, item in zip(cases, items, strict=True):
        assert set(case.channels.images) == {"water", "fat", "image"}
        assert set(np.unique(case.labels.array)) <= {0, *range(1, 12)}
        # The muscles are as fatty as the list says.
        water, fat = (case.channels.images[name].array for name in ("water", "fat"))
        muscle = case.labels.array > 0
        means[item["severity"]].append((fat / np.maximum(water + fat, 1))[muscle].mean())
    assert np.max(means["early"]) < np.min(means["moderate"]) < np.min(means["severe"])


def test_left_is_the_patients_left(cohort) -> None:
    labels = read_stored(cohort / "labels" / "case-0001.nii.gz", "labels")
    place = np.argwhere(labels.array > len(SCHEME.labels))[:, ::-1]
    left = place @ labels.grid.ijk_to_lps[:3, :3].T + labels.grid.ijk_to_lps[:3, 3]
    right = np.argwhere((labels.array > 0) & (labels.array <= len(SCHEME.labels)))[:, ::-1]
    right = right @ labels.grid.ijk_to_lps[:3, :3].T + labels.grid.ijk_to_lps[:3, 3]
    assert left[:, 0].min() > 0 > right[:, 0].max()


def test_what_was_stopped_is_resumed_and_a_cohort_grows(cohort, tmp_path) -> None:
    events = []

    def stop(event) -> None:
        events.append(event)
        if event.done == 2:
            raise WorkCancelledError("enough")

    out = tmp_path / "out"
    with pytest.raises(WorkCancelledError):
        render_cohort(RECIPE, 6, out, stop)
    assert "2 cases are kept" in kept_cohort(out)
    assert not (out / "datalist.json").exists()
    # Killed in the middle of the third: it has an image, but no labels.
    shutil.copy(cohort / "images" / "case-0001-fat.nii.gz", out / "images" / "case-0003-fat.nii.gz")
    before = (out / "labels" / "case-0001.nii.gz").stat().st_mtime_ns
    render_cohort(RECIPE, 3, out, silent)
    render_cohort(RECIPE, 6, out, silent)
    assert files(out) == files(cohort)
    assert (out / "labels" / "case-0001.nii.gz").stat().st_mtime_ns == before


def test_real_anatomies_keep_their_labels_and_their_subjects(tmp_path) -> None:
    labels = np.zeros((10, 30, 60), np.uint8)
    labels[1:9, 8:22, 6:24], labels[1:9, 8:22, 36:54] = 3, 3
    # Stored with its columns from left to right.
    grid = Grid(labels.shape, (8.0, 8.0, 20.0), (150.0, 0, 0), (-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    (tmp_path / "maps").mkdir()
    for name in ("A_0000", "B_0000"):
        write_volume(Volume(labels, grid), tmp_path / "maps" / f"{name}.nii.gz")
    out = tmp_path / "out"
    command = ["phantom", "--cohort", "4", "--out", str(out), "--slices", "4", "--pixel-mm", "8"]
    assert main([*command, "--anatomies", str(tmp_path / "maps"), "--progress", "none"]) == 0
    items = json.loads((out / "datalist.json").read_text())["training"]
    assert [item["subject"] for item in items] == ["A", "A", "A", "B"]
    assert [item["fold"] for item in items] == [0, 0, 0, 1]
    made = read_stored(out / "labels" / "case-0004.nii.gz", "labels")
    assert made.grid.shape == (4, 30, 60) and made.grid.spacing == (8.0, 8.0, 40.0)
    (anatomy, *_) = load_anatomies(tmp_path / "maps", SCHEME)
    plain = without_sides(made.array.astype(np.uint8), SCHEME)
    np.testing.assert_array_equal(plain, anatomy.labelmap.array[[1, 3, 5, 7], :, ::-1])
    assert (made.array[:, :, 6:24] <= 11).all() and (made.array[:, 8:22, 36:54] > 11).all()


def test_evaluate_takes_the_severity_from_the_list(cohort, tmp_path) -> None:
    command = ["evaluate", str(cohort / "labels"), str(cohort / "datalist.json")]
    assert main([*command, "--out", str(tmp_path / "out"), "--progress", "none"]) == 0
    with (tmp_path / "out" / "groups.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["score"] == "mean_dice"]
    assert [(row["group"], row["subjects"]) for row in rows] == [
        ("all", "6"), ("early", "2"), ("moderate", "2"), ("severe", "2"),
    ]  # fmt: skip
    assert all(float(row["mean"]) == 1 for row in rows)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--cohort 0", "from 1 to 9999"),
        ("--cohort 99999999999", "from 1 to 9999"),
        ("--cohort 1 --slices 0", "--slices"),
        ("--cohort 1 --pixel-mm 0.1", "--pixel-mm"),
        ("--cohort 1 --seed -1", "negative"),
        ("--cohort 1 --severity early", "all severities"),
        ("--cohort 1 --anatomies nowhere", "no label maps"),
        ("--t1", "--t1 is of a cohort"),
    ],
)
def test_bad_numbers_are_refused_in_one_line(tmp_path, capfd, options, said) -> None:
    out = tmp_path / "out"
    assert main(["phantom", "--out", str(out), *options.split()]) == 2
    error = capfd.readouterr().err
    assert said in error and error.count("\n") == 1 and not out.exists()


def test_a_cohort_of_another_recipe_is_left_alone(cohort, capfd) -> None:
    before = files(cohort)
    assert main(["phantom", "--cohort", "6", "--out", str(cohort)]) == 2
    assert "another recipe" in capfd.readouterr().err
    assert files(cohort) == before
