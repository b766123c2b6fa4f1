"""A place that results cannot be put into is refused in one line, and nothing is left behind."""

from __future__ import annotations

import resource
import shutil
import subprocess
from pathlib import Path

import pytest
from refusals import Refused


def test_a_bad_place_for_results_is_reported_before_the_image_is_read(
    refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    for command in (("segment", "no-image.nii.gz"), ("demo",)):
        assert "is that of a file" in refused(*command, "--out", "file")
        assert "cannot be written" in refused(*command, "--out", "file/out")
    assert "taken already" in refused("phantom", "--out", "file")
    assert "cannot be written" in refused("phantom", "--out", "file/out")


def test_a_folder_without_access_is_refused(
    scan: Path, unprivileged: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    image = tmp_path / "hidden.nii.gz"
    shutil.copy(scan / "water.nii.gz", image)
    image.chmod(0)
    for given, out, cause in (
        (scan / "water.nii.gz", locked / "new" / "out", "results cannot be written"),
        (scan / "water.nii.gz", locked, "results cannot be written"),
        (image, tmp_path / "out", "cannot be opened"),
    ):
        done = subprocess.run(
            [*unprivileged, "segment", str(given), "--out", str(out)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert cause in done.stderr and done.stderr.startswith("musclefm: ")
    assert sorted(tmp_path.iterdir()) == [image, locked] and not list(locked.iterdir())


@pytest.mark.parametrize("out", [".", "new/out"])
def test_a_full_disk_is_reported(
    out: str, scan: Path, model: Path, refused_process: Refused, small_disk: Path
) -> None:
    image = scan / "water.nii.gz"
    said = refused_process("segment", image, "--model", model, "--out", small_disk / out)
    assert "disk is full" in said
    assert not list(small_disk.iterdir())


def test_a_file_that_may_not_grow_is_reported_like_a_full_disk(
    scan: Path, model: Path, refused_process: Refused
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    image = scan / "water.nii.gz"
    said = refused_process("segment", image, "--model", model, "--out", "out", preexec_fn=limit)
    assert "disk is full" in said
