"""``musclefm evaluate``: cases matched by name, everything written, nothing claimed of nothing."""

import csv
import html.parser
import json
import re

import numpy as np
import pytest
from made_report_case import ensemble
from tiny_ensemble import THIGH_TILES, tiny_bundle

import musclefm
from musclefm.api.evaluation.case_pairs import case_pair, read_segmentation
from musclefm.cli.main import main
from musclefm.inference.device import choose_runtime
from musclefm.pipeline.segment import segment_case
from musclefm.progress import silent
from musclefm.results.case import write_results
from musclefm.review.queue import ReviewQueue
from musclefm.volumes.channels import Channels
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

GRID = Grid((4, 24, 60), (2.0, 2.0, 6.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
FILES = {
    "cases.csv", "muscle_accuracy.csv", "groups.csv", "reliability.csv", "metrics.csv",
    "evaluation.json", "evaluation.html", "uncertainty",
}  # fmt: skip


def thighs():
    """Return labels of thigh-11 with sides: four muscles in each of two thighs."""
    labels = np.zeros(GRID.shape, np.uint8)
    for value, (row, column) in enumerate([(4, 4), (4, 10), (12, 4), (12, 10)], start=1):
        labels[:, row : row + 7, column : column + 6] = value
        labels[:, row : row + 7, 54 - column : 60 - column] = value + 11
    return labels


def write(labels, path, grid=GRID):
    path.parent.mkdir(exist_ok=True, parents=True)
    write_volume(Volume(labels, grid), path)


@pytest.fixture
def cohort(tmp_path):
    """Return a folder of segmentations and references of six subjects, worse from one to the next.

    The first has probabilities beside it, in the form of nnU-Net.
    """
    for number in range(6):
        found = thighs()
        found[:, 4 : 4 + number // 2, 4:10] = 0
        found[number % 4, 12:19, 50:54] = 0
        write(found, tmp_path / "found" / f"case_{number}.nii.gz")
        write(thighs(), tmp_path / "truth" / f"case_{number}.nii.gz")
        plain = np.where(found > 11, found - 11, found)
        p = np.where(np.arange(12)[:, None, None, None] == plain, 0.89, 0.01)
        np.savez_compressed(
            tmp_path / "found" / f"case_{number}.npz", probabilities=p.astype(np.float16)
        )
    return tmp_path


def evaluate(folder, *options, found="found", truth="truth"):
    arguments = ["evaluate", str(folder / found), str(folder / truth), "--out", str(folder / "out")]
    return main([*arguments, "--progress", "none", *map(str, options)])


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def refusal(capsys):
    error = capsys.readouterr().err
    assert error.startswith("musclefm: ") and error.count("\n") == 1, error
    return error


def test_a_cohort_is_matched_by_name_and_written_whole(cohort) -> None:
    write(thighs(), cohort / "truth" / "nobody.nii.gz")
    assert evaluate(cohort) == 0
    out = cohort / "out"
    assert {path.name for path in out.iterdir()} == FILES
    cases = rows(out / "cases.csv")
    assert [case["case"] for case in cases] == [f"case_{number}" for number in range(6)]
    means = [float(case["mean_dice"]) for case in cases]
    assert means[0] > means[-1] and all(0.8 < mean < 1 for mean in means)
    everyone = {row["score"]: row for row in rows(out / "groups.csv") if row["group"] == "all"}
    assert float(everyone["mean_dice"]["mean"]) == pytest.approx(np.mean(means), abs=1e-5)
    assert float(everyone["mean_dice"]["low_95"]) < np.mean(means)
    assert float(everyone["mean_dice"]["high_95"]) > np.mean(means)
    # Files of labels say nothing of uncertainty.
    assert "auroc_total" not in everyone and "ece" in everyone
    document = json.loads((out / "evaluation.json").read_text())
    assert document["groups"][0]["scores"].keys() == {s for s in everyone if "dice_" not in s}
    assert document["notes"] == ["1 of 7 references left out: no segmentation of the same name"]


def test_the_mean_and_the_pool_are_named_apart_in_every_file(cohort) -> None:
    assert evaluate(cohort) == 0
    case = rows(cohort / "out" / "cases.csv")[-1]
    metrics = rows(cohort / "out" / "metrics.csv")[-1]
    assert metrics["DSC mean over muscles"] == case["mean_dice"]
    assert metrics["DSC pooled over muscles"] == case["pooled_dice"] != case["mean_dice"]
    assert "DSC" not in metrics and "dice" not in case
    page = (cohort / "out" / "evaluation.html").read_text()
    assert "Dice, mean over muscles" in page and "Dice, pooled over muscles" in page


def test_the_papers_own_calibration_is_in_files_of_its_own_names(cohort) -> None:
    assert evaluate(cohort, "--groups", groups(cohort)) == 0
    scores = rows(cohort / "out" / "uncertainty" / "calibration_score.csv")
    assert [row["group"] for row in scores] == ["all", "early", "severe"]
    assert all(float(row["ECE with flipped low bins"]) >= 0 for row in scores)
    by_class = rows(cohort / "out" / "uncertainty" / "calibration_score_class.csv")
    assert len(by_class) == 3 * 12 and by_class[0]["class"] == "background"
    near = {row["score"]: row["mean"] for row in rows(cohort / "out" / "groups.csv")}
    assert scores[0]["ECE"] != near["ece"]


def groups(folder):
    path = folder / "groups.csv"
    lines = [f"case_{n},{'early' if n < 3 else 'severe'}" for n in range(6)]
    path.write_text("\n".join(["case,severity", *lines]) + "\n")
    return path


def test_groups_are_as_the_users_table_says(cohort) -> None:
    assert evaluate(cohort, "--groups", groups(cohort)) == 0
    document = json.loads((cohort / "out" / "evaluation.json").read_text())
    assert document["group_rule"] == "as given"
    assert [(x["name"], x["subjects"]) for x in document["groups"]] == [
        ("all", 6), ("early", 3), ("severe", 3),
    ]  # fmt: skip
    page = (cohort / "out" / "evaluation.html").read_text()
    assert "Beside the paper" in page and "0.857" in page


def test_the_cases_of_a_subject_are_one(cohort) -> None:
    items = [
        {"image": "none", "label": f"truth/case_{n}.nii.gz", "subject": f"person {n // 2}"}
        for n in range(6)
    ]
    listed = {"modality": {"0": "image"}, "labels": {"0": "background"}, "training": items}
    (cohort / "datalist.json").write_text(json.dumps(listed))
    assert evaluate(cohort, truth="datalist.json") == 0
    everyone = json.loads((cohort / "out" / "evaluation.json").read_text())["groups"][0]
    assert (everyone["cases"], everyone["subjects"]) == (6, 3)
    assert everyone["scores"]["mean_dice"]["subjects"] == 3


def test_two_systems_are_compared_subject_by_subject(cohort) -> None:
    for number in range(6):
        better = thighs()
        better[:, 4, 4 : 5 + number // 3] = 0
        write(better, cohort / "better" / f"case_{number}.nii.gz")
    assert evaluate(cohort, "--against", cohort / "found", found="better") == 0
    row = rows(cohort / "out" / "paired.csv")[0]
    assert row["score"] == "mean_dice" and float(row["difference"]) > 0
    assert 0 < float(row["p_holm"]) <= 1 and float(row["low_95"]) > 0


def test_of_one_case_no_interval_is_claimed(cohort) -> None:
    name = "case_3.nii.gz"
    assert evaluate(cohort, found=f"found/{name}", truth=f"truth/{name}") == 0
    everyone = rows(cohort / "out" / "groups.csv")[0]
    assert everyone["subjects"] == "1" and everyone["low_95"] == everyone["high_95"] == ""
    assert "one subject: no interval" in (cohort / "out" / "evaluation.html").read_text()
    # Its file is named nowhere.
    assert "case_3" not in (cohort / "out" / "cases.csv").read_text()


class _Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in {"meta", "br", "img", "input"} and not self.get_starttag_text().endswith(
            "/>"
        ):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.get_starttag_text().endswith("/>") or self.open[-1:] == [tag]:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_for_nothing(cohort) -> None:
    assert evaluate(cohort) == 0
    text = (cohort / "out" / "evaluation.html").read_text()
    page = _Page()
    page.feed(text)
    assert not page.open
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
    assert not re.search(r"(src|href)=\"(?!data:|#)", text) and "nan" not in text
    assert text.count("<polyline") >= 5


def test_results_folders_are_judged_by_all_that_they_hold(tmp_path) -> None:
    bundle = tiny_bundle(tmp_path / "model", 2, THIGH_TILES, temperature=1.5)
    maps, image = ensemble()
    channels = Channels({"water": image, "fat": Volume(image.array / 3, image.grid)}, (), "c" * 64)
    runtime = choose_runtime("cpu", "fp32")
    case = segment_case(channels, bundle, runtime, silent, keep_probabilities=True)
    write_results(case, tmp_path / "found" / "a", silent)
    write(maps.labels, tmp_path / "truth" / "a.nii.gz", image.grid)
    assert evaluate(tmp_path) == 0
    (row,) = rows(tmp_path / "out" / "cases.csv")
    assert all(row.values()), {name for name, value in row.items() if not value}
    assert row["group"] in {"early", "moderate", "severe"}
    assert row["nll"] != row["nll_before_temperature"]
    assert "Not measured" not in (tmp_path / "out" / "evaluation.html").read_text()
    found = musclefm.evaluate(tmp_path / "found" / "a", tmp_path / "truth" / "a.nii.gz")
    assert f"{found.mean_dice:.6g}" == row["mean_dice"]
    # The reader's own way is judged, not another order of the same regions.
    opened = musclefm.open_results(tmp_path / "found" / "a")
    pair, _ = case_pair(read_segmentation(opened), tmp_path / "truth" / "a.nii.gz")
    led = [entry.region.slices for entry in ReviewQueue(opened.regions).entries]
    assert [region[:2] for region in pair.regions] == led
    assert set(found.details.detection) == {"total", "aleatoric", "epistemic", "variance"}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("grid", "case 1 of 6 in order of name: segmentation and reference lie on different grids"),
        ("ids", "case 1 of 6 in order of name: the reference holds 77"),
        ("sum", "case 1 of 6 in order of name: the probabilities do not sum to 1"),
        ("labels", "case 1 of 6 in order of name: the reference holds no label"),
        ("names", "no segmentation has the name of a reference"),
        ("list", "the data list cannot be understood"),
        ("twice", "two references have one name"),
        ("groups", "the table of groups has other columns"),
        ("limits", "the limits of severity do not ascend"),
        ("muscle", "has no muscle 'heart'"),
        ("nobody", "the table of groups names none of the cases"),
        ("alone", "of which only one is named"),
        ("seed", "the seed is negative"),
        ("mapping", "or name one of musclemap, totalsegmentator"),
    ],
)
def test_what_cannot_be_judged_is_one_line_and_nothing_is_written(
    cohort, capsys, spoil, message
) -> None:
    first, options, truth = cohort / "truth" / "case_0.nii.gz", (), "truth"
    if spoil == "grid":
        coarse = Grid(GRID.shape, (3.0, 2.0, 6.0), GRID.origin, GRID.direction)
        write(thighs(), first, coarse)
    elif spoil == "ids":
        write(np.where(thighs() == 1, 77, thighs()).astype(np.uint8), first)
    elif spoil == "sum":
        bad = np.full((12, *GRID.shape), 0.2, np.float16)
        np.savez_compressed(cohort / "found" / "case_0.npz", probabilities=bad)
    elif spoil == "labels":
        write(np.zeros(GRID.shape, np.uint8), first)
    elif spoil == "names":
        (cohort / "truth").rename(cohort / "old")
        write(thighs(), cohort / "truth" / "other.nii.gz")
    elif spoil == "list":
        truth = "list.json"
        (cohort / truth).write_text("{}")
    elif spoil == "twice":
        write(thighs(), cohort / "truth" / "case_1.nrrd")
    elif spoil == "groups":
        (cohort / "table.csv").write_text("who,what\na,b\n")
        options = ("--groups", cohort / "table.csv")
    elif spoil == "nobody":
        (cohort / "table.csv").write_text("case,group\nnobody,early\n")
        options = ("--groups", cohort / "table.csv")
    elif spoil in ("alone", "seed", "mapping"):
        options = {
            "alone": ("--merge", "SA"),
            "seed": ("--seed", "-1"),
            "mapping": ("--mapping", "totalsegmenter"),
        }[spoil]
    elif spoil == "limits":
        options = ("--severity-limits", 0.6, 0.3)
    else:
        options = ("--annotated", "VL,heart")
    assert evaluate(cohort, *options, truth=truth) == 2
    assert message in refusal(capsys)
    assert not (cohort / "out").exists()


def test_muscles_that_the_references_merge_are_judged_as_one(cohort) -> None:
    labels = thighs()
    merged = np.where(labels == 2, 1, np.where(labels == 13, 12, labels)).astype(np.uint8)
    for number in range(6):
        write(merged, cohort / "truth" / f"case_{number}.nii.gz")
    assert evaluate(cohort, "--merge", "SA+RF") == 0
    row = rows(cohort / "out" / "cases.csv")[0]
    assert float(row["mean_dice"]) > 0.97
    names = {row["name"] for row in rows(cohort / "out" / "muscle_accuracy.csv")}
    assert len(names) == 3


def test_one_thigh_that_is_labelled_judges_one_thigh(cohort) -> None:
    one = np.where(thighs() > 11, 0, thighs()).astype(np.uint8)
    found = thighs()
    found[:, 5, 42:44] = 3 + 11
    write(found, cohort / "one.nii.gz")
    write(one, cohort / "reference.nii.gz")
    assert evaluate(cohort, found="one.nii.gz", truth="reference.nii.gz") == 0
    (row,) = rows(cohort / "out" / "cases.csv")
    assert row["mean_dice"] == "1" and row["wrong_voxels"] == "0"


def fat_and_water(folder, fraction):
    """Write images of all cases, one stored from left to right, and return the options."""
    flipped = Grid(GRID.shape, GRID.spacing, (118.0, 0.0, 0.0), (-1, 0, 0, 0, 1, 0, 0, 0, 1))
    for name, share in (("water", 1 - fraction), ("fat", fraction)):
        image = (1000 * share).astype(np.float32)
        for number in range(6):
            write(image, folder / name / f"case_{number}.nii.gz")
        write(image[:, :, ::-1].copy(), folder / name / "case_2.nii.gz", flipped)
    return ["--water", folder / "water", "--fat", folder / "fat"]


def test_fat_fractions_of_label_files_follow_from_water_and_fat(cohort) -> None:
    fraction = np.full(GRID.shape, 0.2)
    fraction[:, :7] = 0.6
    assert evaluate(cohort, *fat_and_water(cohort, fraction)) == 0
    found = rows(cohort / "out" / "muscle_accuracy.csv")
    assert len({row["case"] for row in found}) == 6 and all(row["fat_fraction"] for row in found)
    first, last = (
        next(x for x in found if (x["case"], x["side"], x["label_id"]) == (case, "right", "1"))
        for case in ("case_0", "case_5")
    )
    # Rows 4 to 10, of which the last segmentation misses the fatty first two.
    assert float(first["fat_fraction"]) == pytest.approx((3 * 0.6 + 4 * 0.2) / 7, abs=0.01)
    assert float(first["fat_fraction_error_percent"]) == 0
    expected = 100 * ((0.6 + 4 * 0.2) / 5 - (3 * 0.6 + 4 * 0.2) / 7)
    assert float(last["fat_fraction_error_percent"]) == pytest.approx(expected, abs=0.5)
    scores = {row["score"] for row in rows(cohort / "out" / "groups.csv")}
    assert "fat_fraction_error_percent" in scores
    assert {row["group"] for row in rows(cohort / "out" / "cases.csv")} == {"early"}


def test_water_without_fat_or_of_another_place_is_refused(cohort, capsys) -> None:
    options = fat_and_water(cohort, np.full(GRID.shape, 0.2))
    assert evaluate(cohort, *options[:2]) == 2 and "--fat" in refusal(capsys)
    (cohort / "fat" / "case_3.nii.gz").unlink()
    assert evaluate(cohort, *options) == 2 and "no fat image" in refusal(capsys)
    away = Grid(GRID.shape, GRID.spacing, (900.0, 0.0, 0.0), GRID.direction)
    for name in ("water", "fat"):
        image = np.indices(GRID.shape).sum(axis=0) * len(name)
        write(image.astype(np.float32), cohort / f"{name}.nii.gz", away)
    one = ["--water", cohort / "water.nii.gz", "--fat", cohort / "fat.nii.gz"]
    paths = {"found": "found/case_0.nii.gz", "truth": "truth/case_0.nii.gz"}
    assert evaluate(cohort, *one, **paths) == 2 and "elsewhere" in refusal(capsys)
