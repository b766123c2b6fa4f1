"""A results folder: nothing of the user's is replaced, and files of two runs are noticed."""

import json
import os
import sys

import pytest

from musclefm.errors import MuscleFMError
from musclefm.results.files import FAT_FRACTION_FILE, PROVENANCE_FILE, RESULT_FILES
from musclefm.results.folder import check_results_folder, staged_results, write_provenance
from musclefm.results.reading import read_provenance, require_unchanged

PROVENANCE = {
    "model": {"sha256": "a" * 64, "label_scheme": "thigh-11"},
    "input": {"sha256": "b" * 64},
}


def write(out, run, names=RESULT_FILES):
    with staged_results(out) as folder:
        for name in names:
            (folder / name).write_text(f"{name} of run {run}")
        write_provenance(folder, {**PROVENANCE, "run": run})


def content(folder):
    return {str(x.relative_to(folder)): x.read_bytes() for x in folder.rglob("*") if x.is_file()}


@pytest.fixture
def out(tmp_path):
    write(tmp_path / "out", 1)
    return tmp_path / "out"


def refused(out, inputs=()):
    before = content(out)
    with pytest.raises(MuscleFMError) as raised:
        check_results_folder(out, inputs)
    assert "\n" not in str(raised.value) and str(out) not in str(raised.value)
    assert content(out) == before
    return str(raised.value)


def test_the_provenance_names_every_file(out):
    files = json.loads((out / PROVENANCE_FILE).read_text())["files"]
    assert set(files) == {x.name for x in out.iterdir()} - {PROVENANCE_FILE} == set(RESULT_FILES)
    assert all(files[name]["bytes"] == (out / name).stat().st_size for name in files)
    require_unchanged(out, RESULT_FILES)


def test_own_results_are_replaced_and_what_lies_beside_them_stays(out):
    (out / "notes.txt").write_text("mine")
    (out / "mine").mkdir()
    write(out, 2, [name for name in RESULT_FILES if name != FAT_FRACTION_FILE])
    assert read_provenance(out)["run"] == 2
    require_unchanged(out)
    assert (out / "notes.txt").read_text() == "mine" and (out / "mine").is_dir()
    assert not (out / FAT_FRACTION_FILE).exists(), "that of the earlier run passes for this one's"
    assert len(list(out.iterdir())) == len(RESULT_FILES) - 1 + 3


@pytest.mark.parametrize("name", ["labels.nii.gz", "report.html", "notes.txt", PROVENANCE_FILE])
def test_a_folder_of_the_users_is_refused(tmp_path, name):
    (tmp_path / name).write_text("{}")
    assert "give a new or empty folder" in refused(tmp_path)
    with pytest.raises(MuscleFMError), staged_results(tmp_path):
        pytest.fail("the work begins")


@pytest.mark.parametrize("name", RESULT_FILES)
def test_a_result_that_the_user_changed_is_never_replaced(out, name):
    size = (out / name).stat().st_size
    (out / name).write_text("x" * size)
    assert name in refused(out)


def test_a_file_of_the_users_under_a_results_name_is_never_replaced(out):
    without = [name for name in RESULT_FILES if name != FAT_FRACTION_FILE]
    write(out, 2, without)
    (out / FAT_FRACTION_FILE).write_text("of the scanner")
    assert FAT_FRACTION_FILE in refused(out)
    with pytest.raises(MuscleFMError, match="fat_fraction"):
        require_unchanged(out)


def test_a_link_among_the_results_is_not_taken_for_one(out, tmp_path):
    (out / "labels.nii.gz").rename(tmp_path / "mine.nii.gz")
    (out / "labels.nii.gz").symlink_to(tmp_path / "mine.nii.gz")
    assert "labels.nii.gz" in refused(out)


def test_results_of_an_earlier_version_are_read_and_not_replaced(tmp_path):
    (tmp_path / PROVENANCE_FILE).write_text(json.dumps(PROVENANCE))
    (tmp_path / "labels.nii.gz").write_text("perhaps corrected by hand")
    assert read_provenance(tmp_path) == PROVENANCE
    require_unchanged(tmp_path)
    assert "earlier version" in refused(tmp_path)


def test_results_under_review_are_not_replaced(out):
    (out / "session.json").write_text("{}")
    assert "review" in refused(out)


def test_an_input_is_never_a_target(out, tmp_path):
    hard, soft = tmp_path / "hard.nii.gz", tmp_path / "soft.nii.gz"
    os.link(out / "uncertainty.nii.gz", hard)
    soft.symlink_to(out / "uncertainty.nii.gz")
    spelled = out / ".." / "out" / "uncertainty.nii.gz"
    for given in (out / "uncertainty.nii.gz", hard, soft, spelled, out):
        assert "replace the image" in refused(out, [given])
    (out / "scan.nii.gz").write_text("beside the results")
    check_results_folder(out, [out / "scan.nii.gz", tmp_path / "no such file"])


def test_a_changed_or_missing_file_is_said(out):
    (out / "muscles.csv").write_text("changed")
    with pytest.raises(MuscleFMError, match=r"muscles\.csv is not as it was written"):
        require_unchanged(out)
    require_unchanged(out, ["labels.seg.nrrd"])
    (out / "labels.seg.nrrd").unlink()
    with pytest.raises(MuscleFMError, match=r"labels\.seg\.nrrd is not"):
        require_unchanged(out, ["labels.seg.nrrd"])


def killed_at(step, action):
    """Run an action in a process that is killed just before its n-th change to the disk.

    Returns whether it was killed.
    """
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] != 0
    left = step

    def counted(event, arguments):
        nonlocal left
        changes = event in ("os.rename", "os.remove", "os.link", "os.rmdir", "os.mkdir")
        if changes or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), 9)

    sys.addaudithook(counted)
    action()
    os._exit(0)


@pytest.mark.skipif(sys.platform == "win32", reason="forking is POSIX")
@pytest.mark.parametrize("existing", ["none", "empty", "results"])
def test_a_kill_at_any_moment_leaves_old_or_new_or_what_a_reader_notices(tmp_path, existing):
    names = RESULT_FILES[4:]
    seen = set()
    for step in range(1000):
        out = tmp_path / str(step) / "out"
        out.parent.mkdir()
        if existing == "empty":
            out.mkdir()
        elif existing == "results":
            write(out, 1)
        if not killed_at(step, lambda out=out: write(out, 2, names)):
            break
        try:
            run = read_provenance(out)["run"]
            require_unchanged(out, RESULT_FILES)
        except MuscleFMError:
            run = "noticed"
        else:
            others = {x.name for x in out.iterdir() if not x.name.startswith(".")}
            expected = RESULT_FILES if run == 1 else names
            assert others == {*expected, PROVENANCE_FILE}
            assert all((out / x).read_text() == f"{x} of run {run}" for x in expected)
        seen.add(run)
        # The next run is not refused, and leaves nothing of the killed one.
        write(out, 3)
        require_unchanged(out, RESULT_FILES)
        assert {x.name for x in out.iterdir()} == {*RESULT_FILES, PROVENANCE_FILE}, step
        assert [x.name for x in out.parent.iterdir()] == ["out"], step
    assert step > 20
    assert seen == ({"noticed", 2} if existing != "results" else {1, "noticed", 2})
