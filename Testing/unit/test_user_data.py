"""What belongs to the user can be entered by nobody else."""

import os
import stat

import pytest
from made_corrections import corrected_case

from musclefm.corrections.store import CorrectionStore, default_store_folder
from musclefm.models.versions import sole_writer, user_versions_folder, write_order_of_use
from musclefm.pipeline.worklist import Worklist
from musclefm.storage.user_data import HOME_VARIABLE, make_private_folder, user_data_folder
from musclefm.training.learning.folder import LearningFolder, LearningPlan, default_learning_folder
from musclefm.training.learning.samples import note_learned

pytestmark = pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")


def rights(folder):
    return stat.S_IMODE(folder.stat().st_mode)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "share" / "musclefm"))
    before = os.umask(0o002)
    yield
    os.umask(before)


def test_all_missing_folders_are_private_and_those_that_are_there_stay(tmp_path):
    (tmp_path / "group").mkdir(mode=0o775)
    make_private_folder(tmp_path / "group" / "a" / "b")
    make_private_folder(tmp_path / "group")
    assert rights(tmp_path / "group") == 0o775
    assert rights(tmp_path / "group" / "a") == rights(tmp_path / "group" / "a" / "b") == 0o700


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_private_folder(tmp_path / "file")


def test_the_store_and_all_that_is_above_it_are_private():
    CorrectionStore().add(corrected_case())
    assert rights(default_store_folder()) == rights(user_data_folder()) == 0o700


def test_installed_versions_are_private():
    with sole_writer():
        write_order_of_use("thigh-demo", ["base"])
    assert rights(user_versions_folder()) == rights(user_data_folder()) == 0o700


def test_what_was_learned_from_is_private():
    note_learned("0" * 64, frozenset({"sample"}))
    (folder,) = user_data_folder().iterdir()
    assert rights(folder) == 0o700


def test_a_worklist_is_private(tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "one.nii.gz").touch()
    Worklist(scans, tmp_path / "new" / "worklist")
    assert rights(tmp_path / "new" / "worklist") == 0o700


def test_a_learning_is_private():
    folder = default_learning_folder("thigh-demo")
    LearningFolder(folder).begin(LearningPlan(start="0" * 64, samples=("sample",), recipe={}))
    assert rights(folder) == rights(folder.parent) == rights(user_data_folder()) == 0o700
