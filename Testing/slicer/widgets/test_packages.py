"""First use in a fresh Slicer: what is missing is asked for, and all else stays as it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomllib
from package_metadata import OF_SLICER, PackageMetadata
from packaging.utils import canonicalize_name
from playing import MODULE

from musclefm.errors import MuscleFMError

# What the library imports that Slicer does not bring.
NOT_IN_SLICER = (
    *("torch", "torchvision", "segment_anything", "nibabel", "nrrd", "psutil", "safetensors"),
    *("pydantic", "pydantic_core", "rich", "matplotlib", "jinja2", "platformdirs", "filelock"),
)
OURS = ("musclefm", "MuscleFMSegmentLib")


@pytest.fixture
def python(
    session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PackageMetadata]:
    """Return a Python with exactly what Slicer 5.12.3 ships; no other one is named."""
    import PyTorchUtils

    monkeypatch.delenv("MUSCLEFM_LIBRARY_PYTHON")
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    with monkeypatch.context() as patches:
        python = PackageMetadata(tmp_path / "packages", patches)
        patches.setattr(
            PyTorchUtils.PyTorchUtilsLogic,
            "installTorch",
            lambda logic, **options: python.installTorch(**options),
        )
        python.add(*OF_SLICER)
        yield python
        session.closeModules()


@pytest.fixture
def bare(session: Any, python: PackageMetadata) -> Iterator[PackageMetadata]:
    """Return this Python, in which what Slicer lacks cannot be imported either."""

    def isIn(module: str, names: tuple[str, ...]) -> bool:
        return module.partition(".")[0] in names

    class Lacking:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
            if isIn(name, NOT_IN_SLICER):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    kept = {name: sys.modules[name] for name in sys.modules if isIn(name, OURS + NOT_IN_SLICER)}
    for name in kept:
        del sys.modules[name]
    lacking = Lacking()
    sys.meta_path.insert(0, lacking)
    yield python
    session.closeModules()
    sys.meta_path.remove(lacking)
    for name in [name for name in sys.modules if isIn(name, OURS + NOT_IN_SLICER)]:
        del sys.modules[name]
    sys.modules.update(kept)


def install(session: Any, panel: Any, answer: str = "Ok") -> None:
    """Press the button, and answer the question."""
    import qt

    session.answer(getattr(qt.QMessageBox, answer))
    session.click(panel.ui.installButton)


def named(lines: list[str]) -> set[str]:
    """Return the packages that lines ``name==version`` keep."""
    return {canonicalize_name(line.partition("==")[0]) for line in lines}


def test_with_slicers_own_packages_the_module_opens_and_offers_the_rest(
    session: Any, bare: PackageMetadata
) -> None:
    panel = session.openModule(MODULE).panel
    assert panel.ui.installButton.visible and "PyTorch" in panel.ui.installLabel.text
    offered = panel.ui.installLabel.text.partition(": ")[2].partition(". ")[0].split(", ")
    assert offered[0] == "PyTorch" and "segment-anything" in offered
    assert not {canonicalize_name(name) for name in offered} & named(OF_SLICER)
    assert not panel.segment.ui.applyButton.enabled and not session.messages
    assert not panel.inventory.isRunning


def test_no_package_that_is_installed_changes(session: Any, python: PackageMetadata) -> None:
    shipped = python.lines()
    panel = session.openModule(MODULE).panel
    install(session, panel)
    ((options, torchLines),) = python.torchCalls
    assert options["askConfirmation"] and options["torchVersionRequirement"] == ">=2.10"
    assert torchLines == shipped and "PIP_CONSTRAINT" not in os.environ
    ((requirements, lines),) = python.pipCalls
    # The user's build of torch is kept, too.
    assert set(shipped) < set(lines) and "torch==2.12.0+cu128" in lines
    assert any(entry.startswith("segment-anything") for entry in requirements)
    assert not any(entry.startswith(("torch", "numpy", "highdicom")) for entry in requirements)
    assert set(shipped) < set(python.lines())
    assert not panel.ui.installFrame.visible and not panel.messages.text


def test_a_package_that_is_too_old_may_change_with_what_it_pins(
    session: Any, python: PackageMetadata
) -> None:
    python.addTorch("2.12.0")
    python.add("pydantic==2.5.0", requires=("pydantic-core==2.14.1", "typing-extensions>=4.6.1"))
    python.add("pydantic-core==2.14.1")
    panel = session.openModule(MODULE).panel
    install(session, panel)
    ((requirements, lines),) = python.pipCalls
    assert "pydantic>=2.10" in requirements
    assert not {"pydantic", "pydantic-core"} & named(lines)
    assert named(OF_SLICER) < named(lines)


def test_a_policy_of_constraints_stays_in_force(
    session: Any, python: PackageMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    import PyTorchUtils

    monkeypatch.setenv("PIP_CONSTRAINT", "policy.txt")
    seen: list[str] = []
    monkeypatch.setattr(
        PyTorchUtils.PyTorchUtilsLogic,
        "installTorch",
        lambda logic, **options: seen.append(os.environ["PIP_CONSTRAINT"]),
    )
    panel = session.openModule(MODULE).panel
    session.click(panel.ui.installButton)
    assert seen[0].startswith("policy.txt file:") and os.environ["PIP_CONSTRAINT"] == "policy.txt"
    assert "not installed" in panel.messages.text and panel.ui.installButton.visible


@pytest.mark.parametrize("error", [RuntimeError, OSError])
def test_a_failure_is_not_taken_for_a_no(
    session: Any, python: PackageMetadata, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """Slicer raises RuntimeError of both."""
    import slicer

    python.addTorch("2.12.0")

    def fail(requirements: Any, **options: Any) -> None:
        raise error("A non-blocking pip_install is already in progress.")

    panel = session.openModule(MODULE).panel
    monkeypatch.setattr(slicer.packaging, "pip_install", fail)
    install(session, panel)
    assert "installing the packages failed" in panel.messages.text.lower()
    assert "not installed" not in panel.messages.text and panel.ui.installButton.visible


def test_a_no_is_accepted(session: Any, python: PackageMetadata) -> None:
    python.addTorch("2.12.0")
    panel = session.openModule(MODULE).panel
    install(session, panel, "Cancel")
    assert "not installed" in panel.messages.text and panel.ui.installButton.visible
    assert python.pipCalls == []


def test_a_torch_that_is_too_old_leads_to_the_button_that_mends_it(
    session: Any, python: PackageMetadata
) -> None:
    python.addTorch("2.9.1+cu128")
    python.add("torchvision==0.24.1+cu128", requires=("torch==2.9.1",))
    python.add("nvidia-cudnn-cu12==9.1", "sympy==1.14")
    panel = session.openModule(MODULE).panel
    assert "2.9.1 is installed" in panel.ui.installLabel.text
    assert not panel.segment.ui.applyButton.enabled
    install(session, panel)
    ((_options, lines),) = python.torchCalls
    # A new torch brings its own CUDA libraries; what it takes in any version stays. The
    # torchvision that the user has is made for the old one.
    assert not {"torch", "torchvision", "nvidia-cudnn-cu12"} & named(lines)
    assert {"sympy", "setuptools"} < named(lines)
    assert not panel.ui.installFrame.visible and not panel.messages.text


@pytest.mark.parametrize("torch", ["2.10.0", "2.15.0+cu126", "2.12.0+cpu"])
@pytest.mark.parametrize("torchvision", ["", "0.20.1+cu128"], ids=["alone", "with another's"])
def test_a_torch_that_works_is_left_alone(
    session: Any, python: PackageMetadata, torch: str, torchvision: str
) -> None:
    """Nothing here uses torchvision: whether there is one, and for which torch, is the user's."""
    python.addTorch(torch)
    if torchvision:
        python.add(f"torchvision=={torchvision}", requires=("torch==2.5.1",))
    panel = session.openModule(MODULE).panel
    assert "orch" not in panel.ui.installLabel.text.partition(". ")[0]
    install(session, panel)
    assert not python.torchCalls and not panel.ui.installFrame.visible


def test_packages_that_went_while_the_module_was_open_are_noticed_before_a_run(
    session: Any, python: PackageMetadata, water: Any
) -> None:
    python.addTorch("2.12.0")
    panel = session.openModule(MODULE).panel
    install(session, panel)
    assert panel.segment.ui.applyButton.enabled
    python.addTorch("2.9.1")
    session.click(panel.segment.ui.applyButton)
    assert panel.ui.installButton.visible and not panel.run.isRunning
    assert "2.9.1 is installed" in panel.ui.installLabel.text and not panel.messages.text


def test_packages_are_looked_at_again_only_after_one_came_or_went(
    session: Any, python: PackageMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slicer's way of looking reads a file of each, and Apply would wait for it."""
    import slicer

    asked: list[Any] = []
    check = slicer.packaging.pip_check
    # Slicer's own asks itself for each of a list, and hands on what it has seen.
    monkeypatch.setattr(
        slicer.packaging,
        "pip_check",
        lambda entry, *seen: asked.append(entry) or check(entry, *seen),
    )
    python.addTorch("2.12.0")
    panel = session.openModule(MODULE).panel
    count = len(asked)
    panel.apply()
    session.closeScene()
    session.leaveModule()
    session.openModule(MODULE)
    python.touch()
    panel.apply()
    assert asked and len(asked) == count
    python.add("pydantic==2.10")
    panel.apply()
    assert len(asked) == 2 * count


def test_torch_is_asked_for_as_the_library_declares_it() -> None:
    from MuscleFMSegmentLib.startup.installed_packages import TORCH

    declared = tomllib.loads((MODULE.parents[1] / "pyproject.toml").read_text("utf-8"))
    assert f"torch{TORCH}" in declared["project"]["dependencies"]


def test_without_the_extension_the_remedy_is_reported(
    python: PackageMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    from MuscleFMSegmentLib.startup.installer import Installer

    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(MuscleFMError, match="Extensions Manager"):
        Installer().install()


def test_what_pip_or_the_extension_raises_is_one_line(
    python: PackageMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    import PyTorchUtils

    from MuscleFMSegmentLib.startup.installer import Installer

    def fail(logic: Any, **options: Any) -> None:
        raise OSError("torch.dll is in use")

    monkeypatch.setattr(PyTorchUtils.PyTorchUtilsLogic, "installTorch", fail)
    with pytest.raises(MuscleFMError, match="restart Slicer"):
        Installer().install()
