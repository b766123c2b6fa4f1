"""``musclefm models download``: only on a yes, and what is said of it."""

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from file_server import FileServer, serving
from made_checkpoints import random_state, shapes_of_model
from test_download import CONTENT, PART

from musclefm.cli.main import main
from musclefm.models.imports import pretrained as start_models
from musclefm.models.imports import sam as official_checkpoints
from musclefm.models.imports.sam import OfficialCheckpoint
from musclefm.models.registry import find_bundle
from musclefm.storage import download as downloading
from musclefm.storage.download import RemoteFile


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once, and past a proxy that the computer may have."""
    monkeypatch.setattr(downloading, "_REST_S", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(FileServer(CONTENT)) as file:
        yield file


class Terminal(io.StringIO):
    """Somebody who answers."""

    def isatty(self) -> bool:
        return True


Command = Callable[..., str]


@pytest.fixture(scope="module")
def weights() -> bytes:
    """Return SAM's file, with random weights."""
    buffer = io.BytesIO()
    torch.save(random_state(shapes_of_model(class_count=3)), buffer)
    return buffer.getvalue()


class TestCommand:
    @pytest.fixture
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """Return the user's data folder, removed at once as pytest keeps what is large."""
        monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
        yield tmp_path / "home"
        shutil.rmtree(tmp_path / "home", ignore_errors=True)

    @pytest.fixture
    def sam(
        self, server: FileServer, weights: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> FileServer:
        """Have SAM lie on a server of this computer."""
        server.content = weights
        known = RemoteFile(
            server.address,
            "sam_vit_b.pth",
            len(server.content),
            hashlib.sha256(server.content).hexdigest(),
        )
        sam = OfficialCheckpoint("sam-vit-b", "SAM", "https://example.org", known)
        monkeypatch.setattr(official_checkpoints, "OFFICIAL_CHECKPOINTS", (sam,))
        return server

    @pytest.fixture
    def musclefm(self, capsys: pytest.CaptureFixture[str]) -> Command:
        """Return a function that runs ``musclefm models`` and gives what it says."""

        def run(*arguments: object, code: int = 0) -> str:
            assert main(["models", *map(str, arguments)]) == code
            said = capsys.readouterr()
            return said.err if code else said.out

        return run

    def test_nothing_comes_without_a_yes(
        self, home: Path, sam: FileServer, musclefm: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
        assert "--yes" in musclefm("download", "sam-vit-b", code=2)
        for answer in ("\n", "n\n", "what?\n"):
            monkeypatch.setattr("sys.stdin", Terminal(answer))
            assert "nothing was downloaded" in musclefm("download", "sam-vit-b", code=2)
        assert sam.asked == [] and not home.exists()

    def test_a_yes_brings_a_start_for_training_and_remove_takes_it_away(
        self, home: Path, sam: FileServer, musclefm: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sam.cuts = [PART]
        monkeypatch.setattr("sys.stdin", Terminal("y\n"))
        asked = musclefm("download", "sam-vit-b", "--scheme", "thigh-11", "--progress", "json")
        assert "127.0.0.1" in asked and "https://example.org" in asked
        events = [json.loads(line) for line in asked.splitlines() if line.startswith("{")]
        assert {event["stage"] for event in events} == {"download", "import"}
        assert sam.asked == ["", f"{PART}-"]
        bundle = find_bundle("sam-vit-b")
        assert (bundle.manifest.role, bundle.scheme.name) == ("start", "thigh-11")
        assert not list((home / "downloads").glob("sam*"))
        assert "there already" in musclefm("download", "sam-vit-b", "--yes", code=2)
        musclefm("remove", "sam-vit-b")
        assert not [x for x in home.rglob("*") if x.is_file() and not x.name.endswith(".lock")]

    def test_a_folder_serves_instead_of_the_web(
        self,
        home: Path,
        sam: FileServer,
        musclefm: Command,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        imported: list[Path] = []
        monkeypatch.setattr(
            start_models, "import_checkpoint", lambda path, _, scheme: imported.append(path)
        )
        file = tmp_path / "offline" / "sam_vit_b.pth"
        file.parent.mkdir()
        file.write_bytes(sam.content[:-1] + b"?")
        assert "not the known" in musclefm("download", "sam-vit-b", "--from", file.parent, code=2)
        file.write_bytes(sam.content)
        musclefm("download", "sam-vit-b", "--from", file.parent)
        assert imported == [file] and file.exists() and sam.asked == []

    def test_remove_takes_away_what_came_of_a_download_that_broke_off(
        self, home: Path, sam: FileServer, musclefm: Command
    ) -> None:
        sam.cuts = [PART] + [0] * 50
        assert "resumes" in musclefm("download", "sam-vit-b", "--yes", code=2)
        assert (home / "downloads" / "sam_vit_b.pth.part").is_file()
        musclefm("remove", "sam-vit-b")
        assert not (home / "downloads" / "sam_vit_b.pth.part").exists()
        assert "no model" in musclefm("remove", "sam-vit-b", code=2)

    def test_an_unknown_scheme_is_reported_before_anything_comes(
        self, home: Path, sam: FileServer, musclefm: Command
    ) -> None:
        said = musclefm("download", "sam-vit-b", "--scheme", "calf", "--yes", code=2)
        assert "calf" in said and sam.asked == []

    def test_an_unknown_name_tells_the_known_ones(self, home: Path, musclefm: Command) -> None:
        assert "medsam-vit-b" in musclefm("download", "sam", "--yes", code=2)
