"""What the library logs, where a command lets it be heard, and what is never overwritten by it."""

import logging
import os
import stat
import subprocess
import sys

import pytest
from made_report_case import ensemble
from tiny_ensemble import tiny_bundle

import musclefm
from musclefm.cli.main import main
from musclefm.volumes.writing import write_volume

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX file modes")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))


@pytest.fixture
def log(tmp_path):
    return tmp_path / "run.log"


def models(*options):
    """Run a quick command with options after its name, and return the exit code."""
    return main(["models", "list", *map(str, options)])


def test_the_library_is_silent_unless_a_program_listens():
    (handler,) = logging.getLogger("musclefm").handlers
    assert isinstance(handler, logging.NullHandler)
    code = "import logging, musclefm; logging.getLogger('musclefm.x').error('reported')"
    command = [sys.executable, "-c", code]
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": ""}
    result = subprocess.run(command, env=environment, capture_output=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def test_a_program_hears_what_is_done(tmp_path, caplog):
    logging.disable(logging.NOTSET)
    bundle = tiny_bundle(tmp_path / "tiny", 1)
    with caplog.at_level(logging.INFO, "musclefm"):
        case = musclefm.segment(ensemble()[1], model=bundle, device="cpu", out=tmp_path / "out")
    reported = {record.name: record.getMessage() for record in caplog.records}
    assert "tiny" in caplog.text and str(tmp_path) not in caplog.text
    assert str(len(case.regions)) in reported["musclefm.pipeline.segment"]
    assert all(name.startswith("musclefm.") for name in reported)


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_the_options_stand_before_or_after_the_command(place, log, capsys):
    options = ["--verbose", "--log-file", str(log)]
    at = {"before": 0, "between": 1, "after": 2}[place]
    command = ["models", "list"]
    assert main([*command[:at], *options, *command[at:]]) == 0
    first, *lines = log.read_text().splitlines()
    assert first.startswith("# Log of musclefm")
    assert lines[0].endswith(f"INFO musclefm.cli.main: musclefm {musclefm.__version__}: models")
    assert lines[-1].endswith("INFO musclefm.cli.main: done")
    assert lines[0] in capsys.readouterr().err


def test_without_the_options_nothing_is_reported(log, capsys):
    assert models() == 0
    assert capsys.readouterr().err == "" and not log.exists()


@POSIX
def test_a_log_is_for_its_owner_alone_and_is_added_to(log):
    assert models("--log-file", log) == 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    once = log.read_bytes()
    log.chmod(0o644)
    assert models("--log-file", log) == 0
    assert log.read_bytes().startswith(once) and len(log.read_bytes()) > len(once)
    assert log.read_bytes().count(b"# Log of musclefm") == 1
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_the_error_of_a_command_is_in_its_log(log, capsys):
    assert (
        main(["segment", "no such scan", "--out", str(log.parent / "out"), "--log-file", str(log)])
        == 2
    )
    assert "ERROR musclefm.cli.main: the image does not exist: check the path" in log.read_text()
    assert "the image does not exist" in capsys.readouterr().err


def made_link(path):
    (path.parent / "target").write_text("mine")
    path.symlink_to(path.parent / "target")


def made_dangling_link(path):
    path.symlink_to(path.parent / "nowhere")


def made_second_name(path):
    assert models("--log-file", path.parent / "first.log") == 0
    os.link(path.parent / "first.log", path)


FOREIGN = {
    "folder": lambda path: path.mkdir(),
    "text": lambda path: path.write_text("Findings of Mr Doe\n"),
    "link": made_link,
    "dangling link": made_dangling_link,
    "second name": made_second_name,
    "pipe": lambda path: os.mkfifo(path),
    "device": lambda path: path.symlink_to("/dev/null"),
}


@POSIX
@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_log_of_ours_is_left_alone(kind, log, capsys):
    FOREIGN[kind](log)
    before = {x: x.read_bytes() for x in log.parent.iterdir() if x.is_file()}
    assert models("--log-file", log) == 2
    reported = capsys.readouterr().err
    assert "the log file is not a log of musclefm: give a new file" in reported
    assert str(log) not in reported and reported.count("\n") == 1
    assert {x: x.read_bytes() for x in log.parent.iterdir() if x.is_file()} == before


def test_a_log_in_a_folder_that_is_not_there_is_refused_before_any_work(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["phantom", "--out", str(out), "--log-file", str(tmp_path / "no" / "x.log")]) == 2
    assert "the log file cannot be written" in capsys.readouterr().err
    assert not out.exists()


def test_a_log_names_no_scan_and_holds_no_control_characters(tmp_path, log, capsys):
    bundle = tiny_bundle(tmp_path / "tiny", 1)
    scan = tmp_path / "doe-john-19700101.nrrd"
    write_volume(ensemble()[1], scan)
    command = ["segment", str(scan), "--model", str(bundle.folder), "--out", str(tmp_path / "doe")]
    assert main([*command, "--progress", "none", "--log-file", str(log), "--device", "cpu"]) == 0
    text = log.read_text()
    assert "segmenting 140 x 72 x 9 voxels" in text and "doe" not in text.lower()
    lines = text.count("\n")

    def evil(*ignored):
        logging.getLogger("musclefm.evil").info("a\x1b]0;b\x07\nc\x9b\u202e%s", "d\rE\x00")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("musclefm.cli.main.clear_leftovers_of_user_data", evil)
        models("--log-file", log, "--verbose")
    added = log.read_text().splitlines()[lines:]
    (line,) = [line for line in added if "musclefm.evil" in line]
    assert line.isprintable() and "a" in line and "E" in line
    assert all(line.isprintable() for line in added)
    assert "\x1b" not in capsys.readouterr().err


def test_other_libraries_are_not_heard(log, capsys, monkeypatch):
    def evil(*ignored):
        for name in ("pydicom", "made.meanwhile"):
            logging.getLogger(name).error("/home/doe/scan")

    monkeypatch.setattr("musclefm.cli.main.clear_leftovers_of_user_data", evil)
    assert models("--log-file", log, "--verbose") == 0
    assert "doe" not in log.read_text() + capsys.readouterr().err
    assert not logging.getLogger("made.meanwhile").disabled
    assert logging.getLoggerClass() is logging.Logger
