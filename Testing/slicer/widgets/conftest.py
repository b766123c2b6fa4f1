"""The module in Slicer's window, with the library as a real child process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playing import MODULE, REAL_SCAN, REPOSITORY, SAMPLE, openResults, segmented, settle

# For what its tests have made that is of use here, too.
sys.path.append(str(REPOSITORY / "Testing" / "unit"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the user's data, new for each test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("MUSCLEFM_HOME", str(folder))
    if "MUSCLEFM_LIBRARY_PYTHON" not in os.environ:
        pytest.fail("MUSCLEFM_LIBRARY_PYTHON has to name a Python with the library and torch")
    return folder


@pytest.fixture(scope="session")
def few_slices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return water and fat of six slices of the sample, so that a run takes seconds."""
    import SimpleITK as sitk

    folder = tmp_path_factory.mktemp("sample")
    files = {}
    for channel in ("water", "fat"):
        image = sitk.ReadImage(str(SAMPLE / f"{channel}.nii.gz"))
        files[channel] = folder / f"{channel}.nrrd"
        sitk.WriteImage(image[:, :, 8:14], str(files[channel]))
    return files


@pytest.fixture(scope="session")
def results(few_slices: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what the library finds in these slices."""
    channels = [f"--channel={channel}={path}" for channel, path in few_slices.items()]
    return segmented(channels, tmp_path_factory.mktemp("segmented") / "results")


@pytest.fixture
def session(slicer_session: Any) -> Any:
    """Return the user's hands and eyes."""
    return slicer_session


@pytest.fixture
def module(session: Any) -> Any:
    """Return the module's panel, opened."""
    return session.openModule(MODULE).panel


@pytest.fixture
def water(session: Any, few_slices: dict[str, Path]) -> Any:
    """Return the water image in the scene."""
    import slicer

    return slicer.util.loadVolume(str(few_slices["water"]))


@pytest.fixture
def scan(session: Any, few_slices: dict[str, Path], tmp_path: Path) -> Any:
    """Return six slices of a real scan in the scene, or rendered ones where there is none."""
    import SimpleITK as sitk
    import slicer

    path = REAL_SCAN if REAL_SCAN.is_file() else few_slices["water"]
    image = sitk.ReadImage(str(path))
    middle = image.GetSize()[2] // 2
    sitk.WriteImage(image[:, :, middle - 3 : middle + 3], str(tmp_path / "scan.nrrd"))
    return slicer.util.loadVolume(str(tmp_path / "scan.nrrd"))


@pytest.fixture
def opened(module: Any, session: Any, water: Any, results: Path) -> Any:
    """Return the module with a segmented case open, without having waited for a run."""
    return openResults(module, session, water, results)


@pytest.fixture
def whileRunning(module: Any, session: Any) -> Callable[[float], None]:
    """Return a function that waits until a run has ended."""

    def wait(seconds: float = 300.0) -> None:
        session.waitFor(lambda: not module.run.isRunning, seconds)
        settle(module, session)

    return wait
