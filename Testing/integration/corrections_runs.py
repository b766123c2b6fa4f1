"""Actions of ``musclefm corrections``, run on a case in a folder with a patient's name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from drawn_labels import SCHEME, drawn_labels

from musclefm.cli.main import main
from musclefm.exchange.seg_nrrd import write_seg_nrrd
from musclefm.volumes.reading import read_volume

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
