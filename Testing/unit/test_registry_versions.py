"""Every version of a model stays, one is in use, and there is always a way back."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made_bundles import damage, variant
from tiny_ensemble import tiny_bundle

from musclefm.errors import MuscleFMError
from musclefm.models import registry
from musclefm.models.bundle import open_bundle
from musclefm.models.installation import install_version, remove_model, roll_back
from musclefm.models.registry import (
    find_bundle,
    list_bundles,
    list_versions,
    versions_in_use,
)
from musclefm.models.versions import BASE, user_versions_folder

INSTALLER = Path(__file__).with_name("busy_installer.py")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle named ``tiny``."""
    return tiny_bundle(tmp_path_factory.mktemp("made") / "tiny", members=2).folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundle: Path) -> Path:
    """Return the user's data folder; ``tiny`` is shipped."""
    shutil.copytree(bundle, tmp_path / "shipped" / "tiny")
    monkeypatch.setattr(registry, "shipped_models_folder", lambda: tmp_path / "shipped")
    monkeypatch.setenv("MUSCLEFM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def in_use(name: str = "tiny") -> str:
    return find_bundle(name).manifest.version


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_new_version_takes_the_place_of_a_shipped_model(
    home: Path, bundle: Path, tmp_path: Path
) -> None:
    trained = variant(bundle, tmp_path / "trained", version="2")
    installed = install_version(trained)
    assert installed.folder.is_relative_to(home) and installed.sha256 == open_bundle(trained).sha256
    shutil.rmtree(trained)
    assert in_use() == "2"
    assert [(x.name, x.origin, x.fault) for x in list_bundles()] == [("tiny", "user", "")]


def test_each_rollback_goes_one_step_back(home: Path, bundle: Path, tmp_path: Path) -> None:
    for version in ("2", "3"):
        install_version(variant(bundle, tmp_path / version, version=version))
    assert in_use() == "3"
    roll_back("tiny")
    assert in_use() == "2"
    assert roll_back("tiny").version == BASE
    assert in_use() == "1"
    with pytest.raises(MuscleFMError, match="no former version"):
        roll_back("tiny")
    assert [x.bundle.manifest.version for x in list_versions("tiny") if x.bundle] == ["1", "2", "3"]


def test_a_certain_version_can_be_chosen_and_asked_for(
    home: Path, bundle: Path, tmp_path: Path
) -> None:
    for version in ("2", "3"):
        install_version(variant(bundle, tmp_path / version, version=version))
    second = list_versions("tiny")[1].version
    assert in_use(f"tiny@{second}") == "2" and in_use("tiny@base") == "1" and in_use() == "3"
    roll_back("tiny", second)
    assert in_use() == "2"
    roll_back("tiny")
    assert in_use() == "3"
    with pytest.raises(MuscleFMError, match=f"no version 'x': use one of these: base, {second}"):
        find_bundle("tiny@x")


def test_after_going_back_a_new_version_can_come(home: Path, bundle: Path, tmp_path: Path) -> None:
    install_version(variant(bundle, tmp_path / "2", version="2"))
    roll_back("tiny")
    install_version(variant(bundle, tmp_path / "3", version="3"))
    assert in_use() == "3"
    roll_back("tiny")
    assert in_use() == "1"


def test_a_bundle_directly_among_the_models_is_the_first_version(
    home: Path, bundle: Path, tmp_path: Path
) -> None:
    own = variant(bundle, home / "models" / "mine", name="mine")
    assert find_bundle("mine").folder == own
    install_version(variant(bundle, tmp_path / "2", name="mine", version="2"))
    assert in_use("mine") == "2"
    roll_back("mine")
    assert find_bundle("mine").folder == own


def test_a_model_may_have_installed_versions_only(home: Path, bundle: Path) -> None:
    install_version(bundle, name="mine")
    assert find_bundle("mine").manifest.name == "mine"
    assert [x.name for x in list_bundles()] == ["tiny", "mine"]
    with pytest.raises(MuscleFMError, match="no former version"):
        roll_back("mine")


def test_the_same_bundle_is_kept_once(home: Path, bundle: Path, tmp_path: Path) -> None:
    second = variant(bundle, tmp_path / "2", version="2")
    first_time = install_version(second)
    roll_back("tiny")
    assert install_version(second).folder == first_time.folder
    assert in_use() == "2"
    # The shipped one, come back from another computer.
    assert install_version(bundle).folder == find_bundle("tiny@base").folder
    assert in_use() == "1" and len(list_versions("tiny")) == 2
    damage(first_time.folder)
    again = install_version(second)
    assert again.folder != first_time.folder and in_use() == "2"


def test_a_damaged_version_names_the_way_back(home: Path, bundle: Path, tmp_path: Path) -> None:
    damage(install_version(variant(bundle, tmp_path / "2", version="2")).folder)
    with pytest.raises(MuscleFMError, match=r"has changed.*'musclefm models rollback tiny'"):
        find_bundle("tiny")
    roll_back("tiny")
    assert in_use() == "1"


def test_a_damaged_history_is_a_fault_and_a_choice_mends_it(
    home: Path, bundle: Path, tmp_path: Path
) -> None:
    install_version(variant(bundle, tmp_path / "2", version="2"))
    install_version(bundle, name="mine")
    (user_versions_folder() / "tiny" / "history.json").write_text("{")
    listed = {x.name: x.fault for x in list_bundles()}
    assert "damaged" in listed["tiny"] and not listed["mine"]
    for attempt in (lambda: find_bundle("tiny"), lambda: roll_back("tiny")):
        with pytest.raises(MuscleFMError, match=r"damaged.*rollback tiny@VERSION"):
            attempt()
    roll_back("tiny", BASE)
    assert in_use() == "1"


class TestRemoving:
    def test_of_the_version_in_use_brings_the_former_one_back(
        self, home: Path, bundle: Path, tmp_path: Path
    ) -> None:
        for version in ("2", "3", "4"):
            install_version(variant(bundle, tmp_path / version, version=version))
        _, second, third, fourth = (x.version for x in list_versions("tiny"))
        remove_model("tiny", third)
        assert in_use() == "4"
        remove_model("tiny", fourth)
        assert in_use() == "2"
        remove_model("tiny", second)
        assert in_use() == "1"
        assert content(home) == {}

    def test_never_touches_what_is_shipped(self, home: Path, bundle: Path, tmp_path: Path) -> None:
        install_version(variant(bundle, tmp_path / "2", version="2"))
        before = content(tmp_path)
        for version in (None, BASE):
            with pytest.raises(MuscleFMError, match="comes with musclefm and stays"):
                remove_model("tiny", version)
        assert content(tmp_path) == before

    def test_takes_all_versions_of_a_model(self, home: Path, bundle: Path, tmp_path: Path) -> None:
        variant(bundle, home / "models" / "folder", name="mine")
        install_version(variant(bundle, tmp_path / "2", name="mine", version="2"))
        remove_model("mine")
        assert content(home) == {}
        with pytest.raises(MuscleFMError, match="no model 'mine'"):
            remove_model("mine")

    def test_of_a_namesake_or_a_damaged_one_is_by_its_folder(
        self, home: Path, bundle: Path, tmp_path: Path
    ) -> None:
        shutil.copytree(bundle, home / "models" / "copy")
        (shutil.copytree(bundle, home / "models" / "broken") / "model.json").write_text("{")
        installed = install_version(variant(bundle, tmp_path / "2", version="2"))
        with pytest.raises(MuscleFMError, match="comes with musclefm"):
            remove_model("tiny")
        remove_model("copy")
        remove_model("broken")
        assert [x.folder for x in list_bundles()] == [installed.folder]

    @pytest.mark.parametrize("name", ["", ".", "..", "../tiny", "/etc", "tiny/.."])
    def test_is_of_models_only(self, home: Path, bundle: Path, tmp_path: Path, name: str) -> None:
        install_version(variant(bundle, tmp_path / "2", version="2"))
        before = content(tmp_path)
        with pytest.raises(MuscleFMError, match="no model"):
            remove_model(name)
        assert content(tmp_path) == before


def test_a_disk_without_room_leaves_all_as_it_was(home: Path, bundle: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="file size limits are POSIX")
    install_version(variant(bundle, tmp_path / "2", version="2"))
    third = variant(bundle, tmp_path / "3", version="3")
    before = content(home)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        with pytest.raises(MuscleFMError, match="disk is full"):
            install_version(third)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert content(home) == before and in_use() == "2"


def start_installer(bundle: Path, folder: Path, count: int, back_every: int) -> subprocess.Popen:
    command = [sys.executable, INSTALLER, bundle, folder, str(count), str(back_every)]
    return subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, env=os.environ, text=True
    )


def test_two_processes_lose_nothing_of_one_another(
    home: Path, bundle: Path, tmp_path: Path
) -> None:
    writers = [start_installer(bundle, tmp_path / who, 6, 3) for who in ("a", "b")]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        seen.add(in_use())
        time.sleep(0.02)
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(seen) > 1
    # The shipped one, and what each installed less what each went back from.
    assert len(list_versions("tiny")) == 1 + 2 * 6
    assert len(versions_in_use("tiny")) == 1 + 2 * (6 - 2)


def test_killed_at_any_moment_a_version_is_there_as_a_whole_or_not_at_all(
    home: Path, bundle: Path, tmp_path: Path
) -> None:
    rng = random.Random(5)
    for number in range(4):
        known = {x.version for x in list_versions("tiny")}
        writer = start_installer(bundle, tmp_path / f"killed-{number}", 1000, 0)
        assert writer.stdout
        for _ in range(rng.randrange(1, 8)):
            writer.stdout.readline()
        writer.kill()
        writer.wait()
        versions = list_versions("tiny")
        assert known <= {x.version for x in versions} and not any(x.fault for x in versions)
        for entry in versions:
            open_bundle(entry.folder)
        find_bundle("tiny")
    install_version(variant(bundle, tmp_path / "last", version="last"))
    assert in_use() == "last"
    assert not [path for path in home.rglob(".*") if path.name != ".lock"]


def test_models_are_listed_without_torch() -> None:
    code = (
        "import sys\n"
        "from musclefm.models.registry import list_bundles\n"
        "import musclefm.models.installation, musclefm.models.imports.sam\n"
        "assert list_bundles()\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
