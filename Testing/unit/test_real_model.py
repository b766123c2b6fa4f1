"""One command from the names of a data set and a pretrained checkpoint to an installed model."""

import hashlib
import io
from pathlib import Path

import pytest
from file_server import FileServer, serving
from made_datasets import made_files, served, zipped
from made_training import one_thread, same
from tiny_ensemble import network

from musclefm.api.prerequisites import Missing, missing_downloads
from musclefm.cli.main import main
from musclefm.labels.scheme import load_scheme
from musclefm.models.bundle import open_bundle, save_bundle
from musclefm.models.imports import pretrained
from musclefm.models.imports import sam as official_checkpoints
from musclefm.models.imports.sam import OfficialCheckpoint
from musclefm.models.intensity import PublishedIntensity
from musclefm.models.manifest import BundleCard, ModelInput, WholeSlice
from musclefm.models.member_files import MemberState
from musclefm.models.registry import find_bundle
from musclefm.models.versions import user_models_folder
from musclefm.networks.sam import MultiClassSam
from musclefm.storage import download as downloading
from musclefm.storage.download import RemoteFile

SHORT = [
    *("--members", "2", "--folds", "2", "--epochs", "1", "--batch", "4", "--slice-size", "32"),
    *("--learning-rate", "0.005", "--seed", "3", "--device", "cpu", "--precision", "fp32"),
    *("--channels", "in-phase,out-of-phase"),
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(downloading, "_REST_S", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def imported(path: Path, name: str, scheme: str) -> object:
    """Make a tiny network of what came, in place of SAM."""
    assert path.read_bytes() == b"weights"
    model = MultiClassSam(network(1, 3).architecture, load_scheme(scheme).class_count)
    sees = ModelInput(
        intensity=PublishedIntensity(normalisation="sam"),
        framing=WholeSlice(orientation="canonical"),
    )
    card = BundleCard(
        name=name, title="SAM", version="official", description="Random weights, for tests.",
        role="start", architecture=model.architecture, scheme=scheme, input=sees,
        training_data="none", licence="Apache-2.0",
    )  # fmt: skip
    state = MemberState(model.state_dict(), seed=0)
    return save_bundle(user_models_folder() / name, card, [state], precision="fp32")


@pytest.fixture
def checkpoint(monkeypatch: pytest.MonkeyPatch):
    """Have SAM lie on a server of this computer."""
    with serving(FileServer(b"weights")) as server:
        digest = hashlib.sha256(b"weights").hexdigest()
        remote = RemoteFile(server.address, "sam_vit_b.pth", 7, digest)
        known = OfficialCheckpoint("sam-vit-b", "SAM", "https://example.org", remote)
        monkeypatch.setattr(official_checkpoints, "OFFICIAL_CHECKPOINTS", (known,))
        monkeypatch.setattr(pretrained, "import_checkpoint", imported)
        yield server


def test_names_become_an_installed_model_that_says_how_good_it_is(
    tmp_path, home, checkpoint, monkeypatch, capsys
):
    content = zipped(made_files("huashan-myo", tmp_path / "files"), "HuashanMyo/")
    command = ["train", "--recipe", "paper", "--data", "huashan-myo", "--model", "sam-vit-b"]
    command += ["--out", str(tmp_path / "real-model"), *SHORT, "--progress", "none"]
    with served("huashan-myo", content, home) as server, one_thread():
        monkeypatch.setattr("sys.stdin", io.StringIO())
        assert main(command) == 2
        assert "--yes" in capsys.readouterr().err and server.asked == checkpoint.asked == []
        assert main([*command, "--yes"]) == 0
        assert len(server.asked) == len(checkpoint.asked) == 1
    bundle = find_bundle("real-model")
    manifest = bundle.manifest
    assert (manifest.role, manifest.scheme) == ("ensemble", "thigh-11")
    assert manifest.input.channels == ("in-phase", "out-of-phase")
    assert manifest.metrics["held_out_subjects"] == 1
    assert {"held_out_dsc_mean", "held_out_dsc_pooled", "held_out_ece", "held_out_nll"} <= (
        manifest.metrics.keys()
    )
    assert "1 held-out subject" in manifest.description and "pooled" in manifest.description
    # Neither by the share nor by the list was the held-out subject learned from.
    assert "5 subjects" in manifest.training_data and "HuashanMyo" in manifest.training_data
    evaluation = tmp_path / "real-model.work" / "evaluation"
    assert (evaluation / "evaluation.html").is_file() and (evaluation / "metrics.csv").is_file()
    # All that it needs is there now.
    assert missing_downloads("sam-vit-b", "huashan-myo") == Missing()


def test_a_pretrained_checkpoint_of_another_scheme_learns_that_of_the_data_set(
    tmp_path, home, capsys
):
    (tmp_path / "weights").write_bytes(b"weights")
    imported(tmp_path / "weights", "sam-vit-b", "thigh-12")
    content = zipped(made_files("huashan-myo", tmp_path / "files"), "HuashanMyo/")
    command = ["train", "--data", "huashan-myo", "--model", "sam-vit-b", "--yes", "--out"]
    command += [str(tmp_path / "new"), *SHORT, "--train", "decoder", "--no-install"]
    with served("huashan-myo", content, home), one_thread():
        assert main(command) == 0
    said = capsys.readouterr()
    assert "'thigh-12': its class outputs are drawn anew" in said.err
    assert str(Path("new.work", "evaluation", "evaluation.html")) in said.out.replace("\n", "")
    before, after = find_bundle("sam-vit-b"), open_bundle(tmp_path / "new")
    assert (before.manifest.scheme, after.manifest.scheme) == ("thigh-12", "thigh-11")
    assert "instead of 'thigh-12'" in after.manifest.training_data
    # A model is stored as float16.
    encoder = before.load_member(0).half().float().image_encoder.state_dict()
    assert same(encoder, after.load_member(0).image_encoder.state_dict())
    assert not (tmp_path / "new.work" / "start").exists()


def test_a_private_data_set_is_prepared_first(tmp_path, home, capsys):
    command = ["train", "--data", "nnunet-raw", "--model", "thigh-demo", "--yes", "--out"]
    assert main([*command, str(tmp_path / "new")]) == 2
    assert "--from DIR" in capsys.readouterr().err
