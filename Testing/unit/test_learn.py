"""A model learns from a store of corrections, stopped or not, and is compared and installed."""

from dataclasses import replace

import pytest
from made_training import SHORT, labelled_case, made_store
from tiny_ensemble import tiny_bundle

from musclefm.corrections.case import Reviewed
from musclefm.corrections.store import CorrectionStore
from musclefm.errors import MuscleFMError
from musclefm.evaluation.comparison import Comparison
from musclefm.inference.device import choose_runtime
from musclefm.models.bundle import open_bundle
from musclefm.models.installation import install_version, roll_back
from musclefm.models.registry import find_bundle
from musclefm.progress import silent
from musclefm.storage.work_folder import TRAINING_RECORD
from musclefm.training.data.split import split_subjects
from musclefm.training.learning.folder import LearningFolder, default_learning_folder
from musclefm.training.learning.learn import learn
from musclefm.training.learning.status import LEAST_SUBJECTS, learning_status

CPU = choose_runtime("cpu", "fp32")
RECIPE = replace(SHORT, held_out=0.2)
SUBJECTS = 5


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Return the folder of the user's data, with a tiny model in it."""
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
    tiny_bundle(tmp_path / "home" / "models" / "tiny", members=1)
    return tmp_path / "home"


@pytest.fixture
def store(home):
    return CorrectionStore(made_store(home / "corrections", SUBJECTS))


@pytest.fixture
def folder():
    return LearningFolder(default_learning_folder("tiny"))


def run(store, folder, progress=silent, recipe=RECIPE):
    return learn(store, find_bundle("tiny"), recipe, folder, CPU, progress)


def status(store, folder):
    return learning_status(store, find_bundle("tiny"), folder)


def files(folder):
    return {x: x.stat().st_mtime_ns for x in folder.path.rglob("*") if x.is_file()}


def test_a_new_version_is_trained_compared_installed_and_gone_back_from(store, folder):
    before = status(store, folder)
    assert (before.samples, before.subjects, before.new) == (SUBJECTS,) * 3
    assert (before.state, before.installed_version, before.former_version) == ("none", "base", "")

    comparison = run(store, folder)
    assert [muscle.name for muscle in comparison.muscles] == list(before.abbreviations)
    candidate = open_bundle(folder.candidate)
    assert candidate.manifest.name == "tiny"
    assert comparison.new.sha256 == candidate.sha256
    assert comparison.old.sha256 == find_bundle("tiny").sha256, "something was installed"
    assert comparison.subjects == 1
    assert comparison == Comparison.model_validate_json(folder.comparison.read_bytes())
    after = status(store, folder)
    assert (after.state, after.up_to_date, after.new) == ("finished", True, SUBJECTS)

    install_version(folder.candidate)
    used = status(store, folder)
    assert (used.state, used.new, used.former_version) == ("none", 0, "base")
    store.add(labelled_case(SUBJECTS))
    assert status(store, folder).new == 1
    roll_back("tiny")
    back = status(store, folder)
    assert (back.state, back.up_to_date, back.new) == ("finished", False, SUBJECTS + 1)


@pytest.mark.parametrize("stage", ["train", "compare"])
def test_a_stopped_learning_goes_on_where_it_was(store, folder, stage):
    def stop(event):
        if event.stage == stage and event.done >= (2 if stage == "train" else 0):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(store, folder, stop)
    assert status(store, folder).state == "under way"
    stages = []
    run(store, folder, lambda event: stages.append(event.stage))
    assert "read" not in stages and ("train" in stages) == (stage == "train")
    assert status(store, folder).state == "finished"

    done = files(folder)
    run(store, folder, pytest.fail)
    assert files(folder) == done, "what is finished was done again"

    folder.comparison.write_text("{")
    with pytest.raises(MuscleFMError, match=r"comparison\.json of the learning is damaged"):
        run(store, folder, pytest.fail)
    folder.comparison.unlink()
    (folder.work / TRAINING_RECORD).write_text('{"subjects": []}')
    with pytest.raises(MuscleFMError, match=r"training\.json of the learning is damaged"):
        run(store, folder, pytest.fail)


def test_other_samples_or_another_recipe_are_a_new_learning(store, folder):
    def stop(event):
        if event.stage == "train":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(store, folder, stop)
    store.add(labelled_case(SUBJECTS))
    assert status(store, folder).state == "none"
    first = run(store, folder)
    assert status(store, folder).up_to_date
    second = run(store, folder, recipe=replace(RECIPE, seed=4))
    assert first.new.sha256 != second.new.sha256


def test_a_case_saved_during_training_is_not_compared_on_unless_held_out(store, folder):
    """Otherwise the new version could be tested on what it has learned from."""
    record = []

    def grow(event):
        if event.stage == "validate" and not record:
            for seed in range(SUBJECTS, 3 * SUBJECTS):
                store.add(labelled_case(seed))
            record.append(event)

    assert run(store, folder, grow).subjects == 1
    assert not status(store, folder).up_to_date


def test_only_what_was_reviewed_counts(store, folder):
    store.add(labelled_case(6, Reviewed("slices")))
    store.add(labelled_case(7, Reviewed("slices", slices=(1,))))
    store.add(replace(labelled_case(8), scheme="thigh-12"))
    again = labelled_case(0)
    again.labels.array[0] = 0
    store.add(again)
    found = status(store, folder)
    assert (found.samples, found.subjects) == (SUBJECTS + 1, SUBJECTS + 1)


def test_too_little_to_learn_from_is_reported(home, folder):
    nothing = CorrectionStore(home / "corrections")
    assert status(nothing, folder).samples == 0
    with pytest.raises(MuscleFMError, match="no reviewed correction"):
        run(nothing, folder)
    few = CorrectionStore(made_store(home / "corrections", LEAST_SUBJECTS - 1))
    with pytest.raises(MuscleFMError, match="too few"):
        run(few, folder)


def test_the_least_number_of_subjects_is_that_of_the_split():
    names = [f"person {number}" for number in range(LEAST_SUBJECTS)]
    assert split_subjects(names, RECIPE.held_out, RECIPE.validation, 5, 0).held_out
    with pytest.raises(MuscleFMError):
        split_subjects(names[1:], RECIPE.held_out, RECIPE.validation, 5, 0)


def test_a_folder_that_holds_something_else_is_left_alone(store, tmp_path):
    other = LearningFolder(tmp_path / "other")
    (other.candidate / "inner").mkdir(parents=True)
    with pytest.raises(MuscleFMError, match="something else"):
        run(store, other)
    assert (other.candidate / "inner").is_dir()
    other.clear()
    assert (other.candidate / "inner").is_dir()
