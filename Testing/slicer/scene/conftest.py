"""A scene for every test, with made results in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness.scene import SceneOfSlicer, startScene
from made_results import addVolume, made_image, made_results
from offscreen import ORIENTATIONS, OffscreenSliceView
from reading import Reading

from musclefm.uncertainty.maps import EnsembleMaps
from MuscleFMSegmentLib.scene.case import CaseInScene
from MuscleFMSegmentLib.scene.results import loadResults


@dataclass(frozen=True)
class Opened:
    """A case that was opened, and what its results were made of.

    Attributes
    ----------
    case : CaseInScene
        As the module holds it.
    maps : EnsembleMaps
        What the results say.
    folder : Path
        The results.
    """

    case: CaseInScene
    maps: EnsembleMaps
    folder: Path


@pytest.fixture
def application(tmp_path: Path) -> SceneOfSlicer:
    """Return Slicer's scene and logics, without slice views."""
    return startScene(tmp_path / "slicer")


@pytest.fixture
def scene(application: SceneOfSlicer) -> Any:
    """Return the scene alone."""
    return application.scene


@pytest.fixture
def views(application: SceneOfSlicer) -> Iterator[dict[str, OffscreenSliceView]]:
    """Return Slicer's three slice views by name, drawing into memory."""
    made = {name: OffscreenSliceView(application, name) for name in ORIENTATIONS}
    yield made
    for view in made.values():
        view.close()


@pytest.fixture(scope="session")
def axial_results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EnsembleMaps]:
    """Return a results folder of made thighs on an axial grid; tests only read it."""
    folder = tmp_path_factory.mktemp("axial") / "results"
    return folder, made_results(folder)


@pytest.fixture
def opened(scene: Any, axial_results: tuple[Path, EnsembleMaps]) -> Opened:
    """Return the axial case, opened in the scene."""
    folder, maps = axial_results
    volumeNode = addVolume(scene, made_image(maps))
    return Opened(loadResults(scene, folder, volumeNode), maps, folder)


@pytest.fixture
def reading(
    application: SceneOfSlicer, views: dict[str, OffscreenSliceView], opened: Opened
) -> Reading:
    """Return the axial case on the screen."""
    return Reading(application, views, opened.case)
