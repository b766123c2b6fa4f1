"""After Ctrl-C a training says what is kept, and the same command goes on from there."""

import json
import os
import signal
import subprocess
import sys

import pytest
from made_training import made_store
from tiny_ensemble import tiny_bundle

from musclefm.storage.work_folder import (
    TRAINING_RECORD,
    claim_work_folder,
    kept_training,
    state_file,
)  # fmt: skip

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent otherwise there")


class Command:
    """A command on labelled thighs that is stopped by Ctrl-C."""

    def __init__(self, folder, name):
        self.folder = folder
        store, model = made_store(folder / "store"), tiny_bundle(folder / "model", 1)
        self.words = [sys.executable, "-m", "musclefm", name, "--model", model.folder]
        self.words += ["--out", folder / "new", "--device", "cpu", "--progress", "json"]
        if name == "learn":
            self.words += ["--store", store]
        else:
            self.words += ["--data", store, "--members", 2, "--folds", 2, "--held-out", 0]
            self.words += ["--epochs", 200, "--patience", 200, "--batch", 4, "--views", 0]
            self.words += ["--train", "decoder"]

    def start(self):
        environment = os.environ | {
            "OMP_NUM_THREADS": "1", "MUSCLEFM_HOME": str(self.folder / "home")
        }  # fmt: skip
        return subprocess.Popen(
            list(map(str, self.words)),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def stopped(self, reached):
        """Send SIGINT once an event is reached; return that event and what was said at the end."""
        process = self.start()
        try:
            for line in process.stdout:
                event = json.loads(line)
                if reached(event):
                    process.send_signal(signal.SIGINT)
                    break
            else:
                pytest.fail(process.communicate()[1])
            _, said = process.communicate(timeout=600)
        finally:
            process.kill()
        assert process.returncode == 128 + signal.SIGINT, said
        return event, said


def first_epoch_done(event):
    return event["stage"] == "train" and "epoch 2" in event["message"]


@pytest.mark.parametrize("name", ["train", "learn"])
def test_finished_epochs_are_kept_and_gone_on_with(tmp_path, name):
    command = Command(tmp_path, name)
    event, said = command.stopped(first_epoch_done)
    assert said == (
        "musclefm: stopped, the finished epochs of 1 network are kept; "
        "run the same command again to resume\n"
    )
    assert not (tmp_path / "new" / "comparison.json").exists()
    again, _ = command.stopped(lambda event: event["stage"] == "train")
    assert again["done"] > event["done"] / 2, "it began anew"
    assert "epoch 1" not in again["message"].split(", ")


def test_a_trained_version_is_kept_while_it_is_compared(tmp_path):
    new, work = tmp_path / "comparison.json", tmp_path / "work"
    assert kept_training(new, work) == ""
    claim_work_folder(work)
    assert kept_training(new, work).startswith("no epoch was finished; run the same command again")
    state_file(work, 1).touch()
    state_file(work, 2).touch()
    assert kept_training(new, work).startswith("the finished epochs of 2 networks are kept; run")
    state_file(work, 1).unlink()
    state_file(work, 2).unlink()
    (work / TRAINING_RECORD).touch()
    assert kept_training(new, work) == (
        "the trained model is kept; run the same command again to compare it"
    )
    new.touch()
    assert kept_training(new, work) == "after all was written"
