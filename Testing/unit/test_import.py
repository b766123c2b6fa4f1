"""Checkpoints made elsewhere are taken wholly, or refused with a reason."""

import json
import pickle
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from made_checkpoints import Shapes, random_state, shapes_of_model
from torch import Tensor

from musclefm.errors import MuscleFMError
from musclefm.models.imports.checkpoint import import_checkpoint
from musclefm.models.member_files import SHARED_ENCODER_FILE
from musclefm.networks.architecture import VIT_B, LoraRanks

PUBLISHED_KEYS = (
    Path(__file__).resolve().parents[3] / "shared" / "paper" / "published_checkpoint_keys.json"
)
ARGUMENTS = {"arch": "vit_b", "normalize_type": "sam", "num_cls": 13, "thd": False}


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Path]:
    """Return where to import to; removed at once, for pytest keeps what is large for long."""
    yield tmp_path / "models"
    shutil.rmtree(tmp_path / "models", ignore_errors=True)


def shapes_of(kind: str) -> Shapes:
    if PUBLISHED_KEYS.is_file():
        published: dict[str, Shapes] = json.loads(PUBLISHED_KEYS.read_text())
        return published[kind]
    rank = 4 if kind == "Lora" else 0
    return shapes_of_model(VIT_B.model_copy(update={"lora": LoraRanks(encoder=rank, decoder=rank)}))


def write_fold(
    folder: Path, state: Mapping[str, Tensor], finetune_type: str, **changes: object
) -> Path:
    folder.mkdir(parents=True)
    torch.save(dict(state), folder / "checkpoint_best.pth")
    arguments = ARGUMENTS | {"finetune_type": finetune_type} | changes
    (folder / "args.json").write_text(json.dumps(arguments))
    return folder


def refusal(path: Path, destination: Path, name: str = "x") -> str:
    with pytest.raises(MuscleFMError) as caught:
        import_checkpoint(path, name, destination)
    assert not destination.exists() or not list(destination.iterdir())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_lora_folds_become_one_ensemble(tmp_path: Path, models: Path) -> None:
    shapes = shapes_of("Lora")
    states = [random_state(shapes, seed) for seed in (1, 2)]
    # Ten comes after two: folds are ordered by number.
    for state, number in zip(states, (2, 10), strict=True):
        parallel = {f"module.{name}": tensor for name, tensor in state.items()}
        write_fold(tmp_path / "Lora" / f"fold_{number}", parallel, "lora")
    bundle = import_checkpoint(tmp_path / "Lora", "casali", models)
    manifest = bundle.manifest
    assert bundle.folder == models / "casali"
    assert [member.fold for member in manifest.members] == [2, 10]
    assert manifest.architecture.lora == LoraRanks(encoder=4, decoder=4)
    assert manifest.architecture.input_size == 1024
    assert manifest.input.channels == ("in-phase", "out-of-phase")
    assert manifest.input.framing.model_dump() == {"kind": "slice", "orientation": "stored"}
    assert [label.abbreviation for label in bundle.scheme.labels][:2] == ["VL", "VM"]
    encoder_bytes = (bundle.folder / SHARED_ENCODER_FILE).stat().st_size
    assert all(member.weights.bytes < 0.1 * encoder_bytes for member in manifest.members)
    loaded = bundle.load_member(1).state_dict()
    assert loaded.keys() == shapes.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in states[1].items())


def test_a_decoder_fold_becomes_a_model(tmp_path: Path, models: Path) -> None:
    state = random_state(shapes_of("Decoder"))
    fold = write_fold(tmp_path / "fold_0", state, "vanilla", normalize_type="medsam")
    bundle = import_checkpoint(fold, "decoder", models)
    assert bundle.manifest.architecture.lora == LoraRanks()
    assert bundle.manifest.input.intensity.model_dump() == {
        "kind": "published",
        "normalisation": "medsam",
    }
    assert bundle.manifest.members[0].fold == 0
    bundle.require_ready()
    loaded = bundle.load_member(0).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


def test_an_official_checkpoint_is_a_start_for_training(tmp_path: Path, models: Path) -> None:
    state = random_state(shapes_of_model(class_count=3))
    torch.save(state, tmp_path / "medsam_vit_b.pth")
    bundle = import_checkpoint(tmp_path / "medsam_vit_b.pth", "start", models)
    assert bundle.manifest.role == "start"
    assert bundle.manifest.input.intensity.normalisation == "medsam"  # type: ignore[union-attr]
    with pytest.raises(MuscleFMError, match="pretrained checkpoint"):
        bundle.require_ready()
    loaded = bundle.load_member(0).state_dict()
    new = {name for name in loaded if name not in state or loaded[name].shape != state[name].shape}
    kept = {name for name in state if name in loaded and torch.equal(loaded[name], state[name])}
    assert loaded["mask_decoder.mask_tokens.weight"].shape[0] == 1 + bundle.scheme.class_count
    assert all(
        any(part in name for part in ("mask_tokens", "hypernetworks", "iou_prediction_head"))
        for name in loaded.keys() - kept
    )
    assert all(torch.isfinite(loaded[name]).all() and loaded[name].std() > 0 for name in new)


def test_every_difference_is_counted(tmp_path: Path) -> None:
    state = random_state(shapes_of("Decoder"))
    state["mask_decoder.extra"] = state.pop("mask_decoder.iou_token.weight")
    state["prompt_encoder.no_mask_embed.weight"] = torch.zeros(1, 8)
    said = refusal(write_fold(tmp_path / "fold_1", state, "vanilla"), tmp_path / "models")
    for part in ("1 tensors missing", "1 tensors unused", "1 tensors of another shape", "fold_1"):
        assert part in said
    assert "mask_decoder.iou_token.weight" in said


def test_files_of_different_kinds_do_not_go_together(tmp_path: Path) -> None:
    decoder = random_state(shapes_of("Decoder"))
    fold = write_fold(tmp_path / "one" / "fold_1", decoder, "lora")
    assert "not of the kind 'lora'" in refusal(fold, tmp_path / "models")
    write_fold(tmp_path / "two" / "fold_1", decoder, "vanilla")
    write_fold(tmp_path / "two" / "fold_2", decoder, "vanilla", normalize_type="medsam")
    assert "trained otherwise" in refusal(tmp_path / "two", tmp_path / "models")


def test_incomplete_folds_are_named(tmp_path: Path) -> None:
    state = random_state(shapes_of("Decoder"))
    for number in (1, 2):
        write_fold(tmp_path / "kind" / f"fold_{number}", state, "vanilla")
    arguments = tmp_path / "kind" / "fold_2" / "args.json"
    text = arguments.read_text()
    arguments.unlink()
    assert "'fold_2' holds no readable args.json" in refusal(tmp_path / "kind", tmp_path / "m")
    arguments.write_text(text.replace('"vanilla"', '"adapter"'))
    assert "args.json in 'fold_2'" in refusal(tmp_path / "kind", tmp_path / "m")
    arguments.write_text(text)
    (tmp_path / "kind" / "fold_2" / "checkpoint_best.pth").unlink()
    assert "the checkpoint in 'fold_2' is missing" in refusal(tmp_path / "kind", tmp_path / "m")


def test_nothing_to_import(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no checkpoint" in refusal(tmp_path / "empty", tmp_path / "models")
    assert "holds no checkpoint" in refusal(tmp_path / "absent.pth", tmp_path / "models")


def test_pickles_are_never_run(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (sprung,)

    (tmp_path / "old.pth").write_bytes(pickle.dumps(Trap(), 2))
    torch.save({"weight": Trap()}, tmp_path / "new.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("hello")
    for name in ("old.pth", "new.pth", "text.pth"):
        assert "never loaded" in refusal(tmp_path / name, tmp_path / "models")
    assert "not a state dict" in refusal(tmp_path / "list.pth", tmp_path / "models")
    assert not sprung.exists()


@pytest.mark.parametrize("name", ["", "../up", "With Space", ".hidden"])
def test_names_are_plain(tmp_path: Path, name: str) -> None:
    assert "cannot be the name" in refusal(tmp_path, tmp_path / "models", name)


def test_a_taken_name_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path))
    taken = tmp_path / "models" / "mine"
    taken.mkdir(parents=True)
    (taken / "model.json").write_text("{}")
    with pytest.raises(MuscleFMError, match="already a model 'mine'"):
        import_checkpoint(tmp_path / "fold_1", "mine")
