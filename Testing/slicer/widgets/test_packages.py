"""First use in a fresh Slicer: what is missing is asked for, and installed on the user's yes."""

from __future__ import annotations

from typing import Any

import pytest
import slicer
import tomllib
from playing import MODULE

from musclefm.errors import MuscleFMError


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the installer of a Slicer that has no other Python, no torch and lacks packages."""
    import MuscleFMSegmentLib.startup.installer as installer

    monkeypatch.delenv("MUSCLEFM_LIBRARY_PYTHON")
    slicer.packaging.INSTALLED.clear()
    yield installer
    slicer.packaging.INSTALLED.clear()


@pytest.fixture
def torch(fresh: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the versions of torch that are installed, to be filled."""
    versions: list[str] = []

    def version(name: str) -> str:
        if name != "torch" or not versions:
            raise fresh.PackageNotFoundError(name)
        return versions[0]

    monkeypatch.setattr(fresh, "version", version)
    return versions


def test_the_strip_names_what_is_missing_and_nothing_runs(
    session: Any, fresh: Any, torch: list[str]
) -> None:
    panel = session.openModule(MODULE).panel
    assert panel.ui.installFrame.visible and "PyTorch" in panel.ui.installLabel.text
    assert not panel.segment.ui.applyButton.enabled and not session.messages
    assert not panel.inventory.isRunning


def test_torch_comes_from_the_extension_and_the_rest_from_pip(
    session: Any, fresh: Any, torch: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import PyTorchUtils
    import qt

    asked: list[dict[str, Any]] = []

    def installTorch(self: Any, **options: Any) -> None:
        asked.append(options)
        torch.append("2.12.0+cu128")

    monkeypatch.setattr(PyTorchUtils.PyTorchUtilsLogic, "installTorch", installTorch)
    panel = session.openModule(MODULE).panel
    session.answer(qt.QMessageBox.Ok)
    session.click(panel.ui.installButton)
    assert asked[0]["askConfirmation"] and asked[0]["torchVersionRequirement"] == ">=2.10"
    assert any(entry.startswith("segment-anything") for entry in slicer.packaging.INSTALLED)
    assert not any(entry.startswith("torch") for entry in slicer.packaging.INSTALLED)
    assert not panel.ui.installFrame.visible and not panel.messages.text


def test_a_no_is_accepted(session: Any, fresh: Any, torch: list[str]) -> None:
    import qt

    torch.append("2.12.0")
    panel = session.openModule(MODULE).panel
    session.answer(qt.QMessageBox.Cancel)
    session.click(panel.ui.installButton)
    assert "not installed" in panel.messages.text and panel.ui.installFrame.visible
    assert slicer.packaging.INSTALLED == []


def test_torch_is_asked_for_as_the_library_declares_it(fresh: Any) -> None:
    declared = tomllib.loads((MODULE.parents[1] / "pyproject.toml").read_text("utf-8"))
    wanted = declared["project"]["dependencies"]
    assert f"torch{fresh._TORCH}" in wanted and f"torchvision{fresh._TORCHVISION}" in wanted


@pytest.mark.parametrize(("installed", "isFine"), [("2.10.0", True), ("2.9.1", False), ("", False)])
def test_an_old_torch_counts_as_missing(
    fresh: Any, torch: list[str], installed: str, isFine: bool
) -> None:
    if installed:
        torch.append(installed)
    assert ("PyTorch" not in fresh.Installer().missing()) == isFine


def test_without_the_extension_the_remedy_is_told(
    fresh: Any, torch: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PyTorchUtils", None)
    with pytest.raises(MuscleFMError, match="Extensions Manager"):
        fresh.Installer().install()
