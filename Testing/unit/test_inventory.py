"""What the Slicer module's choosers know of models and devices."""

import json
import os
import shutil

import torch

from musclefm.cli.main import main
from musclefm.models.registry import shipped_models_folder
from musclefm.storage.user_data import HOME_VARIABLE


def reported(capsys, *arguments):
    assert main(["inventory", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_models_and_devices_are_reported_as_one_line_of_json(capsys) -> None:
    inventory = reported(capsys)
    demo = next(model for model in inventory["models"] if model["name"] == "thigh-demo")
    assert demo["usable"] and demo["members"] == 6 and demo["scheme"] == "thigh-11"
    assert len(demo["muscles"]) == 11 and demo["licence"] == "Apache-2.0"
    names = [device["name"] for device in inventory["devices"]]
    assert names[-1] == "cpu" and len(names) == 1 + torch.cuda.device_count()
    assert 1 <= inventory["devices"][-1]["cores"] <= (os.cpu_count() or 1)


def test_a_damaged_model_is_listed_with_its_fault(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    broken = tmp_path / "models" / "mine"
    shutil.copytree(shipped_models_folder() / "thigh-demo", broken)
    (broken / "member-1.safetensors").unlink()
    mine = next(model for model in reported(capsys)["models"] if model["name"] == "mine")
    assert not mine["usable"] and mine["fault"]


def test_downloads_are_offered_until_they_are_there(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    offered = {entry["name"]: entry for entry in reported(capsys)["downloads"]}
    assert offered["sam-vit-b"]["bytes"] == 375_042_383
    assert offered["sam-vit-b"]["host"] == "dl.fbaipublicfiles.com"
    assert offered["medsam-vit-b"]["page"].startswith("https://")
    shutil.copytree(shipped_models_folder() / "thigh-demo", tmp_path / "models" / "sam-vit-b")
    manifest = tmp_path / "models" / "sam-vit-b" / "model.json"
    manifest.write_text(manifest.read_text().replace('"thigh-demo"', '"sam-vit-b"', 1))
    assert {entry["name"] for entry in reported(capsys)["downloads"]} == offered.keys() - {
        "sam-vit-b"
    }
