"""First use: Python packages that the library needs, installed once the user confirms."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from musclefm.errors import MuscleFMError
from MuscleFMSegmentLib.process.library_runner import PYTHON_VARIABLE
from MuscleFMSegmentLib.startup.installed_packages import (
    TORCH,
    constraintLines,
    lackingTorch,
    namesOnPath,
)

_REQUIREMENTS = Path(__file__).resolve().parents[2] / "Resources" / "requirements.txt"
_REQUESTER = "MuscleFMSegment"
_PIP_CONSTRAINT = "PIP_CONSTRAINT"

# What the module itself imports; the rest is the child process's, which may have another Python.
_IN_SLICER = frozenset({"numpy", "scipy", "SimpleITK", "pydicom", "pydantic", "platformdirs"})


class Installer:
    """Finds and installs missing packages, and leaves all others as they are."""

    def __init__(self) -> None:
        self._state: object = None
        self._missing: tuple[str, ...] = ()

    def missing(self) -> tuple[str, ...]:
        """Return what is missing or too old, PyTorch first, as the user reads it.

        Slicer asks each package's metadata, which takes long: again only after a change.
        """
        state = (_otherPython(), namesOnPath())
        if state != self._state:
            torch = [lacking] if (lacking := self._lackingTorch()) else []
            others = [requirement.name for requirement in self._missingRequirements()]
            self._state, self._missing = state, (*torch, *others)
        return self._missing

    def install(self) -> None:
        """Install what is missing, after asking.

        Raises
        ------
        MuscleFMError
            The user declined, or it failed.
        """
        if self._lackingTorch():
            self._installTorch()
        missing = self._missingRequirements()
        if missing and not _isConfirmed(missing):
            raise MuscleFMError(
                _("the packages were not installed"), _("press Install when you are ready")
            )
        try:
            with _constraints(requirement.name for requirement in missing) as path:
                slicer.packaging.pip_ensure(
                    missing, constraints=path, prompt_install=False, requester=_REQUESTER
                )
        except Exception as error:
            raise MuscleFMError(
                _("installing the packages failed"),
                _("check network and free space, see Slicer's Python console, and try again"),
            ) from error
        importlib.invalidate_caches()
        if left := self.missing():
            raise MuscleFMError(
                _("still missing: {names}").format(names=", ".join(left)),
                _("restart Slicer and press Install again"),
            )

    def _missingRequirements(self) -> list[Any]:
        listed = slicer.packaging.load_requirements(_REQUIREMENTS)
        other = _otherPython()
        needed = [entry for entry in listed if not other or entry.name in _IN_SLICER]
        return [entry for entry in needed if not slicer.packaging.pip_check(entry)]

    def _lackingTorch(self) -> str:
        return "" if _otherPython() else lackingTorch()

    def _installTorch(self) -> None:
        try:
            import PyTorchUtils
        except ModuleNotFoundError as error:
            raise MuscleFMError(
                _("Slicer's PyTorch extension is missing"),
                _("install it from the Extensions Manager and restart Slicer"),
            ) from error
        # The extension renews torchvision with it, which is made for one torch.
        try:
            with _constraints(("torch", "torchvision")) as path, _constraintsOfAnyPip(path):
                PyTorchUtils.PyTorchUtilsLogic().installTorch(
                    askConfirmation=True, torchVersionRequirement=str(TORCH)
                )
        except Exception as error:
            raise MuscleFMError(
                _("installing PyTorch failed"),
                _("see Slicer's Python console; restart Slicer and press Install again"),
            ) from error
        importlib.invalidate_caches()
        if self._lackingTorch():
            raise MuscleFMError(
                _("PyTorch was not installed"),
                _("press Install when you are ready; the PyTorch module says what went wrong"),
            )


def _isConfirmed(missing: Iterable[Any]) -> bool:
    """Ask the user. Slicer's own question raises of a no what failures raise, too."""
    text = _("{requester} needs Python packages that Slicer lacks; all others stay as they are.")
    return bool(
        slicer.util.confirmOkCancelDisplay(
            text.format(requester=_REQUESTER) + "\n\n" + _("Install them now?"),
            _("Install Python Packages"),
            detailedText="\n".join(map(str, missing)),
        )
    )


@contextmanager
def _constraints(changing: Iterable[str]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "constraints.txt"
        path.write_text("\n".join(constraintLines(changing)), "utf-8")
        yield path


@contextmanager
def _constraintsOfAnyPip(path: Path) -> Iterator[None]:
    """Let every pip that is started keep to constraints: the PyTorch extension takes none."""
    before = os.environ.get(_PIP_CONSTRAINT)
    # An address, as pip takes a space for the end of a path.
    os.environ[_PIP_CONSTRAINT] = " ".join(filter(None, (before, path.as_uri())))
    try:
        yield
    finally:
        if before is None:
            del os.environ[_PIP_CONSTRAINT]
        else:
            os.environ[_PIP_CONSTRAINT] = before


def _otherPython() -> bool:
    return bool(os.environ.get(PYTHON_VARIABLE))
