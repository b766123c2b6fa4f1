"""How far each case of a worklist is, kept between programs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_regions import made_region

from musclefm.errors import MuscleFMError
from musclefm.pipeline.series_choices import CHOICES_FILE, choice_text
from musclefm.pipeline.worklist import Worklist
from musclefm.pipeline.worklist_index import INDEX_FILE
from musclefm.review.queue import ReviewQueue
from musclefm.review.session import ReviewSession
from musclefm.review.session_file import save_session
from musclefm.volumes.formats.decoded import SeriesChoice
from musclefm.volumes.grid import Grid
from musclefm.volumes.volume import Volume

PROVENANCE = {
    "model": {"sha256": "a" * 64, "label_scheme": "thigh-11"},
    "input": {"sha256": "b" * 64},
}
GRID = Grid((3, 16, 16), (1.0, 1.0, 5.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def make(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        dicom = file.suffix in (".dcm", ".IMA") or file.name == "DICOMDIR"
        file.write_bytes(bytes(128) + b"DICM" if dicom else b"x")


@pytest.fixture
def scans(tmp_path):
    make(tmp_path / "scans", *(f"doe-{n}.nii" for n in range(1, 8)))
    return tmp_path / "scans"


@pytest.fixture
def worklist(scans, tmp_path):
    return Worklist(scans, tmp_path / "new" / "list")


def segmented(worklist, number, wrong):
    case = worklist.cases[number - 1]
    (worklist.case_folder(case) / "results").mkdir(parents=True)
    worklist.note(case, "ready", wrong)


def review(worklist, number, stored_sample=None):
    session = ReviewSession.of(
        ReviewQueue([made_region(1, 5.0)]), PROVENANCE, stored_sample=stored_sample
    )
    folder = worklist.case_folder(worklist.cases[number - 1]) / "results"
    save_session(folder, session, Volume(np.zeros(GRID.shape, np.uint8), GRID))


def listed(worklist, **options):
    return [(state.path.stem, state.status) for state in worklist.states(**options)]


def test_the_case_with_most_expected_errors_comes_first(worklist):
    for number, wrong in ((1, 10.0), (2, 300.0), (3, 20.0), (4, 500.0)):
        segmented(worklist, number, wrong)
    worklist.note(worklist.cases[5], "running")
    worklist.note(worklist.cases[6], "failed", fault="the image is damaged: copy it again")
    review(worklist, 3)
    review(worklist, 4, stored_sample="s1")
    assert listed(worklist) == [
        ("doe-2", "ready"), ("doe-3", "in review"), ("doe-1", "ready"), ("doe-6", "running"),
        ("doe-5", "waiting"), ("doe-7", "failed"), ("doe-4", "saved"),
    ]  # fmt: skip
    states = {state.path.stem: state for state in worklist.states()}
    assert states["doe-2"].expected_wrong_ml == 300.0
    assert states["doe-5"].expected_wrong_ml is None
    assert states["doe-7"].fault == "the image is damaged: copy it again"
    assert ("doe-6", "waiting") in listed(worklist, processing=False)


def test_a_saved_case_is_in_review_again_when_it_is_edited(worklist):
    segmented(worklist, 1, 1.0)
    review(worklist, 1, stored_sample="s1")
    review(worklist, 1)
    assert listed(worklist)[0] == ("doe-1", "in review")


def test_a_damaged_review_is_left_to_its_opening(worklist):
    segmented(worklist, 1, 1.0)
    (worklist.states()[0].results / "session.json").write_text("{")
    assert listed(worklist)[0] == ("doe-1", "in review")


def test_a_case_whose_results_were_removed_waits_again(worklist):
    segmented(worklist, 1, 1.0)
    worklist.states()[0].results.rmdir()
    assert {status for _, status in listed(worklist)} == {"waiting"}


def test_folders_keep_their_cases_and_name_no_patient(worklist, scans, tmp_path):
    segmented(worklist, 2, 4.0)
    before = {state.path: state.folder for state in worklist.states()}
    make(scans, "doe-0.nii")
    again = Worklist(scans, tmp_path / "new" / "list")
    after = {state.path: state.folder for state in again.states()}
    assert before.items() < after.items()
    assert len(set(after.values())) == 8
    assert not any("doe" in folder.name for folder in after.values())
    assert "doe" not in (tmp_path / "new" / "list" / INDEX_FILE).read_text()
    other = Worklist(scans, tmp_path / "other")
    assert not {folder.name for folder in after.values()} & {x.folder.name for x in other.states()}
    assert listed(again)[0] == ("doe-2", "ready")


def test_who_begins_to_segment_lets_the_failed_wait(worklist):
    segmented(worklist, 1, 1.0)
    worklist.note(worklist.cases[1], "failed", fault="x: y")
    worklist.note(worklist.cases[2], "running")
    worklist.forget_failed()
    assert [status for _, status in listed(worklist)] == ["ready", "running", *5 * ["waiting"]]
    assert worklist.known(worklist.cases[1]).fault == ""
    worklist.forget_running()
    assert listed(worklist)[1][1] == "waiting"


def test_a_case_that_another_program_runs_is_not_forgotten(worklist, scans):
    worklist.note(worklist.cases[2], "running")
    other = Worklist(scans, scans.parent / "new" / "list")
    other.note(other.cases[3], "running")
    other.forget_running()
    assert [status for _, status in listed(worklist)].count("running") == 1
    assert worklist.known(worklist.cases[2]).status == "running"


def test_series_and_echo_are_chosen_case_by_case(worklist, scans):
    """In the file of the folder, or one that is given; by options for all others."""
    names = [case.path.relative_to(scans).as_posix() for case in worklist.cases]
    assert all(case.choice == SeriesChoice() for case in worklist.cases)
    (scans / CHOICES_FILE).write_text(
        f"\ufeffcase;series;echo\n{names[1]};2;\n{names[2]};;3\n", "utf-8"
    )
    out = scans.parent / "new" / "list"
    chosen = Worklist(scans, out, choice=SeriesChoice(echo=1)).cases
    assert [choice_text(case.choice) for case in chosen[:4]] == [
        "echo 1", "series 2, echo 1", "echo 3", "echo 1",
    ]  # fmt: skip
    own = scans.parent / "own.csv"
    own.write_text(f'series,case\n5,"{names[0]}"\n')
    chosen = Worklist(scans, out, choices=own).cases
    assert [choice_text(case.choice) for case in chosen[:3]] == ["series 5", "", ""]


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("case,series\nnobody.nii,1\n", "names 1 case that the folder of scans does not hold"),
        ("case,series\n,1\n", "line 2 of the file of choices names no case"),
        ("case,series\na,1\na,2\n", "line 3 of the file of choices names no case, or one for"),
        ("case,echo\na,first\n", "cannot be understood"),
        ("case,echo\na,0\n", "cannot be understood"),
        ("name,echo\na,1\n", "cannot be understood"),
        ("case,echo,size\na,1,2\n", "cannot be understood"),
        ("", "cannot be understood"),
        ("case,series\na,1,2,3\n", "cannot be understood"),
        (None, "cannot be read"),
    ],
)
def test_choices_that_do_not_fit_are_refused_in_a_line(scans, tmp_path, text, reported):
    file = tmp_path / "jane doe.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(MuscleFMError, match=reported) as raised:
        Worklist(scans, tmp_path / "list", choices=file)
    assert "\n" not in str(raised.value) and "jane" not in str(raised.value)
    assert not (tmp_path / "list").exists()


@pytest.mark.parametrize("version", [1, 2])
def test_an_index_of_an_earlier_version_is_read(worklist, tmp_path, version):
    index = tmp_path / "new" / "list" / INDEX_FILE
    segmented(worklist, 1, 1.0)
    document = json.loads(index.read_text())
    for case in document["cases"]:
        del case["choice"], case["expected_wrong_ml"]
        case["expected_wrong_voxels"] = 100.0
    index.write_text(json.dumps(document | {"schema_version": version}))
    assert listed(worklist)[0][1] == "ready"
    worklist.note(worklist.cases[1], "running")
    assert json.loads(index.read_text())["schema_version"] == 3
    assert worklist.known(worklist.cases[1]).choice == ""


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        ({"schema_version": 0}, "has format 0, and this version"),
        ({"schema_version": 4}, "has format 4, and this version"),
        ({"salt": "x"}, "is damaged"),
        ({"cases": [{"key": "../..", "status": "ready"}]}, "is damaged"),
    ],
)
def test_a_worklist_that_cannot_be_read_is_said_in_words(
    worklist, scans, tmp_path, change, reported
):
    index = tmp_path / "new" / "list" / INDEX_FILE
    index.write_text(json.dumps({**json.loads(index.read_text()), **change}))
    for call in (worklist.states, lambda: Worklist(scans, index.parent)):
        with pytest.raises(MuscleFMError, match=reported) as raised:
            call()
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "reported"), [(b"[" * 100_000, "is damaged"), (None, "it is a FIFO")]
)
def test_an_index_is_read_within_bounds(worklist, tmp_path, content, reported):
    index = tmp_path / "new" / "list" / INDEX_FILE
    index.unlink()
    if content:
        index.write_bytes(content)
    elif hasattr(os, "mkfifo"):
        os.mkfifo(index)
    else:
        pytest.skip("the system has no FIFOs")
    with pytest.raises(MuscleFMError, match=reported):
        worklist.states()


def test_a_worklist_needs_a_folder_of_its_own_that_can_be_written(scans):
    with pytest.raises(MuscleFMError, match="among the scans"):
        Worklist(scans, scans)
    make(scans.parent / "mine", "notes.txt")
    with pytest.raises(MuscleFMError, match="not empty"):
        Worklist(scans, scans.parent / "mine")
    with pytest.raises(MuscleFMError, match="cannot be made"):
        Worklist(scans, scans / "doe-1.nii" / "list")


def test_a_worklist_that_another_program_is_about_to_make_is_shared(scans):
    make(scans.parent / "new", ".lock")
    one, other = (Worklist(scans, scans.parent / "new") for _ in range(2))
    assert one.key(one.cases[0]) == other.key(other.cases[0])


def test_a_worklist_can_be_looked_at_where_torch_is_not_installed():
    code = "import sys, musclefm.pipeline.worklist; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
