"""Bundles come back as they were saved, and damaged ones say what is wrong."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from tiny_ensemble import TINY as LARGER

from musclefm.errors import MuscleFMError
from musclefm.models.bundle import Bundle, open_bundle, save_bundle
from musclefm.models.manifest import BundleCard, ModelInput, schema_text
from musclefm.models.member_files import SHARED_ENCODER_FILE, MemberState
from musclefm.networks.sam import MultiClassSam
from musclefm.storage.regular_file import sha256_of
from musclefm.storage.resources import resource_folder

TINY = LARGER.model_copy(update={"embed_dim": 16, "stem": (8, 8)})


def card(**changes: object) -> BundleCard:
    said = {
        "name": "tiny",
        "title": "Tiny",
        "version": "1",
        "description": "For tests.",
        "architecture": TINY,
        "scheme": "thigh-11",
        "input": ModelInput(),
        "training_data": "none",
        "licence": "Apache-2.0",
        "metrics": {"dsc": 0.5},
    }
    return BundleCard.model_validate(said | changes)


def network(seed: int) -> MultiClassSam:
    torch.manual_seed(seed)
    return MultiClassSam(TINY, 12).eval()


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    members = [MemberState(network(seed).state_dict(), seed=seed) for seed in (1, 2)]
    return save_bundle(tmp_path / "models" / "tiny", card(), members, precision="fp32")


def fault(folder: Path) -> str:
    with pytest.raises(MuscleFMError) as caught:
        open_bundle(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rewrite(bundle: Bundle, **changes: object) -> None:
    path = bundle.folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_members_answer_as_before(bundle: Bundle) -> None:
    image = torch.randn(2, 1, 32, 32)
    for index, seed in enumerate((1, 2)):
        loaded = open_bundle(bundle.folder).load_member(index)
        assert not loaded.training
        with torch.no_grad():
            torch.testing.assert_close(loaded(image), network(seed)(image), rtol=0, atol=0)
    assert [member.seed for member in bundle.manifest.members] == [1, 2]
    assert bundle.scheme.class_count == 12


def test_half_precision_is_close_and_half_the_size(tmp_path: Path, bundle: Bundle) -> None:
    state = network(1).state_dict()
    state["image_encoder.neck.0.weight"][0, 0] = 1e6
    half = save_bundle(tmp_path / "half", card(), [MemberState(state)])
    assert half.manifest.members[0].weights.bytes < 0.7 * bundle.manifest.members[0].weights.bytes
    loaded = half.load_member(0).state_dict()
    for name, tensor in state.items():
        torch.testing.assert_close(loaded[name], tensor, rtol=1e-3, atol=1e-4)


def test_bfloat16_members_run(bundle: Bundle) -> None:
    model = bundle.load_member(0, dtype=torch.bfloat16)
    with torch.no_grad():
        logits = model(torch.randn(1, 1, 32, 32).bfloat16())
    assert logits.dtype == torch.bfloat16
    assert torch.isfinite(logits).all()


def test_a_shared_encoder_is_stored_once(tmp_path: Path) -> None:
    first, second = network(1), network(2)
    second.image_encoder.load_state_dict(first.image_encoder.state_dict())
    members = [MemberState(model.state_dict()) for model in (first, second)]
    bundle = save_bundle(tmp_path / "shared", card(), members, precision="fp32")
    assert (bundle.folder / SHARED_ENCODER_FILE).is_file()
    encoder_bytes = (bundle.folder / SHARED_ENCODER_FILE).stat().st_size
    total = sum(path.stat().st_size for path in bundle.folder.glob("*.safetensors"))
    alone = save_bundle(tmp_path / "alone", card(), members[:1], precision="fp32")
    assert total < 2 * alone.manifest.members[0].weights.bytes - 0.9 * encoder_bytes
    image = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(bundle.load_member(1)(image), second(image))


def test_hash_tells_models_apart_and_ignores_layout(bundle: Bundle) -> None:
    before = bundle.sha256
    rewrite(bundle)
    assert open_bundle(bundle.folder).sha256 == before
    rewrite(bundle, temperature=1.5)
    assert open_bundle(bundle.folder).sha256 != before


def test_a_taken_folder_is_kept_unless_replacing(bundle: Bundle) -> None:
    before = bundle.sha256
    members = [MemberState(network(3).state_dict())]
    with pytest.raises(MuscleFMError, match="exists already"):
        save_bundle(bundle.folder, card(), members)
    assert open_bundle(bundle.folder).sha256 == before
    save_bundle(bundle.folder, card(), members, replace=True)
    assert len(open_bundle(bundle.folder).manifest.members) == 1
    assert [path.name for path in bundle.folder.parent.iterdir()] == ["tiny"]


def test_a_failed_save_leaves_nothing(tmp_path: Path) -> None:
    state = dict(network(1).state_dict())
    state["odd"] = "not a tensor"  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        save_bundle(tmp_path / "broken", card(), [MemberState(state)])
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="file size limits are POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(MuscleFMError, match="cannot be written"):
            save_bundle(tmp_path / "tiny", card(), [MemberState(network(1).state_dict())])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_no_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MuscleFMError, match="cannot be written"):
        save_bundle(tmp_path / "file" / "tiny", card(), [MemberState(network(1).state_dict())])


def test_no_model(tmp_path: Path) -> None:
    assert "not a model" in fault(tmp_path)
    assert "not a model" in fault(tmp_path / "nowhere")


def test_wrong_hash(bundle: Bundle) -> None:
    path = bundle.folder / "member-1.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "'member-1.safetensors' of model 'tiny' has changed" in fault(bundle.folder)
    open_bundle(bundle.folder, verify=False)


def test_truncated_member(bundle: Bundle) -> None:
    path = bundle.folder / "member-0.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(MuscleFMError, match="has changed"):
        open_bundle(bundle.folder, verify=False)


def test_missing_member(bundle: Bundle) -> None:
    (bundle.folder / "member-1.safetensors").unlink()
    assert "'member-1.safetensors' of model 'tiny' is missing" in fault(bundle.folder)


def test_a_pickle_is_refused_unread(bundle: Bundle) -> None:
    sprung = bundle.folder / "sprung"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (sprung,)

    path = bundle.folder / "member-0.safetensors"
    for protocol in (0, 4):
        path.write_bytes(pickle.dumps([Trap(), "x" * 99], protocol))
        document = json.loads((bundle.folder / "model.json").read_text())
        document["members"][0]["weights"] |= {
            "bytes": path.stat().st_size,
            "sha256": sha256_of(path),
        }
        rewrite(bundle, **document)
        assert "a pickle is never loaded" in fault(bundle.folder)
    assert not sprung.exists()


@pytest.mark.parametrize("name", ["member-0.pth", "../elsewhere.safetensors", "/etc/x.safetensors"])
def test_weights_are_safetensors_beside_the_manifest(bundle: Bundle, name: str) -> None:
    document = json.loads((bundle.folder / "model.json").read_text())
    document["members"][0]["weights"]["file"] = name
    rewrite(bundle, **document)
    assert "members.0.weights.file" in fault(bundle.folder)


def test_unknown_things_ask_for_an_update(bundle: Bundle) -> None:
    document = json.loads((bundle.folder / "model.json").read_text())
    rewrite(bundle, scheme="calf-9")
    assert "label scheme 'calf-9'" in fault(bundle.folder)
    rewrite(bundle, scheme="thigh-11", architecture=document["architecture"] | {"kind": "unet"})
    assert "architecture 'unet'" in fault(bundle.folder)
    rewrite(bundle, architecture=document["architecture"], format_version=2)
    assert "format version '2'" in fault(bundle.folder)


def test_manifest_that_is_not_json(bundle: Bundle) -> None:
    (bundle.folder / "model.json").write_bytes(b"\x80\x04not json")
    assert "not valid" in fault(bundle.folder)


def test_weights_of_another_architecture(bundle: Bundle) -> None:
    rewrite(bundle, scheme="thigh-12")
    with pytest.raises(MuscleFMError, match="does not fit its architecture"):
        open_bundle(bundle.folder).load_member(0)


def test_channels_must_fit_the_network() -> None:
    with pytest.raises(ValueError, match="2 input channels"):
        card(input=ModelInput(channels=("in-phase", "out-of-phase")))


def test_committed_schema_is_the_models_own() -> None:
    committed = (resource_folder() / "Schemas" / "model.schema.json").read_text("utf-8")
    assert committed == schema_text(), (
        "write musclefm.models.manifest.schema_text() to Resources/Schemas/model.schema.json"
    )
