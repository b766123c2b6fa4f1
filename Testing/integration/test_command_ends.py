"""A terminal of another encoding, closed streams and readers that leave cost no result."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

Ended = subprocess.CompletedProcess[bytes]
Run = Callable[..., Ended]


@pytest.fixture
def run(command: tuple[str, ...], environment: Mapping[str, str], tmp_path: Path) -> Run:
    """Return a function that runs a command line of the shell, with the command as ``$0 "$@"``."""

    def run(line: str, *arguments: object, **variables: str) -> Ended:
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line, *command, *map(str, arguments)],
            env={**environment, **variables},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=600,
            check=False,
        )

    return run


@pytest.fixture
def segmenting(scan: Path, model: Path) -> Sequence[object]:
    """Return the arguments that segment a small scan into ``out``."""
    return ["segment", scan / "water.nii.gz", "--model", model, "--out", "out"]


def assert_results(folder: Path) -> None:
    """Insist that all results are there and that nothing else is."""
    assert (folder / "out" / "report.html").is_file()
    assert (folder / "out" / "provenance.json").is_file()
    assert [path.name for path in folder.iterdir()] == ["out"]


def test_a_terminal_without_utf8_shows_what_was_found(
    run: Run, segmenting: Sequence[object], tmp_path: Path
) -> None:
    done = run('"$0" "$@"', *segmenting, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Expected wrong" in done.stdout and b"report.html" in done.stdout
    assert_results(tmp_path)


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "cp437"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
    ids=["code page", "C locale"],
)
def test_a_table_is_shown_in_any_encoding(run: Run, variables: Mapping[str, str]) -> None:
    done = run('"$0" "$@"', "models", "show", "thigh-demo", **variables)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Licence" in done.stdout


@pytest.mark.parametrize(
    "line",
    [
        '"$0" "$@" --progress json >&-',
        '"$0" "$@" --progress bar <&- >&- 2>&-',
        '"$0" "$@" --progress json | head -n 1',
        '"$0" "$@" --progress bar 2>&1 | true',
        '"$0" "$@" --progress json >/dev/full',
    ],
)
def test_results_are_kept_though_nobody_reads_of_them(
    run: Run, segmenting: Sequence[object], tmp_path: Path, line: str
) -> None:
    done = run(line, *segmenting)
    assert (done.returncode, done.stderr) == (0, b"")
    assert_results(tmp_path)
    for reported in done.stdout.splitlines():
        assert json.loads(reported)["stage"] == "read"


@pytest.mark.parametrize("arguments", [["models", "list"], ["inventory"], ["--help"]], ids=" ".join)
@pytest.mark.parametrize("line", ['"$0" "$@" | true', '"$0" "$@" >&-', '"$0" "$@" >&- 2>&-'])
def test_an_answer_that_nobody_reads_is_no_error(
    run: Run, arguments: Sequence[str], line: str
) -> None:
    done = run(line, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_an_answer_that_cannot_be_written_is_an_error(run: Run) -> None:
    done = run('"$0" "$@" >/dev/full', "models", "list")
    assert done.returncode == 2
    assert done.stderr.startswith(b"musclefm: ") and done.stderr.count(b"\n") == 1


def test_an_error_without_a_place_to_say_it_is_still_an_error(run: Run) -> None:
    assert run('"$0" "$@" 2>&-', "info", "nowhere.nii.gz").returncode == 2
    assert run('"$0" "$@" 2>&1 | true', "info", "nowhere.nii.gz").returncode == 2


def test_a_closed_output_is_no_number_for_the_next_file(run: Run, tmp_path: Path) -> None:
    done = run('"$0" "$@" >&- 2>&-', "phantom", "--out", "case", "--severity", "early")
    assert done.returncode == 0
    for path in (tmp_path / "case").iterdir():
        assert path.read_bytes()[:2] == b"\x1f\x8b"


def test_libraries_keep_their_warnings_to_themselves(
    command: tuple[str, ...], environment: Mapping[str, str]
) -> None:
    code = (
        "import logging, warnings, musclefm.cli.commands.info as info\n"
        "from musclefm.cli.main import main\n"
        "def run(arguments):\n"
        "    warnings.warn('/home/doe/scan')\n"
        "    logging.getLogger('pydicom').warning('/home/doe/scan')\n"
        "info.run = run\n"
        "main(['info', 'x'])\n"
    )
    done = subprocess.run(
        [command[0], "-c", code], env=environment, capture_output=True, timeout=600, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
