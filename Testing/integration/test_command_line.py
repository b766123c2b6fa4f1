"""Commands as a user runs them: in a terminal or piped, with help, on models and phantoms."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from musclefm import __version__
from musclefm.models.bundle import open_bundle

Musclefm = Callable[..., subprocess.CompletedProcess[str]]

COMMANDS = (
    [], ["demo"], ["segment"], ["info"], ["models"], ["models", "list"], ["models", "show"],
    ["models", "import"], ["phantom"], ["train-demo"], ["worklist"],
)  # fmt: skip


def in_terminal(arguments: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a command whose output goes to a terminal, and return its exit code and output."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        arguments,
        env=environment | {"TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    output = b""
    # Linux tells of the end of a terminal by an error.
    try:
        while chunk := os.read(ours, 65536):
            output += chunk
    except OSError:
        pass
    os.close(ours)
    return process.wait(), output.decode()


def test_a_terminal_shows_bars_the_table_and_where_to_look(
    scan: Path,
    model: Path,
    command: tuple[str, ...],
    environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    out = tmp_path / "results [1]"
    code, output = in_terminal(
        [*command, "segment", str(scan / "water.nii.gz"), "--model", str(model), "--out", str(out)],
        environment,
    )
    assert code == 0, output
    assert "\x1b[" in output and "segment" in output
    assert "What to check first" in output
    assert f"Open {out / 'report.html'} in a browser." in output
    assert "Not for clinical use" in output
    # The cursor is hidden while bars are drawn, and must come back.
    assert output.rfind("\x1b[?25h") > output.rfind("\x1b[?25l")


def test_piped_output_is_plain(scan: Path, model: Path, musclefm: Musclefm, tmp_path: Path) -> None:
    done = musclefm("segment", scan / "fat.nii.gz", "--model", model, "--out", tmp_path / "out")
    assert done.returncode == 0
    assert "What to check first" in done.stdout and "report.html" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help(words: list[str], musclefm: Musclefm) -> None:
    done = musclefm(*words, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(" ".join(["usage: musclefm", *words]))


def test_tells_its_version_without_waiting_for_torch(musclefm: Musclefm) -> None:
    done = musclefm("--version")
    assert (done.returncode, done.stdout) == (0, f"musclefm {__version__}\n")


def test_info_tells_geometry_and_choices_but_no_identity(shared: Path, musclefm: Musclefm) -> None:
    done = musclefm("info", shared / "scans" / "thigh-mese-dicom")
    assert (done.returncode, done.stderr) == (0, "")
    assert "MR" in done.stdout and "17 echoes" in done.stdout and "CALF" in done.stdout
    assert re.search(r"sha256 +[0-9a-f]{64}$", done.stdout, re.MULTILINE)
    assert "thigh-mese-dicom" not in done.stdout


def test_models_are_listed_and_shown(model: Path, musclefm: Musclefm, environment) -> None:
    own = Path(environment["MUSCLEFM_HOME"]) / "models"
    shutil.copytree(model, own / "tiny")
    shutil.copytree(model, own / "broken")
    (own / "broken" / "member-0.safetensors").unlink()
    try:
        listed = musclefm("models", "list")
        by_name = musclefm("models", "show", "tiny")
    finally:
        shutil.rmtree(own)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "tiny" in listed.stdout and "user" in listed.stdout
    assert "broken" in listed.stdout and "missing" in listed.stdout
    by_folder = musclefm("models", "show", model)
    assert by_folder.returncode == by_name.returncode == 0
    assert by_folder.stdout == by_name.stdout
    assert "Not for clinical use" in by_folder.stdout
    assert open_bundle(model).sha256 in by_folder.stdout


def test_phantom_renders_a_case_that_info_reads(musclefm: Musclefm, tmp_path: Path) -> None:
    done = musclefm("phantom", "--out", tmp_path / "case", "--severity", "early", "--seed", 3)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "case") in done.stdout
    assert {path.name for path in (tmp_path / "case").iterdir()} == {
        "water.nii.gz", "fat.nii.gz", "labels.nii.gz",
    }  # fmt: skip
    reported = musclefm("info", tmp_path / "case" / "water.nii.gz").stdout
    assert re.search(r"Thighs found +2$", reported, re.MULTILINE)
