"""Tests that run in Slicer's environment: its real scene, and its window under Xvfb.

Run them with the interpreter that has slicer-core and PySide6. Where MUSCLEFM_SLICER_BASE names
a copy of the folder Base/Python of Slicer's sources, its packages are used, not stand-ins of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# Slicer's package takes any folder of its name that is on the path for a part of itself.
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != HERE.parent]
for folder in (HERE, HERE.parents[1] / "MuscleFMSegment"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

if not import_module("harness.slicer_base").useSlicersOwn():
    # slicer-core, which the tests of the scene run in alone, has none.
    sys.modules.setdefault("slicer.i18n", import_module("harness.stand_ins.i18n"))


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """Return the name of a screen that is the tests' own."""
    from harness.virtual_display import VirtualDisplay

    screen = VirtualDisplay()
    os.environ["DISPLAY"] = screen.name
    yield screen.name
    screen.stop()


@pytest.fixture(scope="session")
def application(display: str, tmp_path_factory: pytest.TempPathFactory):
    """Return the application: Slicer's window, started once for all tests."""
    from harness import boot

    return boot(tmp_path_factory.mktemp("slicer"))


@pytest.fixture
def slicer_session(application):
    """Return the application with an empty scene; fail where a slot raised an error."""
    application.takeOver()
    application.closeScene()
    application.forget()
    yield application
    application.closeModules()
    application.closeScene()
    errors = list(application.errors)
    application.forget()
    assert not errors, "\n".join(errors)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    session.config.stash[SESSION] = session


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End a process that has VTK and Qt at once: taking both down in order may crash."""
    session = config.stash.get(SESSION, None)
    if session is not None and "PySide6" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(session.exitstatus))


SESSION: pytest.StashKey[pytest.Session] = pytest.StashKey()
