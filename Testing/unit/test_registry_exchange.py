"""A model travels to another computer as it is, or is refused."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from made_bundles import damage, variant
from tiny_ensemble import tiny_bundle

from musclefm.cli.main import main
from musclefm.errors import MuscleFMError
from musclefm.models import registry
from musclefm.models.archive import export_bundle
from musclefm.models.bundle import open_bundle
from musclefm.models.installation import install_version
from musclefm.models.registry import find_bundle, list_versions


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle named ``tiny`` whose members share their encoder."""
    folder = tmp_path_factory.mktemp("made") / "tiny"
    return tiny_bundle(folder, members=3, shared_encoder=True).folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's data folder; nothing is shipped."""
    monkeypatch.setattr(registry, "shipped_models_folder", lambda: tmp_path / "shipped")
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def zipped(bundle: Path, path: Path, inside: str = "tiny/", **kept: int) -> Path:
    with zipfile.ZipFile(path, "w", **kept) as archive:
        for file in sorted(bundle.iterdir()):
            archive.write(file, f"{inside}{file.name}")
    return path


def refusal(path: Path, home: Path) -> str:
    with pytest.raises(MuscleFMError) as caught:
        install_version(path)
    assert "\n" not in str(caught.value)
    assert not [file for file in home.rglob("*") if file.is_file() and file.name != ".lock"]
    return str(caught.value)


@pytest.mark.parametrize("name", ["tiny.zip", "a/new/tiny.ZIP", "folder"])
def test_what_is_exported_can_be_imported(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    install_version(bundle)
    export_bundle(find_bundle("tiny"), tmp_path / "out" / name)
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "other computer"))
    installed = install_version(tmp_path / "out" / name)
    assert installed.folder.is_relative_to(tmp_path / "other computer")
    assert installed.sha256 == open_bundle(bundle).sha256 == find_bundle("tiny").sha256
    assert installed.load_member(2).state_dict().keys()


def test_the_same_model_gives_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        export_bundle(open_bundle(bundle), tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_only_what_belongs_to_a_model_travels(bundle: Path, tmp_path: Path) -> None:
    full = variant(bundle, tmp_path / "full")
    (full / "notes.txt").write_text("private")
    export_bundle(open_bundle(full), tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "encoder.safetensors",
        "member-0.safetensors",
        "member-1.safetensors",
        "member-2.safetensors",
        "model.json",
    }


@pytest.mark.parametrize("name", ["taken.zip", "taken"])
def test_an_export_replaces_nothing(bundle: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "taken.zip").write_text("mine")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    with pytest.raises(MuscleFMError, match="exists already"):
        export_bundle(open_bundle(bundle), tmp_path / name)
    assert (tmp_path / "taken.zip").read_text() == "mine"


@pytest.mark.parametrize("name", ["out.zip", "out"])
def test_a_damaged_model_is_not_exported(bundle: Path, tmp_path: Path, name: str) -> None:
    broken = open_bundle(variant(bundle, tmp_path / "broken"))
    damage(broken.folder)
    with pytest.raises(MuscleFMError, match="has changed"):
        export_bundle(broken, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


def test_a_zip_without_a_folder_in_it_or_compressed_will_do(bundle: Path, tmp_path: Path) -> None:
    flat = zipped(bundle, tmp_path / "flat.zip", "", compression=zipfile.ZIP_DEFLATED)
    assert install_version(flat).sha256 == open_bundle(bundle).sha256


def test_another_name_makes_another_model(bundle: Path, tmp_path: Path) -> None:
    archive = zipped(bundle, tmp_path / "tiny.zip")
    install_version(archive)
    install_version(archive, name="mine")
    assert find_bundle("mine").manifest.name == "mine"
    assert len(list_versions("tiny")) == len(list_versions("mine")) == 1
    with pytest.raises(MuscleFMError, match="cannot be the name"):
        install_version(archive, name="../x")


class TestRefused:
    def test_changed_weights(self, bundle: Path, tmp_path: Path, home: Path) -> None:
        broken = variant(bundle, tmp_path / "broken")
        damage(broken)
        assert "'member-0.safetensors' of model 'tiny' has changed" in refusal(broken, home)
        assert "has changed" in refusal(zipped(broken, tmp_path / "broken.zip"), home)

    def test_missing_weights(self, bundle: Path, tmp_path: Path, home: Path) -> None:
        broken = variant(bundle, tmp_path / "broken")
        (broken / "encoder.safetensors").unlink()
        assert "missing" in refusal(broken, home)
        assert "missing" in refusal(zipped(broken, tmp_path / "broken.zip"), home)

    def test_a_file_that_holds_more_than_it_says(
        self, bundle: Path, tmp_path: Path, home: Path
    ) -> None:
        broken = variant(bundle, tmp_path / "broken")
        with (broken / "member-1.safetensors").open("ab") as file:
            file.write(bytes(50_000_000))
        archive = zipped(broken, tmp_path / "bomb.zip", compression=zipfile.ZIP_DEFLATED)
        assert "has changed" in refusal(archive, home)

    @pytest.mark.parametrize(
        "path",
        ["../evil", "tiny/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "tiny/..\\..\\evil"],
    )
    def test_paths_that_lead_out(self, bundle: Path, tmp_path: Path, home: Path, path: str) -> None:
        archive = zipped(bundle, tmp_path / "slip.zip")
        with zipfile.ZipFile(archive, "a") as opened:
            opened.writestr(path, "evil")
        assert "lead out of it" in refusal(archive, home)
        assert not list(tmp_path.rglob("*evil*"))

    @pytest.mark.parametrize("file", ["../member-0.safetensors", "/etc/passwd", "a/b.safetensors"])
    def test_a_manifest_that_names_files_elsewhere(
        self, bundle: Path, tmp_path: Path, home: Path, file: str
    ) -> None:
        broken = shutil.copytree(bundle, tmp_path / "broken")
        document = json.loads((broken / "model.json").read_text())
        document["members"][0]["weights"]["file"] = file
        (broken / "model.json").write_text(json.dumps(document))
        assert "members.0.weights.file" in refusal(broken, home)
        assert "members.0.weights.file" in refusal(zipped(broken, tmp_path / "x.zip"), home)

    def test_what_holds_no_model_or_two(self, bundle: Path, tmp_path: Path, home: Path) -> None:
        with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
            archive.writestr("readme.txt", "")
        assert "holds no models" in refusal(tmp_path / "none.zip", home)
        two = zipped(bundle, tmp_path / "two.zip", "a/")
        with zipfile.ZipFile(two, "a") as archive:
            archive.write(bundle / "model.json", "b/model.json")
        assert "holds 2 models" in refusal(two, home)
        assert "not a model" in refusal(tmp_path / "nowhere", home)

    def test_a_file_that_is_no_zip_or_half_of_one(
        self, bundle: Path, tmp_path: Path, home: Path
    ) -> None:
        whole = zipped(bundle, tmp_path / "whole.zip").read_bytes()
        (tmp_path / "half.zip").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "text.zip").write_text("hello")
        for name in ("half.zip", "text.zip", "nowhere.zip"):
            assert "no readable zip" in refusal(tmp_path / name, home)

    def test_a_zip_that_is_damaged_inside(self, bundle: Path, tmp_path: Path, home: Path) -> None:
        archive = zipped(bundle, tmp_path / "x.zip", compression=zipfile.ZIP_DEFLATED)
        content = bytearray(archive.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 64] = bytes(64)
        archive.write_bytes(content)
        assert "'tiny'" in refusal(archive, home)


Command = Callable[..., str]


@pytest.fixture
def musclefm(capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs ``musclefm models`` and gives what it says."""

    def run(*arguments: object, code: int = 0) -> str:
        assert main(["models", *map(str, arguments)]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    return run


def test_the_command_installs_shows_and_goes_back(
    bundle: Path, tmp_path: Path, musclefm: Command
) -> None:
    assert "3 members" in musclefm("import", zipped(bundle, tmp_path / "tiny.zip"))
    said = musclefm("import", variant(bundle, tmp_path / "2", version="second"))
    assert "musclefm models rollback tiny" in said
    first, second = (entry.version for entry in list_versions("tiny"))
    assert second in said and "second" in musclefm("list")
    shown = musclefm("show", "tiny")
    assert first in shown and second in shown and "Not for clinical use" in shown
    musclefm("export", f"tiny@{first}", "--out", tmp_path / "first")
    assert open_bundle(tmp_path / "first").sha256 == open_bundle(bundle).sha256
    assert first in musclefm("rollback", "tiny")
    assert second in musclefm("rollback", f"tiny@{second}")
    musclefm("remove", f"tiny@{second}")
    assert find_bundle("tiny").manifest.version == "1"
    musclefm("remove", "tiny")
    assert "no model 'tiny'" in musclefm("rollback", "tiny", code=2)


def test_the_command_shows_the_versions_of_a_damaged_model_too(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = install_version(bundle)
    damage(install_version(variant(bundle, tmp_path / "2", version="2")).folder)
    assert main(["models", "show", "tiny"]) == 2
    said = capsys.readouterr()
    assert first.folder.name in said.out and "rollback tiny" in said.err


def test_a_checkpoint_needs_a_name(tmp_path: Path, musclefm: Command) -> None:
    (tmp_path / "sam_vit_b.pth").write_text("")
    assert "--name" in musclefm("import", tmp_path / "sam_vit_b.pth", code=2)


def test_programs_are_reported_whether_there_is_a_way_back(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions = [
        install_version(variant(bundle, tmp_path / version, version=version)).folder.name
        for version in ("1", "2")
    ]

    def reported() -> tuple[str, str]:
        assert main(["inventory"]) == 0
        (model,) = json.loads(capsys.readouterr().out)["models"]
        return model["former_version"], model["installed_version"]

    assert reported() == tuple(versions)
    main(["models", "rollback", "tiny"])
    capsys.readouterr()
    assert reported() == ("", versions[0])
