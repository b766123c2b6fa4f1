"""Stand-in for slicer.packaging (5.12): asks and checks as Slicer does, and never runs pip."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import slicer
from packaging.requirements import Requirement


def load_requirements(path: str | Path) -> list[Requirement]:
    """Return the requirements of a file, one a line."""
    lines = (line.strip() for line in Path(path).read_text("utf-8").splitlines())
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def pip_check(requirements: Any) -> bool:
    """Return whether all requirements are satisfied here."""
    return all(_satisfied(entry) for entry in _asList(requirements))


def pip_ensure(
    requirements: Any,
    constraints: str | Path | None = None,
    skip_packages: list[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> list[str] | None:
    """Ask the user, and hand what is missing to :func:`pip_install`.

    Raises
    ------
    RuntimeError
        Where the user declines.
    """
    missing = [entry for entry in _asList(requirements) if not _satisfied(entry)]
    if missing:
        names = ", ".join(entry.name for entry in missing)
        question = f"{requester} needs these Python packages: {names}. Install them now?"
        if prompt_install and not slicer.util.confirmOkCancelDisplay(question):
            raise RuntimeError("User declined package installation")
        pip_install([str(entry) for entry in missing], constraints=constraints)
    return None


def pip_install(requirements: Any, constraints: str | Path | None = None, **options: Any) -> None:
    """Refuse; a test puts a pip of its own here."""
    raise NotImplementedError("pip is not run in tests")


def _asList(requirements: Any) -> list[Requirement]:
    if isinstance(requirements, (str, Requirement)):
        requirements = [requirements]
    return [Requirement(str(entry)) for entry in requirements]


def _satisfied(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return version(requirement.name) in requirement.specifier
    except PackageNotFoundError:
        return False
