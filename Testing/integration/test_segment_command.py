"""``musclefm segment`` as a user runs it: what it writes, and what it never does."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from musclefm import __version__
from musclefm.labels.scheme import load_scheme
from musclefm.models.bundle import open_bundle
from musclefm.results.tables import muscles_from_csv
from musclefm.review.measures import MuscleTally
from musclefm.volumes.reading import read_volume, voxels_sha256
from musclefm.volumes.stored import read_stored
from musclefm.volumes.writing import write_volume

Musclefm = Callable[..., subprocess.CompletedProcess[str]]

IMAGES = {"labels.nii.gz", "uncertainty.nii.gz", "aleatoric.nii.gz", "epistemic.nii.gz"}
RESULTS = IMAGES | {
    "labels.seg.nrrd", "regions.nii.gz", "regions.json", "muscles.csv", "report.html",
    "provenance.json",
}  # fmt: skip
OF_FAT_AND_WATER = {"fat_fraction.nii.gz"}


@pytest.fixture(scope="module")
def segmented(
    scan: Path, model: Path, musclefm: Musclefm, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Return the results of a Dixon scan, and the finished command."""
    out = tmp_path_factory.mktemp("results") / "new" / "case"
    done = musclefm(
        "segment",
        "--channel", f"water={scan / 'water.nii.gz'}",
        "--channel", f"fat={scan / 'fat.nii.gz'}",
        "--model", model, "--out", out, "--progress", "json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, done


def facts(out: Path) -> dict[str, object]:
    """Return what the same input must give again: labels, regions and the input's hash."""
    return {
        "labels": sitk.GetArrayFromImage(sitk.ReadImage(out / "labels.nii.gz")).tobytes(),
        "regions": json.loads((out / "regions.json").read_text())["regions"],
        "muscles": (out / "muscles.csv").read_text(),
        "input": json.loads((out / "provenance.json").read_text())["input"],
    }


def fat_fractions(out: Path) -> list[str]:
    with (out / "muscles.csv").open(newline="") as file:
        return [row["Fat fraction [0-1]"] for row in csv.DictReader(file) if row["Volume [mL]"]]


def test_writes_all_results_and_nothing_else(segmented) -> None:
    out, _ = segmented
    assert {path.name for path in out.iterdir()} == RESULTS | OF_FAT_AND_WATER
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    for name in RESULTS | OF_FAT_AND_WATER:
        assert (out / name).stat().st_size > 0


def test_needs_no_torchvision(segmented, environment: Mapping[str, str]) -> None:
    whole = [sys.executable, "-c", "import segment_anything"]
    done = subprocess.run(whole, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr.endswith("ModuleNotFoundError: torchvision\n")


def test_images_lie_on_the_grid_of_the_input(segmented, scan: Path) -> None:
    out, _ = segmented
    wanted = read_volume(scan / "water.nii.gz").volume.grid
    for name in [*IMAGES, *OF_FAT_AND_WATER, "regions.nii.gz", "labels.seg.nrrd"]:
        found = read_stored(out / name, "a map").grid
        assert found.shape == wanted.shape
        assert np.allclose(found.ijk_to_ras, wanted.ijk_to_ras, atol=1e-5), name


def test_regions_lie_where_the_queue_says(segmented) -> None:
    out, _ = segmented
    ids = read_stored(out / "regions.nii.gz", "the regions").array
    regions = json.loads((out / "regions.json").read_text())["regions"]
    assert len(regions) == ids.max() > 0
    for region in regions:
        at = np.argwhere(ids == region["id"])[:, ::-1]
        assert len(at) == region["voxels"]
        assert np.stack([at.min(0), at.max(0)], axis=1).ravel().tolist() == region["bounds_ijk"]


def test_the_fat_fraction_is_that_of_the_table(segmented) -> None:
    out, _ = segmented
    fat = read_stored(out / "fat_fraction.nii.gz", "the fat fraction").array
    assert np.isnan(fat).any() and np.nanmin(fat) >= 0 and np.nanmax(fat) <= 1
    sided = read_stored(out / "labels.seg.nrrd", "the labels").array.astype(np.uint8)
    tally = MuscleTally(load_scheme("thigh-11"), len(sided))
    for k, labels in enumerate(sided):
        tally.count(k, labels, fat[k])
    measures = tally.measures(48.0)
    rows = muscles_from_csv((out / "muscles.csv").read_text())
    table = {(row.side, row.label_id): row for row in rows}
    seen = [measure for measure in measures if measure.fat_fraction is not None]
    assert seen
    for measure in seen:
        row = table[measure.side, measure.label_id]
        assert measure.volume_ml == pytest.approx(row.volume_ml, rel=1e-5)
        assert measure.fat_fraction == pytest.approx(row.fat_fraction, rel=1e-4)


def test_uncertainties_are_normalised_and_add_up(segmented) -> None:
    out, _ = segmented
    maps = {}
    for name in ("uncertainty", "aleatoric", "epistemic"):
        image = sitk.ReadImage(out / f"{name}.nii.gz")
        assert image.GetPixelID() == sitk.sitkFloat32
        maps[name] = sitk.GetArrayFromImage(image)
        assert maps[name].min() >= 0 and maps[name].max() <= 1
    assert maps["uncertainty"].max() > 0.1 and maps["epistemic"].max() > 0
    assert np.all(maps["uncertainty"] >= maps["epistemic"] - 1e-5)
    assert np.allclose(maps["uncertainty"], maps["aleatoric"] + maps["epistemic"], atol=1e-5)


def test_provenance_tells_what_made_the_results(segmented, model: Path, scan: Path) -> None:
    out, _ = segmented
    reported = json.loads((out / "provenance.json").read_text())
    assert reported["versions"]["musclefm"] == __version__
    assert {"python", "torch", "SimpleITK", "numpy"} <= reported["versions"].keys()
    assert reported["model"]["sha256"] == open_bundle(model).sha256
    assert reported["model"]["members"] == 2
    assert reported["parameters"].keys() >= {"device", "precision", "flag_rule"}
    assert re.fullmatch("[0-9a-f]{64}", reported["input"]["sha256"])
    assert reported["input"]["channels"] == ["fat", "water"]
    assert reported["input"]["voxels_sha256"] == {
        name: voxels_sha256(read_volume(scan / f"{name}.nii.gz").volume)
        for name in ("fat", "water")
    }


def test_progress_as_json_is_one_object_a_line_and_goes_forward(segmented) -> None:
    _, done = segmented
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(event.keys() == {"stage", "done", "total", "message"} for event in events)
    stages = list(dict.fromkeys(event["stage"] for event in events))
    assert stages == ["read", "load", "segment", "review", "write"]
    # No stage is gone back to, and within one the count only rises, to its end.
    assert [event["stage"] for event in events] == sorted(
        (event["stage"] for event in events), key=stages.index
    )
    for stage in stages:
        counts = [event["done"] for event in events if event["stage"] == stage]
        total = {event["total"] for event in events if event["stage"] == stage}
        assert counts == sorted(counts) and total == {counts[-1]}


def test_the_same_input_gives_the_same_results_from_any_format(
    segmented, scan: Path, model: Path, musclefm: Musclefm, tmp_path: Path
) -> None:
    out, _ = segmented
    for name in ("water", "fat"):
        write_volume(read_volume(scan / f"{name}.nii.gz").volume, tmp_path / f"{name}.nii")
    again = musclefm(
        "segment",
        "--channel", f"fat={tmp_path / 'fat.nii'}",
        "--channel", f"water={tmp_path / 'water.nii'}",
        "--model", model, "--out", tmp_path / "out", "--progress", "none",
    )  # fmt: skip
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert facts(tmp_path / "out") == facts(out)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_reads_nrrd_and_metaimage(
    suffix: str, scan: Path, model: Path, musclefm: Musclefm, tmp_path: Path
) -> None:
    image = read_volume(scan / "water.nii.gz").volume
    write_volume(image, tmp_path / f"scan{suffix}")
    done = musclefm(
        "segment", tmp_path / f"scan{suffix}", "--model", model, "--out", tmp_path / "out"
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == RESULTS
    found = read_volume(tmp_path / "out" / "labels.nii.gz").volume.grid
    assert np.allclose(found.ijk_to_ras, image.grid.ijk_to_ras, atol=1e-4)
    # One contrast alone tells no fat fraction.
    assert not any(fat_fractions(tmp_path / "out"))


def test_fat_fractions_need_fat_and_water(
    segmented, scan: Path, model: Path, musclefm: Musclefm, tmp_path: Path
) -> None:
    out, _ = segmented
    given = [float(value) for value in fat_fractions(out) if value]
    assert given and all(0 <= value <= 1 for value in given)

    water, fat = (read_volume(scan / f"{name}.nii.gz").volume for name in ("water", "fat"))
    write_volume(water.with_array(water.array + fat.array), tmp_path / "ip.nii.gz")
    write_volume(water.with_array(np.abs(water.array - fat.array)), tmp_path / "op.nii.gz")
    done = musclefm(
        "segment",
        "--channel", f"in-phase={tmp_path / 'ip.nii.gz'}",
        "--channel", f"out-of-phase={tmp_path / 'op.nii.gz'}",
        "--model", model, "--out", tmp_path / "out", "--progress", "none",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not any(fat_fractions(tmp_path / "out"))


def test_results_replace_those_of_an_earlier_run_and_nothing_else(
    segmented, scan: Path, model: Path, musclefm: Musclefm, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(segmented[0], out)
    (out / "mine.txt").write_text("kept")
    words = ["segment", scan / "water.nii.gz", "--model", model, "--progress", "none", "--out", out]
    done = musclefm(*words)
    assert done.returncode == 0, done.stderr
    # One contrast alone has no fat fraction: that of the earlier run would pass for it.
    assert {path.name for path in out.iterdir()} == RESULTS | {"mine.txt"}
    assert (out / "mine.txt").read_text() == "kept"
    listed = json.loads((out / "provenance.json").read_text())["files"]
    assert set(listed) == RESULTS - {"provenance.json"}
    for name, file in listed.items():
        assert file["sha256"] == hashlib.sha256((out / name).read_bytes()).hexdigest()

    (out / "labels.nii.gz").write_bytes(b"corrected by hand")
    again = musclefm(*words)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith("musclefm: labels.nii.gz in the folder for the results was")
    assert (out / "labels.nii.gz").read_bytes() == b"corrected by hand"


def test_demo_shows_where_to_look(musclefm: Musclefm, tmp_path: Path) -> None:
    done = musclefm("demo", "--out", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "demo").iterdir()} == RESULTS | OF_FAT_AND_WATER
    assert f"Open {tmp_path / 'demo' / 'report.html'} in a browser." in done.stdout
    first = json.loads((tmp_path / "demo" / "regions.json").read_text())["regions"][0]
    wrong = first["expected_wrong_voxels"]
    rows = [line.split("│") for line in done.stdout.splitlines()]
    row = next(row for row in rows if row[1:] and row[1].strip() == "1")
    assert "Expected wrong, mL" in done.stdout and row[-2].strip() == f"{wrong:.0f}"
    assert row[-3].strip() == f"{wrong * first['volume_mm3'] / first['voxels'] / 1000:.1f}"
    fractions = [float(value) for value in fat_fractions(tmp_path / "demo") if value]
    # It is a severe case.
    assert max(fractions) > 0.4
