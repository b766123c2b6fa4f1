"""Corrections that cannot be kept or exported are refused in one line, and nothing changes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from corrections_runs import SECRET, Corrections, Done, add_options
from drawn_labels import SCHEME
from refusals import content

from musclefm.exchange.read_labels import read_labels
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume
from musclefm.volumes.writing import write_volume

Musclefm = Callable[..., subprocess.CompletedProcess[str]]


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

    def test_a_full_disk(
        self, refused: Callable[..., str], case: tuple[Path, Path], small_disk: Path
    ) -> None:
        for store in (small_disk, small_disk / "deep" / "store"):
            assert "disk is full" in refused("add", *add_options(case), store=store)
            assert not list(small_disk.iterdir())


def test_a_store_that_may_only_be_read(
    corrections: Corrections,
    case: tuple[Path, Path],
    unprivileged: tuple[str, ...],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    name = corrections("add", *add_options(case), "--reviewed", "all").stdout.strip()
    store = tmp_path / "store"
    for path in (store, *store.rglob("*")):
        path.chmod(0o500 if path.is_dir() else 0o400)
    before = content(tmp_path)

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
