"""What models come from is odd or hostile: folders, zips, downloads, checkpoints, places."""

import json
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made_bundles import variant
from test_odd_models import message
from tiny_ensemble import tiny_bundle

from musclefm.labels.scheme import load_scheme
from musclefm.models import registry
from musclefm.models.bundle import open_bundle
from musclefm.models.imports.checkpoint import import_checkpoint
from musclefm.models.installation import install_version
from musclefm.models.registry import find_bundle, list_bundles
from musclefm.models.versions import user_models_folder
from musclefm.progress import silent
from musclefm.storage import regular_file
from musclefm.storage.download import RemoteFile, download

ADAPTER = "image_encoder.blocks.0.attn.qkv.linear_a_q.weight"
KINDS = ["fifo", "link", "folder", "device"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("made") / "tiny", members=2).folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's data folder; nothing is shipped."""
    monkeypatch.setattr(registry, "shipped_models_folder", lambda: tmp_path / "shipped")
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def zipped(bundle: Path, path: Path, *more: tuple[str, bytes], packing: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for file in sorted(bundle.iterdir()):
            archive.write(file, f"tiny/{file.name}")
        for name, content in more:
            archive.writestr(name, content)
    return path


def replace_by(path: Path, kind: str) -> None:
    """Put something else in the place of a file."""
    kept = path.rename(path.with_name("kept")) if path.exists() else path.with_name("kept")
    kept.touch()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(kept if kind == "link" else "/dev/zero")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no FIFOs")
class TestOnlyPlainFilesAreOpened:
    @pytest.mark.parametrize("file", ["model.json", "member-0.safetensors"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_of_a_folder(self, bundle: Path, tmp_path: Path, file: str, kind: str) -> None:
        odd = variant(bundle, tmp_path / "odd")
        replace_by(odd / file, kind)
        assert "readable" in message(lambda: install_version(odd))
        assert "readable" in message(lambda: open_bundle(odd))

    def test_a_zip(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "model.zip")
        assert "no readable zip" in message(lambda: install_version(tmp_path / "model.zip"))

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_part_of_a_download(self, tmp_path: Path, kind: str) -> None:
        remote = RemoteFile("http://127.0.0.1:9/x.pth", "x.pth", 5, "0" * 64)
        replace_by(tmp_path / "x.pth.part", kind)
        assert "remove it" in message(lambda: download(remote, tmp_path, silent))
        assert (tmp_path / "kept").read_bytes() == b""

    @pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
    def test_beside_a_checkpoint(self, tmp_path: Path, kind: str) -> None:
        (tmp_path / "checkpoint_best.pth").touch()
        replace_by(tmp_path / "args.json", kind)
        assert "args.json" in message(lambda: import_checkpoint(tmp_path, "x", tmp_path / "to"))


class TestZips:
    def test_a_list_of_entries_without_end_is_not_read(self, tmp_path: Path) -> None:
        path = tmp_path / "many.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(20_000):
                archive.writestr(f"{number}", b"")
        tracemalloc.start()
        assert "no readable zip" in message(lambda: install_version(path))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 2_000_000

    @pytest.mark.parametrize("packing", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
    def test_only_common_packing_is_read(self, bundle: Path, tmp_path: Path, packing: int) -> None:
        path = zipped(bundle, tmp_path / "x.zip", packing=packing)
        assert "not packed" in message(lambda: install_version(path))

    @pytest.mark.parametrize("name", ["tiny/member-0.safetensors", "tiny/MEMBER-0.safetensors"])
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_no_file_is_in_it_twice(self, bundle: Path, tmp_path: Path, name: str) -> None:
        path = zipped(bundle, tmp_path / "x.zip", (name, b"other"))
        assert "not packed" in message(lambda: install_version(path))

    def test_what_claims_to_unpack_to_far_more_is_not_unpacked(
        self, bundle: Path, tmp_path: Path
    ) -> None:
        odd = variant(bundle, tmp_path / "odd")
        document = json.loads((odd / "model.json").read_text())
        document["members"][0]["weights"]["bytes"] = 10**12
        (odd / "model.json").write_text(json.dumps(document))
        path = zipped(odd, tmp_path / "x.zip", packing=zipfile.ZIP_DEFLATED)
        assert "not packed" in message(lambda: install_version(path))
        document["members"][0]["weights"]["bytes"] = 10**16
        (odd / "model.json").write_text(json.dumps(document))
        assert "of the disk are free" in message(lambda: install_version(odd))

    def test_a_manifest_without_end_is_not_read(self, bundle: Path, tmp_path: Path) -> None:
        odd = variant(bundle, tmp_path / "odd")
        with (odd / "model.json").open("ab") as file:
            file.write(b" " * (2 << 20))
        path = zipped(odd, tmp_path / "x.zip", packing=zipfile.ZIP_DEFLATED)
        assert "no readable model.json" in message(lambda: install_version(path))
        assert "no readable model.json" in message(lambda: install_version(odd))


class TestPlaces:
    def test_a_name_that_is_too_long_is_that_of_no_model(self) -> None:
        assert "no model" in message(lambda: find_bundle("x" * 5_000))
        assert "unknown label scheme" in message(lambda: load_scheme("s" * 5_000))
        assert "no checkpoint" in message(lambda: import_checkpoint(Path("x" * 300), "x"))

    def test_a_folder_that_nobody_may_look_into_hides_no_other_model(
        self, bundle: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        variant(bundle, home / "models" / "tiny")
        closed = home / "models" / "closed"
        closed.mkdir()
        stat = Path.stat

        def refused(path: Path, **options: Any) -> os.stat_result:
            if closed in path.parents:
                raise PermissionError(13, "Permission denied", str(path))
            return stat(path, **options)

        # Root may look everywhere, and tests may run as root.
        monkeypatch.setattr(Path, "stat", refused)
        assert [entry.name for entry in list_bundles()] == ["tiny"]
        assert not regular_file.is_file(closed / "model.json")

    def test_what_a_killed_writer_left_is_removed_by_the_next(self, home: Path) -> None:
        left = user_models_folder() / ".tiny.0123abcd.partial"
        (left / "tiny").mkdir(parents=True)
        (left / "lock").touch()
        tiny_bundle(home / "models" / "new", members=1)
        assert [path.name for path in user_models_folder().iterdir()] == ["new"]


class TestCheckpoints:
    @pytest.mark.parametrize(
        "tensor",
        [torch.tensor(1.0), torch.ones(768), torch.ones(768, 1), torch.ones(0)],
        ids=["no dimension", "one", "two", "empty"],
    )
    def test_patches_of_another_shape(self, tmp_path: Path, tensor: torch.Tensor) -> None:
        torch.save({"image_encoder.patch_embed.proj.weight": tensor}, tmp_path / "sam.pth")
        line = message(lambda: import_checkpoint(tmp_path / "sam.pth", "x", tmp_path / "to"))
        assert "checkpoint" in line

    @pytest.mark.parametrize(
        "adapter",
        [torch.tensor(1.0), torch.ones(1000, 768), torch.ones(2), torch.ones(0, 768)],
        ids=["no dimension", "rank 1000", "one dimension", "rank 0"],
    )
    def test_adapters_that_none_has(self, tmp_path: Path, adapter: torch.Tensor) -> None:
        self.fold(tmp_path, {ADAPTER: adapter})
        assert "'lora'" in message(lambda: import_checkpoint(tmp_path, "x", tmp_path / "to"))

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: text + " " * (2 << 20),
            lambda text: "[" * 100_000,
            lambda text: text.replace("13", "1e400"),
            lambda text: text.replace('"num_cls"', f'"{"y" * 1_000_000}"'),
        ],
    )
    def test_arguments_that_none_has(self, tmp_path: Path, change: Callable[[str], str]) -> None:
        self.fold(tmp_path, {"x": torch.ones(1)})
        path = tmp_path / "args.json"
        path.write_text(change(path.read_text()))
        assert "args.json" in message(lambda: import_checkpoint(tmp_path, "x", tmp_path / "to"))

    def test_more_folds_than_an_ensemble_has_members(self, tmp_path: Path) -> None:
        for number in range(65):
            (tmp_path / f"fold_{number}").mkdir()
        line = message(lambda: import_checkpoint(tmp_path, "x", tmp_path / "to"))
        assert "65 folds" in line and "at most 64" in line

    def fold(self, folder: Path, state: dict[str, torch.Tensor]) -> None:
        torch.save(state, folder / "checkpoint_best.pth")
        arguments = {
            "arch": "vit_b",
            "finetune_type": "lora",
            "normalize_type": "sam",
            "num_cls": 13,
        }
        (folder / "args.json").write_text(json.dumps(arguments))
