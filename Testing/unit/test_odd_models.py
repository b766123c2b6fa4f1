"""Models that are odd, damaged or hostile end in one line, before they cost memory or time."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_bundle import card, network

from musclefm.errors import MuscleFMError
from musclefm.models.archive import bundle_source
from musclefm.models.bundle import Bundle, open_bundle, save_bundle
from musclefm.models.imports.state_dicts import read_state
from musclefm.models.member_files import MemberState
from musclefm.storage.regular_file import sha256_of


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    members = [MemberState(network(1).state_dict())]
    return save_bundle(tmp_path / "tiny", card(), members, precision="fp32")


def message(act: Callable[[], object]) -> str:
    with pytest.raises(MuscleFMError) as caught:
        act()
    line = str(caught.value)
    assert "\n" not in line and len(line) < 500
    return line


def change_manifest(bundle: Bundle, change: Callable[[dict[str, Any]], object]) -> None:
    path = bundle.folder / "model.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def change_weights(bundle: Bundle, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    (entry,) = bundle.manifest.files
    path = bundle.folder / entry.file
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    written = {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
    change_manifest(bundle, lambda content: content["members"][0].update(weights=written))


def first_of(tensors: dict[str, torch.Tensor], ending: str) -> str:
    return next(name for name in sorted(tensors) if name.endswith(ending))


@pytest.mark.parametrize(
    ("ending", "change", "cause"),
    [
        ("weight", lambda tensor: tensor * float("nan"), "not finite"),
        ("weight", lambda tensor: tensor * 0 + float("inf"), "not finite"),
        ("weight", lambda tensor: tensor.to(torch.int32), "type int32"),
        ("weight", lambda tensor: tensor > 0, "type bool"),
        ("running_var", lambda tensor: tensor - 100, "negative variance"),
    ],
)
def test_weights_that_no_network_can_have_are_refused_when_loaded(
    bundle: Bundle, ending: str, change: Callable[[torch.Tensor], torch.Tensor], cause: str
) -> None:
    def spoil(tensors: dict[str, torch.Tensor]) -> None:
        name = first_of(tensors, ending)
        tensors[name] = change(tensors[name]).contiguous()

    change_weights(bundle, spoil)
    assert cause in message(lambda: open_bundle(bundle.folder).load_member(0))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda content: content.update(temperature=1e-300), "temperature"),
        (lambda content: content.update(title="x" * 1_000), "title"),
        (lambda content: content.update({"y" * 100_000: 1}), "y" * 60),
        (lambda content: content.update(scheme="s" * 5_000), "scheme"),
        (lambda content: content["input"]["framing"].update(spacing_mm=1e-300), "spacing_mm"),
        (lambda content: content.update(members=content["members"] * 5_000), "members"),
        (lambda content: content["architecture"].update(stem=[10**9, 10**9]), "stem"),
        (lambda content: content["architecture"].update(global_blocks=[0] * 10**4), "global"),
        (
            lambda content: content["architecture"].update(input_size=4096, patch_size=8),
            "architecture",
        ),
        (lambda content: content["architecture"].update(window=64), "architecture"),
        (lambda content: content["architecture"].update(input_size=3072), "pairs of tokens"),
        (lambda content: content.update(title="\x1b]0;x\x07"), "title"),
        (lambda content: content.update(version="1\n2"), "version"),
        (lambda content: content.update(metrics={"dsc": float("nan")}), "metrics.dsc"),
        (lambda content: content.update(licence="x" * 20_000), "licence"),
        (
            lambda content: content.update(
                members=[
                    {"weights": content["members"][0]["weights"] | {"file": name}}
                    for name in ("a.safetensors", "A.safetensors")
                ]
            ),
            "same name",
        ),
    ],
)
def test_manifests_beyond_all_measure_are_refused_before_a_network_is_built(
    bundle: Bundle, change: Callable[[dict[str, Any]], object], field: str
) -> None:
    change_manifest(bundle, change)
    assert field in message(lambda: open_bundle(bundle.folder))


def test_a_manifest_without_end_is_not_read(bundle: Bundle) -> None:
    with (bundle.folder / "model.json").open("r+b") as file:
        file.truncate(10 << 30)
    assert "no readable model.json" in message(lambda: open_bundle(bundle.folder))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no FIFOs")
def test_nobody_waits_for_a_fifo(bundle: Bundle) -> None:
    (bundle.folder / "model.json").unlink()
    os.mkfifo(bundle.folder / "model.json")
    assert "no readable model.json" in message(lambda: open_bundle(bundle.folder))


def test_weights_lie_in_the_folder_and_are_no_link(bundle: Bundle, tmp_path: Path) -> None:
    (entry,) = bundle.manifest.files
    path = bundle.folder / entry.file
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert "missing or unreadable" in message(lambda: open_bundle(bundle.folder))


class _Gigabytes:
    def __reduce__(self) -> tuple[object, ...]:
        return bytearray, (3 << 30,)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_checkpoint_makes_nothing_but_tensors(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "new.pth"
    torch.save({"weight": torch.ones(2), "more": _Gigabytes()}, path, pickle_protocol=protocol)
    assert "more than tensors" in message(lambda: read_state(path, "the checkpoint"))
    path.write_bytes(pickle.dumps(_Gigabytes(), protocol))
    assert "more than tensors" in message(lambda: read_state(path, "the checkpoint"))


@pytest.mark.parametrize(
    ("tensor", "cause"),
    [
        (torch.ones(2).to_sparse(), "number by number"),
        (torch.ones(2, device="meta"), "number by number"),
        (torch.ones(2, dtype=torch.complex64), "type complex64"),
        (torch.tensor([float("nan")]), "not finite"),
    ],
)
def test_odd_tensors_of_a_checkpoint_are_refused(
    tmp_path: Path, tensor: torch.Tensor, cause: str
) -> None:
    torch.save({"weight": tensor}, tmp_path / "odd.pth")
    assert cause in message(lambda: read_state(tmp_path / "odd.pth", "the checkpoint"))


def test_a_zip_packed_in_another_way_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.zip", "w", zipfile.ZIP_LZMA) as archive:
        for path in bundle.folder.iterdir():
            archive.write(path, f"tiny/{path.name}")

    def open_zip() -> None:
        with bundle_source(tmp_path / "model.zip"):
            pass

    assert "not packed" in message(open_zip)
