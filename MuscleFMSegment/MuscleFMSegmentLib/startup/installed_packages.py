"""What is installed in Slicer's Python, read from metadata alone.

Nothing is imported: Slicer would keep torch and its libraries until it ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distributions, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from slicer.i18n import tr as _

# As in pyproject.toml, which gives the reason.
TORCH, TORCHVISION = SpecifierSet(">=2.10"), SpecifierSet(">=0.25")


def installedVersion(name: str) -> Version | None:
    """Return a package's version, None where it is not installed or its metadata is damaged."""
    try:
        return Version(version(name))
    except (PackageNotFoundError, InvalidVersion, TypeError):
        return None


def lackingOfTorch() -> dict[str, str]:
    """Return what of torch and torchvision is missing, too old or does not pair.

    Returns
    -------
    dict
        From the package to what the user reads; empty where both are fine. Where torch is
        named, torchvision comes with it.
    """
    torch, torchvision = installedVersion("torch"), installedVersion("torchvision")
    if torch is None:
        return {"torch": "PyTorch"}
    if torch.base_version not in TORCH:
        text = _("a newer PyTorch ({wanted}; {found} is installed)")
        return {"torch": text.format(wanted=TORCH, found=torch.public)}
    if torchvision is None:
        return {"torchvision": "torchvision"}
    if torchvision.base_version not in TORCHVISION or not _pairs(torchvision, torch):
        text = _("the torchvision of PyTorch {torch} ({found} is installed)")
        return {"torchvision": text.format(torch=torch, found=torchvision)}
    return {}


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


def _pairs(torchvision: Version, torch: Version) -> bool:
    """Tell whether torchvision is made for a torch, and for the same kind of GPU."""
    wanted = [entry for entry in _requirements("torchvision") if entry.name == "torch"]
    if not all(entry.specifier.contains(str(torch), prereleases=True) for entry in wanted):
        return False
    one, other = (_buildOf(version) for version in (torch, torchvision))
    return not one or not other or one == other


def _buildOf(version: Version) -> str:
    """Return the hardware a build names: the CUDA builds of one major version fit each other."""
    found = re.match(r"cpu|xpu|rocm|cu\d\d(?=\d)", version.local or "")
    return found[0] if found else ""


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
