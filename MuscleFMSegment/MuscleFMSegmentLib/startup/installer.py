"""First use: Python packages that the library needs, installed once the user confirms."""

from __future__ import annotations

import importlib
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from MuscleFMSegmentLib.process.library_runner import PYTHON_VARIABLE

_REQUIREMENTS = Path(__file__).resolve().parents[2] / "Resources" / "requirements.txt"
_REQUESTER = "MuscleFMSegment"
# As in pyproject.toml, which gives the reason.
_TORCH, _TORCHVISION = ">=2.10", ">=0.25"

# What the module itself imports; the rest is the child process's, which may have another Python.
_IN_SLICER = frozenset({"numpy", "scipy", "SimpleITK", "pydicom", "pydantic", "platformdirs"})


class Installer:
    """Finds and installs missing packages."""

    def missing(self) -> tuple[str, ...]:
        """Return the packages that are missing or too old, PyTorch first."""
        missing = [
            requirement.name
            for requirement in self._requirements()
            if not slicer.packaging.pip_check(requirement)
        ]
        return (*(() if _otherPython() or _hasTorch() else ("PyTorch",)), *missing)

    def install(self) -> None:
        """Install what is missing, after asking.

        Raises
        ------
        MuscleFMError
            The user declined, or it failed.
        """
        if not _otherPython() and not _hasTorch():
            self._installTorch()
        try:
            slicer.packaging.pip_ensure(self._requirements(), requester=_REQUESTER)
        except RuntimeError as error:
            raise MuscleFMError(
                _("the packages were not installed"), _("press Install when you are ready")
            ) from error
        except Exception as error:
            raise MuscleFMError(
                _("installing the packages failed"),
                _("check network and free space, see Slicer's Python console, and try again"),
            ) from error
        importlib.invalidate_caches()
        left = self.missing()
        if left:
            raise MuscleFMError(
                _("still missing: {names}").format(names=", ".join(left)),
                _("restart Slicer and press Install again"),
            )

    def _requirements(self) -> list[Any]:
        listed = slicer.packaging.load_requirements(_REQUIREMENTS)
        other = _otherPython()
        return [entry for entry in listed if not other or entry.name in _IN_SLICER]

    def _installTorch(self) -> None:
        try:
            import PyTorchUtils
        except ModuleNotFoundError as error:
            raise MuscleFMError(
                _("Slicer's PyTorch extension is missing"),
                _("install it from the Extensions Manager and restart Slicer"),
            ) from error
        PyTorchUtils.PyTorchUtilsLogic().installTorch(
            askConfirmation=True,
            torchVersionRequirement=_TORCH,
            torchvisionVersionRequirement=_TORCHVISION,
        )
        importlib.invalidate_caches()
        if not _hasTorch():
            raise MuscleFMError(
                _("PyTorch was not installed"),
                _("install it in the PyTorch module, which reports what went wrong"),
            )


def _otherPython() -> bool:
    return bool(os.environ.get(PYTHON_VARIABLE))


def _hasTorch() -> bool:
    # Looked up, never imported: Slicer would keep its libraries until it ends.
    try:
        major, minor = version("torch").split(".")[:2]
    except PackageNotFoundError:
        return False
    return (int(major), int(minor)) >= (2, 10)
