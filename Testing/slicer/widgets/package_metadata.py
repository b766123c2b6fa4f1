"""A Python whose packages are metadata alone, and what would install into it."""

from __future__ import annotations

import importlib
import os
import shutil
from importlib.metadata import DistributionFinder, MetadataPathFinder, distributions
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest
import slicer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_LISTED = Path(__file__).parents[1] / "slicer_packages.txt"
OF_SLICER = [line for line in _LISTED.read_text("utf-8").splitlines() if line[0] != "#"]
"""What Slicer ships, as ``name==version``."""


class PackageMetadata:
    """What ``importlib.metadata`` sees: nothing but what is added.

    Attributes
    ----------
    pipCalls : list
        What pip was asked for, and the lines of its constraints.
    torchCalls : list
        How the PyTorch extension was called, and the lines that any pip would keep to.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        folder.mkdir()
        self._seconds = 0
        monkeypatch.syspath_prepend(folder)
        self.pipCalls: list[tuple[list[str], list[str]]] = []
        self.torchCalls: list[tuple[dict[str, Any], list[str]]] = []
        findAnywhere = MetadataPathFinder.find_distributions

        def findHere(context: Any = None) -> Any:
            name = getattr(context, "name", None)
            return findAnywhere(DistributionFinder.Context(name=name, path=[str(folder)]))

        monkeypatch.setattr(MetadataPathFinder, "find_distributions", findHere)
        monkeypatch.setattr(slicer.packaging, "pip_install", self._pipInstall)

    def add(self, *packages: str, requires: tuple[str, ...] = ()) -> None:
        """Install packages, written name==version, in place of other versions of theirs."""
        for package in packages:
            name, _equal, version = package.partition("==")
            stem = canonicalize_name(name).replace("-", "_")
            for before in self._folder.glob(f"{stem}-*.dist-info"):
                shutil.rmtree(before)
            folder = self._folder / f"{stem}-{version}.dist-info"
            folder.mkdir()
            lines = [f"Name: {name}", f"Version: {version}"]
            lines += [f"Requires-Dist: {entry}" for entry in requires]
            (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, ""]))
        self.touch()
        importlib.invalidate_caches()

    def touch(self) -> None:
        """Give the folder another time, as any file that comes or goes: its own may be coarse."""
        self._seconds += 1
        os.utime(self._folder, (self._seconds, self._seconds))

    def addTorch(self, torch: str) -> None:
        """Install torch, which pins the libraries of its GPU."""
        self.add(f"torch=={torch}", requires=("setuptools", "nvidia-cudnn-cu12==9.1", "sympy>=1"))

    def lines(self) -> list[str]:
        """Return what is installed as constraints that keep it."""
        return sorted(
            f"{canonicalize_name(found.name)}=={found.version}" for found in distributions()
        )

    def installTorch(self, **options: Any) -> None:
        """Do as the PyTorch extension does, with a torch 2.12."""
        (address,) = os.environ["PIP_CONSTRAINT"].split()
        path = url2pathname(urlparse(address).path)
        self.torchCalls.append((options, Path(path).read_text("utf-8").splitlines()))
        self.addTorch("2.12.0+cu128")

    def _pipInstall(
        self, requirements: list[str], constraints: Any = None, **_options: Any
    ) -> None:
        lines = Path(constraints).read_text("utf-8").splitlines()
        self.pipCalls.append((requirements, lines))
        for requirement in map(Requirement, requirements):
            lowest = next(iter(requirement.specifier)).version
            self.add(f"{requirement.name}=={lowest}")
