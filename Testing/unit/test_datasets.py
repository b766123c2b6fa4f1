"""Public data sets: downloaded on confirmation, unpacked safely, made a data list."""

import io
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_datasets import SUBJECTS, made_files, plain_labels, served, subject_name, write, zipped
from made_training import GRID
from test_finetuning_data import card

import musclefm
from musclefm.api.evaluation.cohorts import data_path
from musclefm.cli.main import main
from musclefm.exchange.datalist import read_datalist
from musclefm.labels.scheme import load_scheme
from musclefm.storage import download as downloading
from musclefm.training.data.dataset import read_cases, read_held_out
from musclefm.training.data.labelled_tiles import cut_tiles
from musclefm.training.data.tiles import NONE_OF_ABSENT
from musclefm.volumes.stored import read_stored
from musclefm.volumes.volume import Volume

THIGH_11, THIGH_12 = load_scheme("thigh-11"), load_scheme("thigh-12")
ALL = ("huashan-myo", "kway", "myosegmentum", "sheffield", "nnunet-raw")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's data folder; downloads try again at once, and past a proxy."""
    monkeypatch.setattr(downloading, "_REST_S", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]):
    """Return a function that runs ``musclefm datasets`` and gives what it prints."""

    def run(*arguments: object, code: int = 0) -> str:
        assert main(["datasets", *map(str, arguments)]) == code
        printed = capsys.readouterr()
        if code:
            assert printed.err.count("\n") == 1
        return printed.err if code else printed.out

    return run


def prepared(name: str, tmp_path: Path, subjects: int = SUBJECTS, **options):
    files = made_files(name, tmp_path / "files", subjects)
    found = musclefm.prepare_dataset(name, folder=files, out=tmp_path / "out", **options)
    return found, json.loads(found.path.read_text())


def labels_of(document: dict, tmp_path: Path, number: int) -> np.ndarray:
    """Return the labels that were written of a subject, by number."""
    cases = sorted([*document["training"], *document["test"]], key=lambda x: x["label"])
    return read_stored(tmp_path / "out" / cases[number]["label"], "labels").array


class TestDownload:
    def test_a_broken_download_is_resumed_unpacked_and_prepared(self, tmp_path, home, command):
        content = zipped(made_files("huashan-myo", tmp_path / "files"), "HuashanMyo-1/")
        with served("huashan-myo", content, home) as server:
            server.cuts = [20_000]
            command("download", "huashan-myo", "--yes")
            assert server.asked == ["", "20000-"]
            # It is there: nothing is asked again.
            command("download", "huashan-myo")
            assert len(server.asked) == 2
        assert not list(home.rglob("[!.]*.zip*"))
        printed = command("prepare", "huashan-myo", "--progress", "none")
        assert "6 cases of 6 subjects" in printed and "not the paper's rule" in printed
        assert "prepared-thigh-11" in command("show", "huashan-myo")
        assert len(list(read_held_out(data_path("huashan-myo"), THIGH_11, 0.2))) == 1

    def test_nothing_comes_without_confirmation(self, home, command, monkeypatch):
        with served("kway", b"", home) as server:
            monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
            said = command("download", "kway", code=2)
            assert "--yes" in said and "size unknown" in said and "CC BY, not confirmed" in said
            assert server.asked == []

    @pytest.mark.parametrize("length", [None, -1])
    def test_a_server_that_packs_as_it_sends_knows_no_ranges(self, tmp_path, home, command, length):
        content = zipped(made_files("kway", tmp_path / "files", 1))
        with served("kway", content, home) as server:
            server.ranges, server.length = False, length
            server.cuts = [9_000] if length is None else []
            folder = musclefm.download_dataset("kway")
        assert (folder / "S00/Thigh/mask_muscles.nii.gz").is_file()

    @pytest.mark.parametrize("content", [b"no zip", None])
    def test_a_damaged_file_is_refused_and_comes_again(self, tmp_path, home, command, content):
        whole = zipped(made_files("huashan-myo", tmp_path / "files", 1))
        middle = len(whole) // 2
        damaged = content or whole[: middle - 50] + bytes(100) + whole[middle + 50 :]
        with served("huashan-myo", damaged, home) as server:
            assert "HuashanMyo.zip" in command("download", "huashan-myo", "--yes", code=2)
            assert not (home / "datasets/huashan-myo/files").exists()
            server.content = whole
            command("download", "huashan-myo", "--yes")

    @pytest.mark.parametrize("odd", ["../evil", "/evil", "a/../../evil", "C:\\evil", "link"])
    def test_a_zip_that_leads_out_is_refused(self, tmp_path, home, command, odd):
        with zipfile.ZipFile(tmp_path / "HuashanMyo.zip", "w") as archive:
            entry = zipfile.ZipInfo(odd)
            entry.external_attr = 0o120777 << 16 if odd == "link" else 0
            archive.writestr(entry, "/etc/passwd")
        said = command("download", "huashan-myo", "--from", tmp_path, code=2)
        assert "lead out" in said and not list(home.rglob("evil"))

    def test_names_and_licences_are_shown(self, command):
        listed = command("list")
        assert all(name in listed for name in ALL)
        shown = command("show", "myosegmentum")
        assert "Not confirmed" in shown and "osf.io/svwa7" in shown and "licence" in shown
        assert "huashan-myo" in command("show", "huashan", code=2)
        assert "not public" in command("download", "nnunet-raw", code=2)


class TestPrepare:
    def test_huashan_myo_has_all_muscles_of_both_thighs(self, tmp_path):
        found, document = prepared("huashan-myo", tmp_path)
        assert (found.merged, found.missing) == ((), ())
        np.testing.assert_array_equal(labels_of(document, tmp_path, 2), plain_labels(2))
        assert document["severity_rule"].endswith("not the paper's rule")
        by_subject = {x["subject"]: x for x in [*document["training"], *document["test"]]}
        severities = [by_subject[subject_name(n)]["severity"] for n in range(3)]
        assert severities == ["early", "moderate", "severe"]
        assert by_subject["S02"]["fat_fraction"] == pytest.approx(0.7, abs=0.02)
        learned = {x["subject"] for x in document["training"]}
        held_out = {x["subject"] for x in document["test"]}
        assert len(held_out) == found.held_out == 1 and not learned & held_out

    def test_kway_tells_nothing_of_the_left_thigh_and_of_both_heads(self, tmp_path):
        found, document = prepared("kway", tmp_path, 1)
        ids = {x.abbreviation: x.id for x in THIGH_12.labels}
        labels, plain = labels_of(document, tmp_path, 0), plain_labels(0)
        right = np.arange(GRID.shape[2]) < 20
        assert set(np.unique(labels[..., 34:])) == {255}
        np.testing.assert_array_equal(
            labels[..., right],
            np.select([plain == 3, plain == 7], [ids["VL"], ids["BFL"]], 0)[..., right],
        )
        assert [set(group) for group in found.merged] == [
            {"biceps_femoris_long_head", "biceps_femoris_short_head"}
        ]
        assert found.missing == ()
        names = read_datalist(found.path).unlearnable(THIGH_12)
        assert names == ["biceps femoris long head", "biceps femoris short head"]
        case = next(read_cases(found.path, THIGH_12, held_out=True))
        # What the two heads share is not learned from.
        assert case.side == "right" and not case.absent
        assert set(np.unique(case.labels.array)) == {0, ids["VL"], 255}

    def test_masks_are_groups_and_other_muscles_never_background(self, tmp_path):
        found, document = prepared("myosegmentum", tmp_path, 1)
        assert len(found.merged) == 2 and found.missing == ("adductor magnus",)
        case = next(read_cases(found.path, THIGH_11, held_out=True))
        assert set(np.unique(case.labels.array)) == {7, 255}
        # Of the background it is known that it is none of the muscles that were labelled.
        known = set(range(1, 12)) - {6}
        assert set(case.absent) == known | {value + 11 for value in known}
        background = labels_of(document, tmp_path, 0) == 0
        assert background.any()
        np.testing.assert_array_equal(case.absent[7], background)
        tiles = cut_tiles(case, card())
        assert NONE_OF_ABSENT in tiles.labels and 0 not in tiles.labels
        ruled_out = tiles.absent.any(axis=0)
        assert ruled_out.tolist() == [False] + [x in known for x in range(1, 12)]

    def test_sheffields_grey_levels_are_muscles_of_one_person(self, tmp_path):
        found, document = prepared("sheffield", tmp_path, 2)
        assert (found.cases, found.subjects, found.severities) == (2, 1, {"unknown": 1})
        ids = {x.abbreviation: x.id for x in THIGH_12.labels}
        labels = labels_of(document, tmp_path, 0)
        assert set(np.unique(labels)) == {0, ids["VL"], ids["GR"], 255}

    def test_a_private_folder_keeps_its_groups_and_gives_no_names(self, tmp_path):
        found, document = prepared("nnunet-raw", tmp_path)
        assert document["severity_rule"] == "as given" and found.held_out == 3
        assert [x["severity"] for x in document["test"]] == ["early", "moderate", "severe"]
        assert "S0" not in found.path.read_text()
        assert not [x for x in (tmp_path / "out").rglob("*") if "S0" in x.name]
        assert document["modality"] == {"0": "in-phase", "1": "out-of-phase"}

    def test_another_scheme_says_what_it_lacks(self, tmp_path):
        found, _ = prepared("huashan-myo", tmp_path, 1, scheme="thigh-12")
        assert found.missing == ("adductor longus",)

    @pytest.mark.parametrize(
        ("fault", "reported"),
        [
            ("image", "case 2 of 3 in order of name has no water images"),
            ("grid", "case 2 of 3 in order of name: .*another grid"),
            ("value", "case 2 of 3 in order of name: the reference holds 99"),
            ("empty", "case 2 of 3 in order of name: .*no label"),
            ("labels", "no labels in the layout of 'huashan-myo'"),
        ],
    )
    def test_bad_cases_are_refused_in_a_line(self, tmp_path, command, fault, reported):
        files = made_files("huashan-myo", tmp_path / "files", 3)
        label, labels = files / "Label/S01.nii.gz", plain_labels(1)
        if fault == "image":
            (files / "Water/S01_0001.nii.gz").unlink()
        elif fault == "labels":
            (files / "Label").rename(files / "Labels")
        elif fault == "grid":
            write(Volume(labels, replace(GRID, origin=(3.0, 3.0, 3.0))), label)
        else:
            write(labels * 0 if fault == "empty" else np.where(labels == 3, 99, labels), label)
        message = command(
            "prepare", "huashan-myo", "--from", files, "--out", tmp_path / "out", code=2
        )
        assert re.search(reported, message) and "S01" not in message
        assert not (tmp_path / "out").exists()


class TestScored:
    def segmented(self, document: dict, tmp_path: Path, change) -> Path:
        """Write what a perfect segmentation would be, but for a change."""
        folder = tmp_path / "segmentations"
        for item in [*document["training"], *document["test"]]:
            labels = read_stored(tmp_path / "out" / item["label"], "labels").array
            found = np.where(labels == 255, 0, labels).astype(np.uint8)
            write(change(found), folder / Path(item["label"]).name)
        return folder

    def test_merged_muscles_and_unknown_thighs_are_no_errors(self, tmp_path):
        found, document = prepared("kway", tmp_path, subjects=2)
        ids = {x.abbreviation: x.id for x in THIGH_12.labels}

        def change(labels):
            labels[(labels == ids["BFL"]) & (np.indices(labels.shape)[1] % 2 == 0)] = ids["BFS"]
            # The left thigh, of which nothing is known.
            labels[..., 36:39][labels[..., 36:39] == 0] = ids["VM"] + 12
            return labels

        folder = self.segmented(document, tmp_path, change)
        cohort = musclefm.evaluate_cohort(folder, found.path, scheme="thigh-12")
        assert cohort.mean_dice == cohort.pooled_dice == 1.0
        judged = cohort.evaluation.cases[0].evaluation.judged
        assert ids["BFL"] in judged and ids["BFS"] not in judged

    def test_the_groups_of_a_folder_are_those_of_the_table(self, tmp_path):
        found, document = prepared("nnunet-raw", tmp_path, subjects=3)
        folder = self.segmented(document, tmp_path, lambda labels: labels)
        cohort = musclefm.evaluate_cohort(folder, found.path, scheme="thigh-12")
        names = [group.name for group in cohort.evaluation.groups]
        assert names == ["all", "early", "moderate", "severe"]
        assert cohort.evaluation.group_rule == "as given"
