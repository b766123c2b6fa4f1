"""``musclefm corrections`` as a user runs it: real images in, training data out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from drawn_labels import SCHEME, drawn_labels

from musclefm.cli.main import main
from musclefm.corrections.store import CorrectionStore
from musclefm.exchange.read_labels import read_labels
from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.volumes.grid import Grid
from musclefm.volumes.reading import read_volume
from musclefm.volumes.stored import read_stored
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

Musclefm = Callable[..., subprocess.CompletedProcess[str]]
Corrections = Callable[..., "Done"]
SECRET = "Rossi-Mario"


@pytest.fixture
def case(scan: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return an image and sided labels of it, in a folder with a patient's name."""
    folder = tmp_path / SECRET
    folder.mkdir()
    shutil.copy(scan / "water.nii.gz", folder / "image.nii.gz")
    labels = drawn_labels(read_volume(folder / "image.nii.gz").volume.grid)
    write_seg_nrrd(folder / "labels.seg.nrrd", labels, SCHEME)
    return folder / "image.nii.gz", folder / "labels.seg.nrrd"


@dataclass(frozen=True)
class Done:
    """What came of a command."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Return a function that runs an action in this process, which starts in no time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(action: str, *arguments: object, store: object = "store") -> Done:
        capsys.readouterr()
        code = main(["corrections", action, "--store", str(store), *map(str, arguments)])
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def corrections(run_here: Callable[..., Done]) -> Callable[..., Done]:
    """Return a function that runs an action on the store ``store``, with success."""

    def run(action: str, *arguments: object) -> Done:
        done = run_here(action, *arguments)
        assert done.returncode == 0, done.stderr
        assert SECRET not in done.stdout + done.stderr
        return done

    return run


def add_options(case: tuple[Path, Path]) -> tuple[object, ...]:
    return "--image", case[0], "--labels", case[1]


def content(folder: Path) -> dict[str, bytes | None]:
    """Return all that lies under a folder, hidden or not, but the empty file of a lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.name != ".lock"
    }


def test_from_added_work_to_training_data(
    case: tuple[Path, Path], corrections: Corrections, tmp_path: Path
) -> None:
    image, labels = read_volume(case[0]).volume, drawn_labels(read_volume(case[0]).volume.grid)
    given = add_options(case)
    first = corrections("add", *given).stdout.strip()
    told = ("--reviewed", "slices", "--slices", "1-2,4", "--reader", "reader-3")
    second = corrections("add", *given, *told).stdout.strip()
    store = CorrectionStore(tmp_path / "store")
    assert store.ids() == tuple(sorted({first, second}))
    assert store.sample(second).record.parent == first
    loaded = store.load(second)
    np.testing.assert_array_equal(loaded.channels["image"].array, image.array)
    np.testing.assert_array_equal(loaded.labels.array, labels.array)

    listed = corrections("list").stdout
    assert first in listed and second in listed and "reader-3" in listed and "3 slices" in listed
    shown = corrections("show", second).stdout
    assert first in shown and "reader-3" in shown and "labels.nrrd" in shown
    assert "2 samples" in corrections("verify").stdout

    corrections("export", "--format", "monai", "--out", "monai")
    document = json.loads((tmp_path / "monai" / "datalist.json").read_text())
    (item,) = document["training"]
    exported = read_stored(tmp_path / "monai" / item["label"], "labels").array
    muscle = np.where(labels.array > 11, labels.array - 11, labels.array)
    for k in range(len(muscle)):
        np.testing.assert_array_equal(exported[k], muscle[k] if k in (1, 2, 4) else 255)
    assert item["subject"] == loaded.case_key

    corrections("export", second, "--format", "nnunet", "--out", "nnunet", "--sided")
    (file,) = (tmp_path / "nnunet").rglob("labelsTr/*.nii.gz")
    values = np.unique(read_stored(file, "labels").array[[1, 2, 4]])
    assert values.tolist() == list(range(23))

    corrections("export", first, second, "--format", "nifti", "--out", "nifti")
    corrections("export", first, "--format", "seg.nrrd", "--out", "segmentations")
    for folder, name in (("nifti", "labels.nii.gz"), ("segmentations", "labels.seg.nrrd")):
        read = read_labels(tmp_path / folder / first / name, SCHEME).volume
        np.testing.assert_array_equal(read.array, labels.array)
        assert read.grid.matches(image.grid)
    assert (tmp_path / "nifti" / second / "image-image.nii.gz").is_file()

    corrections("remove", first)
    assert store.ids() == (second,)
    assert "1 sample," in corrections("verify").stdout


def test_muscles_that_were_reviewed_are_named_as_in_tables(
    case: tuple[Path, Path], corrections: Corrections, tmp_path: Path
) -> None:
    named = ("--reviewed", "muscles", "--muscles", "left_vastus_lateralis,GR")
    done = corrections("add", *add_options(case), "--model-labels", case[1], *named)
    record = CorrectionStore(tmp_path / "store").sample(done.stdout.strip()).record
    assert record.reviewed.muscles == (7, 3 + 11, 7 + 11)


def test_results_bring_the_models_labels_and_their_provenance(
    case: tuple[Path, Path],
    model: Path,
    musclefm: Musclefm,
    corrections: Corrections,
    tmp_path: Path,
) -> None:
    results = tmp_path / f"{SECRET}-results"
    done = musclefm("segment", case[0], "--model", model, "--out", results)
    assert done.returncode == 0, done.stderr
    given = (*add_options(case), "--results", results, "--reviewed", "all")
    name = corrections("add", *given).stdout.strip()
    loaded = CorrectionStore(tmp_path / "store").load(name)
    assert loaded.model_labels is not None and loaded.uncertainty is not None
    sides = loaded.model_labels.array > len(SCHEME.labels)
    ids = read_stored(results / "labels.nii.gz", "labels").array
    np.testing.assert_array_equal(loaded.model_labels.array - 11 * sides, ids)
    stored = read_stored(results / "uncertainty.nii.gz", "uncertainty").array
    np.testing.assert_array_equal(loaded.uncertainty.array, stored)
    written = json.loads((results / "provenance.json").read_text())
    kept = json.loads(json.dumps(loaded.provenance))
    assert kept["versions"] == written["versions"]
    assert kept["parameters"] == written["parameters"]
    assert kept["model"]["sha256"] == written["model"]["sha256"]
    assert "input" not in kept


def flip_a_bit(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


class TestRefused:
    @pytest.fixture
    def refused(self, run_here: Callable[..., Done], tmp_path: Path) -> Callable[..., str]:
        """Return a function that runs an action that is to be refused, and returns the line."""

        def run(action: str, *arguments: object, store: object = "store", out: str = "") -> str:
            before = content(tmp_path)
            done = run_here(action, *arguments, store=store)
            assert done.returncode == 2, done.stdout + done.stderr
            assert out in done.stdout if out else done.stdout == ""
            assert done.stderr.count("\n") == 1 and done.stderr.startswith("musclefm: ")
            assert done.stderr.count(": ") >= 2
            assert SECRET not in done.stderr and str(tmp_path) not in done.stderr
            assert content(tmp_path) == before
            return done.stderr

        return run

    def test_a_store_that_is_not_there(self, refused: Callable[..., str]) -> None:
        assert "no store" in refused("list")
        assert "no store" in refused("verify")
        for action in ("show", "remove"):
            assert "no store" in refused(action, "01234567-0123456789abcdef")
        assert "no store" in refused("export", "--format", "monai", "--out", "out")

    def test_bad_cases(
        self, refused: Callable[..., str], case: tuple[Path, Path], scan: Path, tmp_path: Path
    ) -> None:
        image, labels = case
        given = add_options(case)
        labels_of = read_labels(labels, SCHEME).volume
        grid = labels_of.grid
        moved = Grid(grid.shape, grid.spacing, (0.0, 0.0, 0.0), grid.direction)
        other, foreign = tmp_path / "other.nrrd", tmp_path / "foreign.nrrd"
        write_volume(Volume(labels_of.array, moved), other)
        write_volume(labels_of.with_array(labels_of.array + np.uint8(100)), foreign)
        assert "--scheme" in refused("add", "--image", image, "--labels", other)
        of_scheme = ("--image", image, "--scheme", SCHEME.name, "--labels")
        assert "another grid" in refused("add", *of_scheme, other)
        assert "another grid" in refused("add", *given, "--model-labels", other)
        assert "does not know" in refused("add", *of_scheme, foreign)
        assert "unknown label scheme" in refused("add", *given, "--scheme", "calf-7")
        assert "no results" in refused("add", *given, "--results", scan)
        assert "go together" in refused("add", *given, "--slices", "1")
        assert "go together" in refused("add", *given, "--reviewed", "muscles")
        slices = (*given, "--reviewed", "slices", "--slices")
        assert "no list of slices" in refused("add", *slices, "one")
        assert "not there" in refused("add", *slices, "1-77")
        assert "no muscle" in refused("add", *given, "--reviewed", "muscles", "--muscles", "psoas")
        assert "pseudonym" in refused("add", *given, "--reader", SECRET.replace("-", " "))
        assert "no sample" in refused("add", *given, "--parent", "01234567-0123456789abcdef")
        assert "one input" in refused("add", "--labels", labels)
        assert "does not exist" in refused("add", "--image", "no.nii", "--labels", labels)
        assert "holds other things" in refused("add", *given, store=".")

    def test_damage(
        self,
        refused: Callable[..., str],
        corrections: Corrections,
        case: tuple[Path, Path],
        tmp_path: Path,
    ) -> None:
        samples = tmp_path / "store" / "samples"
        given = (*add_options(case), "--reviewed", "all")
        first, second, third = (corrections("add", *given).stdout.strip() for _ in range(3))
        flip_a_bit(samples / first / "sample.json")
        flip_a_bit(samples / second / "labels.nrrd")
        assert "2 of 4" in refused("verify", out=f"{second}: labels.nrrd has changed")
        assert "sample.json has changed" in refused("show", first)
        assert "1 more sample is damaged" in refused("list", out=third)
        export = ("--format", "nifti", "--out", "out")
        assert "labels.nrrd has changed" in refused("export", second, *export)
        assert "sample.json has changed" in refused("export", third, first, *export)
        corrections("export", third, *export)
        corrections("remove", first, second)
        assert "1 sample," in corrections("verify").stdout

    def test_exports_that_cannot_be(
        self,
        refused: Callable[..., str],
        corrections: Corrections,
        case: tuple[Path, Path],
        tmp_path: Path,
    ) -> None:
        name = corrections("add", *add_options(case)).stdout.strip()
        assert "no case" in refused("export", "--format", "monai", "--out", "out")
        dicom = ("--format", "dicom", "--out", "out")
        assert "one sample at a time" in refused("export", name, *dicom)
        assert "no DICOM series" in refused("export", name, *dicom, "--image", case[0])
        assert "not empty" in refused("export", "--format", "nifti", "--out", "store")
        assert "no sample" in refused("export", "nothing", "--format", "nifti", "--out", "out")
        assert "no sample" in refused("remove", name, "nothing")

    @pytest.fixture
    def small_disk(self, tmp_path: Path) -> Iterator[Path]:
        """Return a disk of 64 kB."""
        disk = tmp_path / "disk"
        disk.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)],
            capture_output=True, check=False,
        )  # fmt: skip
        if mounted.returncode:
            pytest.skip("a small disk cannot be mounted here")
        yield disk
        subprocess.run(["umount", str(disk)], check=True)

    def test_a_full_disk(
        self, refused: Callable[..., str], case: tuple[Path, Path], small_disk: Path
    ) -> None:
        for store in (small_disk, small_disk / "deep" / "store"):
            assert "disk is full" in refused("add", *add_options(case), store=store)
            assert not list(small_disk.iterdir())


def test_a_store_that_may_only_be_read(
    corrections: Corrections,
    case: tuple[Path, Path],
    command: tuple[str, ...],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    name = corrections("add", *add_options(case), "--reviewed", "all").stdout.strip()
    store = tmp_path / "store"
    for path in (store, *store.rglob("*")):
        path.chmod(0o500 if path.is_dir() else 0o400)
    before = content(tmp_path)
    unprivileged = command
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root may write anywhere, and setpriv is not here")
        rights = "-dac_override,-dac_read_search"
        unprivileged = ("setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *command)

    def run(action: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        given = (*unprivileged, "corrections", action, "--store", store, *arguments)
        return subprocess.run(
            list(map(str, given)), env=environment, capture_output=True, text=True, check=False
        )

    for action, arguments in (("add", add_options(case)), ("remove", (name,))):
        done = run(action, *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert "cannot be written" in done.stderr and SECRET not in done.stderr
    assert content(tmp_path) == before
    assert "every file as it was saved" in run("verify").stdout
    assert name in run("list").stdout
    assert run("show", name).returncode == 0
    exported = run("export", "--format", "nifti", "--out", tmp_path / "out")
    assert exported.returncode == 0, exported.stderr
