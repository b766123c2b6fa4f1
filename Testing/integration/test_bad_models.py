"""A model or device that cannot be used is refused in one line, and nothing is left behind."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from refusals import Refused

from musclefm.storage.regular_file import sha256_of


def change_a_byte(folder: Path) -> None:
    file = folder / "member-1.safetensors"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)


def remove_a_member(folder: Path) -> None:
    (folder / "member-1.safetensors").unlink()


def name_an_unknown_scheme(folder: Path) -> None:
    change_manifest(folder, scheme="calf-99")


def rename_a_pickle(folder: Path) -> None:
    """Put a pickle in a member's place, with its right size and hash in the manifest."""
    file = folder / "member-0.safetensors"
    file.write_bytes(pickle.dumps({"weight": [1.0] * 1000}))
    change_first_member(folder, file)


def rename_a_torch_file(folder: Path) -> None:
    file = folder / "member-0.safetensors"
    torch.save({"weight": torch.zeros(3)}, file)
    change_first_member(folder, file)


def change_first_member(folder: Path, file: Path) -> None:
    members = json.loads((folder / "model.json").read_text())["members"]
    members[0]["weights"] |= {"bytes": file.stat().st_size, "sha256": sha256_of(file)}
    change_manifest(folder, members=members)


def change_manifest(folder: Path, **changes: object) -> None:
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def break_the_manifest(folder: Path) -> None:
    (folder / "model.json").write_text('{"name": "tiny",')


def ask_for_other_weights(folder: Path) -> None:
    manifest = json.loads((folder / "model.json").read_text())
    change_manifest(folder, architecture=manifest["architecture"] | {"depth": 2})


def make_it_a_start(folder: Path) -> None:
    change_manifest(folder, role="start")


def ask_for_missing_channels(folder: Path) -> None:
    manifest = json.loads((folder / "model.json").read_text())
    given = manifest["input"] | {"channels": ["in-phase", "out-of-phase"]}
    architecture = manifest["architecture"] | {"input_channels": 2}
    change_manifest(folder, input=given, architecture=architecture)


@pytest.mark.parametrize(
    ("harm", "cause"),
    [
        (change_a_byte, "sha256"),
        (remove_a_member, "missing"),
        (name_an_unknown_scheme, "label scheme 'calf-99'"),
        (rename_a_pickle, "pickle"),
        (rename_a_torch_file, "pickle"),
        (break_the_manifest, "not valid"),
        (ask_for_other_weights, "does not fit its architecture"),
        (make_it_a_start, "pretrained checkpoint"),
        (ask_for_missing_channels, "cannot be derived"),
    ],
)
def test_a_damaged_model_is_refused(
    harm: Callable[[Path], None],
    cause: str,
    scan: Path,
    model: Path,
    refused: Refused,
    tmp_path: Path,
) -> None:
    shutil.copytree(model, tmp_path / "harmed")
    harm(tmp_path / "harmed")
    image = scan / "water.nii.gz"
    assert cause in refused("segment", image, "--model", "harmed", "--out", "out")


def test_an_unknown_model_or_device_is_refused(scan: Path, model: Path, refused: Refused) -> None:
    image = scan / "water.nii.gz"
    said = refused("segment", image, "--model", "no-such-model", "--out", "out")
    assert "no model 'no-such-model'" in said
    assert "no model" in refused("models", "show", "no-such-model")
    assert "no model" in refused("models", "show", "m" * 300)
    said = refused("segment", image, "--model", model, "--out", "out", "--device", "abacus")
    assert "device 'abacus'" in said


def test_what_cannot_be_imported_is_refused(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pth").write_bytes(pickle.dumps({"weight": [1.0]}))
    refused("models", "import", "checkpoint.pth", "--name", "mine")
    refused("models", "import", "nowhere", "--name", "mine")
    assert "cannot be the name" in refused("models", "import", "checkpoint.pth", "--name", "../x")
