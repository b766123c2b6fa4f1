"""The state of a training that is damaged, forged or of a newer version ends in one line."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_odd_models import message

from musclefm.models.registry import list_bundles
from musclefm.models.versions import BASE, order_of_use, version_folder, write_order_of_use
from musclefm.training.data.tiles import CaseTiles, TileFolder, write_tiles
from musclefm.training.fitting.checkpoint import (
    EpochRecord,
    MemberProgress,
    read_progress,
    write_progress,
)


def progress() -> MemberProgress:
    weights = {"a": torch.ones(2), "b": torch.zeros(3)}
    history = [EpochRecord(0, float("nan"), 0.0, 0.1, 2.0), EpochRecord(1, 0.5, 1e-3, 0.2, 1.0)]
    return MemberProgress(history, weights, dict(weights), dict(weights), {"state": {}}, False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_progress(tmp_path / "member-0.pt", progress())
    return tmp_path / "member-0.pt"


def change(file: Path, act: Callable[[dict[str, Any]], object]) -> str:
    content = torch.load(file, weights_only=True)
    act(content)
    torch.save(content, file)
    return message(lambda: read_progress(file))


@pytest.mark.parametrize(
    "act",
    [
        lambda content: content.update(history=[]),
        lambda content: content.update(history=3),
        lambda content: content["history"][0].update(epoch="0"),
        lambda content: content["history"][1].update(epoch=7),
        lambda content: content["history"][1].update(loss="small"),
        lambda content: content["history"][1].update(fold_dice=None),
        lambda content: content["history"][1].update(more=1),
        lambda content: content["history"][1].pop("loss"),
        lambda content: content.update(trained=3),
        lambda content: content.update(best={"a": torch.ones(2)}),
        lambda content: content["averaged"].update(a=torch.ones(5)),
        lambda content: content["trained"].update(a=[1.0, 2.0]),
        lambda content: content["trained"].update(a=torch.ones(2).to_sparse()),
        lambda content: content["trained"].update(a=torch.ones(2, device="meta")),
        lambda content: content.update(optimiser=[]),
        lambda content: content.update(finished="no"),
        lambda content: content.pop("optimiser"),
        lambda content: content.update(format_version="2"),
    ],
)
@pytest.mark.filterwarnings("ignore:Validating sparse")
def test_what_no_training_writes_is_damaged(
    file: Path, act: Callable[[dict[str, Any]], object]
) -> None:
    assert "damaged" in change(file, act)


def test_a_newer_version_asks_for_an_update(file: Path) -> None:
    line = change(file, lambda content: content.update(format_version=2, history="otherwise"))
    assert "newer version" in line and "update musclefm" in line


def test_an_older_version_is_resumed(file: Path) -> None:
    content = torch.load(file, weights_only=True)
    del content["format_version"]
    torch.save(content, file)
    read = read_progress(file)
    assert read is not None and read.history[1:] == progress().history[1:]
    assert read.best_epoch == 1


class _Gigabytes:
    def __reduce__(self) -> tuple[object, ...]:
        return bytearray, (3 << 30,)


def test_nothing_but_tensors_is_made(file: Path) -> None:
    torch.save({"history": _Gigabytes()}, file)
    assert "damaged" in message(lambda: read_progress(file))
    file.write_bytes(pickle.dumps(_Gigabytes(), 2))
    assert "damaged" in message(lambda: read_progress(file))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("index.json", b"{"),
        ("index.json", b'{"cases": [{"subject": "a", "tiles": -1, "pixel_mm": [1, 1]}]}'),
        ("index.json", b'{"cases": [{"subject": "a", "tiles": 3, "pixel_mm": [1, 1]}]}'),
        ("case-0-images.npy", b""),
        ("case-0-labels.npy", b"\x93NUMPY\x01\x00damaged"),
        ("case-0-labels.npy", pickle.dumps(_Gigabytes(), 2)),
    ],
)
def test_damaged_tiles_are_said_in_a_line(tmp_path: Path, name: str, content: bytes) -> None:
    shape = (2, 8, 8)
    images, labels = np.zeros((2, 1, 8, 8), np.float32), np.zeros(shape, np.uint8)
    write_tiles([CaseTiles("a", images, labels, (1.0, 1.0))], tmp_path)
    assert len(TileFolder(tmp_path).cases) == 2
    (tmp_path / name).write_bytes(content)
    assert "tiles of the training" in message(lambda: TileFolder(tmp_path))


class TestHistoryOfVersions:
    @pytest.fixture(autouse=True)
    def history(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path))
        folder = version_folder("tiny", "20261125-163254-071-3f9a12bc")
        folder.mkdir(parents=True)
        write_order_of_use("tiny", [BASE, folder.name])
        return version_folder("tiny", "history.json")

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b'{"format_version": 2, "used": {}}', "newer version.*update musclefm"),
            (b'{"format_version": 1, "used": 3}', "damaged.*rollback"),
            (b"[" * 100_000, "damaged.*rollback"),
            (b" " * (2 << 20), "damaged.*rollback"),
        ],
    )
    def test_is_read_within_bounds(self, history: Path, content: bytes, words: str) -> None:
        assert len(order_of_use("tiny", has_base=True)) == 2
        history.write_bytes(content)
        with pytest.raises(Exception, match=words) as caught:
            order_of_use("tiny", has_base=True)
        assert "\n" not in str(caught.value)
        assert any(entry.name == "tiny" and entry.fault for entry in list_bundles())

    def test_a_link_is_not_followed(self, history: Path, tmp_path: Path) -> None:
        elsewhere = history.rename(tmp_path / "elsewhere")
        assert json.loads(elsewhere.read_text())["used"]
        history.symlink_to(elsewhere)
        assert "damaged" in message(lambda: order_of_use("tiny", has_base=True))
