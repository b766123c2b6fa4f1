"""What is installed in Slicer's Python, read from metadata alone.

Nothing is imported: Slicer would keep torch and its libraries until it ends.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distributions, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from slicer.i18n import tr as _

# As in pyproject.toml, which gives the reason.
TORCH = SpecifierSet(">=2.10")


def namesOnPath() -> tuple[frozenset[str], ...]:
    """Return the names of all packages' metadata, which hold their versions, folder by folder."""
    found = []
    for folder in sys.path:
        with suppress(OSError):
            found.append(_namesIn(folder, Path(folder).stat().st_mtime_ns))
    return tuple(found)


@lru_cache
def _namesIn(folder: str, changed: int) -> frozenset[str]:
    """Return the names in a folder as it was at a time: other files come and go, too."""
    names = (entry.name for entry in Path(folder).iterdir())
    return frozenset(name for name in names if name.endswith((".dist-info", ".egg-info")))


def installedVersion(name: str) -> Version | None:
    """Return a package's version, None where it is not installed or its metadata is damaged."""
    try:
        return Version(version(name))
    except (PackageNotFoundError, InvalidVersion, TypeError):
        return None


def lackingTorch() -> str:
    """Return what the user reads of a torch that is missing or too old, empty where it is fine."""
    torch = installedVersion("torch")
    if torch is None:
        return "PyTorch"
    if torch.base_version in TORCH:
        return ""
    text = _("a newer PyTorch ({wanted}; {found} is installed)")
    return text.format(wanted=TORCH, found=torch.public)


def constraintLines(changing: Iterable[str] = ()) -> list[str]:
    """Return pip's constraints that keep every installed package at its version.

    Parameters
    ----------
    changing : iterable of str
        Packages that may change, and with them what they pin to one version, as torch pins
        its CUDA libraries. What others need of torch stays, and so does torch itself unless
        it is named.
    """
    free = _withPinned({canonicalize_name(name) for name in changing})
    lines: dict[str, str] = {}
    for found in distributions():
        try:
            name, number = canonicalize_name(found.name), Version(found.version)
        except (InvalidVersion, TypeError):
            # Metadata of an interrupted installation, which pip passes over, too.
            continue
        if name not in free:
            # The first on the path is the one that is imported.
            lines.setdefault(name, f"{name}=={number}")
    return sorted(lines.values())


def _withPinned(names: set[str]) -> set[str]:
    free, waiting = set(names), list(names)
    while waiting:
        for entry in _requirements(waiting.pop()):
            name = canonicalize_name(entry.name)
            isPinned = any(part.operator in ("==", "===", "~=") for part in entry.specifier)
            if isPinned and name not in free and name != "torch":
                free.add(name)
                waiting.append(name)
    return free


def _requirements(name: str) -> list[Requirement]:
    try:
        return [Requirement(text) for text in requires(name) or []]
    except PackageNotFoundError:
        return []
