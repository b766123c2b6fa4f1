"""Models are found by name or folder; what is wrong with one never hides the others."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from musclefm.errors import MuscleFMError
from musclefm.models import registry
from musclefm.models.bundle import save_bundle
from musclefm.models.manifest import BundleCard, ModelInput
from musclefm.models.member_files import MemberState
from musclefm.models.registry import find_bundle, list_bundles
from musclefm.models.versions import user_models_folder
from musclefm.networks.architecture import SamArchitecture
from musclefm.networks.sam import MultiClassSam

TINY = SamArchitecture(
    input_size=32,
    trained_size=32,
    input_channels=1,
    patch_size=8,
    embed_dim=16,
    depth=1,
    heads=1,
    window=0,
    relative_positions=False,
    decoder_dim=32,
    decoder_depth=1,
    decoder_heads=2,
    decoder_mlp=32,
)


def make(folder: Path, name: str) -> None:
    torch.manual_seed(0)
    card = BundleCard(
        name=name,
        title=name,
        version="1",
        description="",
        architecture=TINY,
        scheme="thigh-11",
        input=ModelInput(),
        training_data="none",
        licence="Apache-2.0",
    )
    save_bundle(folder, card, [MemberState(MultiClassSam(TINY, 12).state_dict())])


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    shipped, home = tmp_path / "shipped", tmp_path / "home"
    monkeypatch.setattr(registry, "shipped_models_folder", lambda: shipped)
    monkeypatch.setenv("MUSCLEFM_HOME", str(home))
    make(shipped / "thigh-demo", "thigh-demo")
    make(home / "models" / "mine", "mine")
    return shipped, home / "models"


def test_shipped_models_come_first(places: tuple[Path, Path]) -> None:
    assert [(entry.name, entry.origin, entry.fault) for entry in list_bundles()] == [
        ("thigh-demo", "shipped", ""),
        ("mine", "user", ""),
    ]
    assert find_bundle().manifest.name == "thigh-demo"
    assert find_bundle("mine").folder == places[1] / "mine"


def test_a_folder_is_found_wherever_it_lies(places: tuple[Path, Path], tmp_path: Path) -> None:
    make(tmp_path / "elsewhere", "other")
    assert find_bundle(tmp_path / "elsewhere").manifest.name == "other"
    assert find_bundle(str(tmp_path / "elsewhere")).manifest.name == "other"


def test_an_unknown_name_tells_the_known_ones(places: tuple[Path, Path]) -> None:
    with pytest.raises(
        MuscleFMError, match=r"no model 'nnunet': use one of these: thigh-demo, mine"
    ):
        find_bundle("nnunet")


def test_a_damaged_model_is_listed_with_its_fault(places: tuple[Path, Path]) -> None:
    (places[1] / "mine" / "member-0.safetensors").unlink()
    listed = {entry.name: entry for entry in list_bundles()}
    assert listed["mine"].bundle is None
    assert "is missing" in listed["mine"].fault
    assert listed["thigh-demo"].bundle is not None
    with pytest.raises(MuscleFMError, match="is missing"):
        find_bundle("mine")


def test_changed_weights_are_noticed_on_use(places: tuple[Path, Path]) -> None:
    path = places[1] / "mine" / "member-0.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert not any(entry.fault for entry in list_bundles())
    assert any("has changed" in entry.fault for entry in list_bundles(verify=True))
    with pytest.raises(MuscleFMError, match="has changed"):
        find_bundle("mine")


def test_the_first_of_one_name_wins(places: tuple[Path, Path]) -> None:
    shutil.copytree(places[0] / "thigh-demo", places[1] / "copy")
    listed = list_bundles()
    assert [(entry.folder.name, bool(entry.fault)) for entry in listed] == [
        ("thigh-demo", False),
        ("mine", False),
        ("copy", True),
    ]
    assert find_bundle("thigh-demo").folder == places[0] / "thigh-demo"
    assert find_bundle(places[1] / "copy").manifest.name == "thigh-demo"


def test_a_damaged_namesake_hides_nothing(places: tuple[Path, Path]) -> None:
    broken = places[0] / "mine"
    broken.mkdir()
    (broken / "model.json").write_text(json.dumps({"name": "mine"}))
    assert find_bundle("mine").folder == places[1] / "mine"


def test_no_user_folder_is_no_fault(
    places: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "new"))
    assert [entry.name for entry in list_bundles()] == ["thigh-demo"]
    monkeypatch.delenv("MUSCLEFM_HOME")
    assert user_models_folder().is_absolute()
