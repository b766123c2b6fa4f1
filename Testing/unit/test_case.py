"""A case gives the same result however it is stored, and sides never swap."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tiny_ensemble import ROUNDING, SCHEME, THIGH_TILES, WHOLE_SLICES, tiny_bundle

from musclefm.demo.phantom.artefacts import Scanner
from musclefm.demo.phantom.contrast import Contrast
from musclefm.demo.phantom.parametric import parametric_labelmap
from musclefm.demo.phantom.severity import draw_fat_fractions
from musclefm.demo.phantom.volumes import Patient, render_volume
from musclefm.errors import MuscleFMError
from musclefm.inference.case import run_case
from musclefm.inference.device import Runtime
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.labels.sides import LEFT, RIGHT
from musclefm.models.bundle import Bundle
from musclefm.models.intensity import PublishedIntensity
from musclefm.models.manifest import ModelInput, WholeSlice
from musclefm.progress import silent
from musclefm.uncertainty.maps import EnsembleMaps
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view
from musclefm.volumes.volume import Volume

StoredWays = Callable[[Volume], Iterator[Volume]]
MAPS = ("total", "aleatoric", "epistemic", "variance", "least_confidence")
PIXEL_MM = 4.0
# Nearly axial, tilted and turned, far off centre.
TILT, TURN = np.radians(10.0), np.radians(-12.0)
ABOUT_X = np.array([[1, 0, 0], [0, np.cos(TILT), -np.sin(TILT)], [0, np.sin(TILT), np.cos(TILT)]])
ABOUT_Z = np.array([[np.cos(TURN), -np.sin(TURN), 0], [np.sin(TURN), np.cos(TURN), 0], [0, 0, 1]])


class EnsembleOnCpu:
    """A bundle with its networks loaded."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.predictor = EnsemblePredictor(bundle, Runtime(torch.device("cpu"), False), silent)

    def run(self, image: Volume) -> EnsembleMaps:
        return run_case(image.array[None], image.grid, self.bundle, self.predictor)


@pytest.fixture(scope="module")
def case() -> Volume:
    """Return a rendered T1 image of both thighs, 6 x 48 x 96, oblique, canonical."""
    grid = Grid(
        shape=(6, 48, 96),
        spacing=(PIXEL_MM, PIXEL_MM, 55.0),
        origin=(212.5, -140.25, -903.0),
        direction=tuple((ABOUT_Z @ ABOUT_X).ravel().tolist()),
    )
    rng = np.random.default_rng(21)
    labelmap = parametric_labelmap(SCHEME, rng, grid=grid)
    patient = Patient.draw(draw_fat_fractions(SCHEME, "early", rng), rng)
    scanner = Scanner(0.1, (0.1, 0.1), 0.0, 0.0, 0.8, 0.01)
    (image,) = render_volume(labelmap, SCHEME, patient, [Contrast("t1", 0.4, 1, 0.3)], scanner, 4)
    return image


@pytest.fixture(scope="module")
def ensembles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EnsembleOnCpu]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "thigh": EnsembleOnCpu(tiny_bundle(folder / "thigh", 2, THIGH_TILES)),
        "slice": EnsembleOnCpu(tiny_bundle(folder / "slice", 2, WHOLE_SLICES)),
    }


def canonical(array: npt.NDArray[Any], grid: Grid) -> npt.NDArray[Any]:
    return canonical_view(grid).apply(array)


def same(maps: EnsembleMaps, grid: Grid, reference: EnsembleMaps, reference_grid: Grid) -> None:
    """Require equal results but for rounding, voxel for voxel of the patient."""
    for name in ("labels", "top_muscle", "sides"):
        here = canonical(getattr(maps, name), grid)
        assert (here == canonical(getattr(reference, name), reference_grid)).mean() > 0.999, name
    for name in MAPS:
        np.testing.assert_allclose(
            canonical(getattr(maps, name), grid),
            canonical(getattr(reference, name), reference_grid),
            atol=ROUNDING,
            err_msg=name,
        )
    few = 0.001 * maps.labels.size
    for name in ("probability_mass", "probability_inside", "member_overlap"):
        here, there = getattr(maps.statistics, name), getattr(reference.statistics, name)
        np.testing.assert_allclose(here, there, rtol=1e-3, atol=few, err_msg=name)


def left_of(grid: Grid) -> npt.NDArray[np.float64]:
    """Return how far toward the patient's left each voxel lies, ``(K, J, I)`` in mm."""
    k, j, i = np.indices(grid.shape)
    points = np.stack([i, j, k, np.ones_like(i)]).astype(float)
    # The thighs stand side by side along this direction of the oblique slices.
    world = np.tensordot(grid.ijk_to_lps[:3], points, axes=1)
    across = (ABOUT_Z @ ABOUT_X)[:, 0]
    return np.asarray(np.tensordot(across, world, axes=1))


def sides_are_the_patients(maps: EnsembleMaps) -> None:
    leftward = left_of(maps.grid)
    middle = (leftward.min() + leftward.max()) / 2
    wrong = (maps.sides == LEFT) != (leftward > middle)
    # The border follows the gap between the thighs, a voxel or two beside the middle.
    assert np.abs(leftward - middle)[wrong].max(initial=0) <= 4 * PIXEL_MM


@pytest.mark.parametrize(("framing", "every"), [("thigh", 1), ("slice", 7)])
def test_results_do_not_depend_on_any_of_48_ways_to_store_a_case(
    case: Volume,
    ensembles: dict[str, EnsembleOnCpu],
    stored_48_ways: StoredWays,
    framing: str,
    every: int,
) -> None:
    ensemble = ensembles[framing]
    reference = ensemble.run(case)
    assert len(np.unique(reference.labels)) > 3 and reference.total.max() > 0.1
    sides_are_the_patients(reference)
    for stored in islice(stored_48_ways(case), 0, None, every):
        maps = ensemble.run(stored)
        assert maps.grid == stored.grid and maps.scheme == SCHEME
        assert maps.labels.shape == stored.array.shape
        same(maps, stored.grid, reference, case.grid)
        sides_are_the_patients(maps)


def test_statistics_are_reported_by_the_patients_side(
    case: Volume, ensembles: dict[str, EnsembleOnCpu]
) -> None:
    maps = ensembles["thigh"].run(case)
    for side in (RIGHT, LEFT):
        mine = maps.sides == side
        assert maps.statistics.probability_mass[side - RIGHT].sum() == pytest.approx(
            mine.sum(), rel=1e-4
        )
        certain = (1 - maps.least_confidence)[mine & (maps.labels > 0)].sum()
        inside = maps.statistics.probability_inside[side - RIGHT, 1:].sum()
        assert inside == pytest.approx(certain, rel=1e-4)


def half(case: Volume) -> Volume:
    """Return the patient's right thigh alone."""
    array = np.ascontiguousarray(case.array[:, :, :48])
    return Volume(array, replace(case.grid, shape=(6, 48, 48)))


@pytest.mark.parametrize("framing", ["thigh", "slice"])
def test_one_thigh_is_one_thigh_in_every_orientation(
    case: Volume, ensembles: dict[str, EnsembleOnCpu], stored_48_ways: StoredWays, framing: str
) -> None:
    alone = half(case)
    reference = ensembles[framing].run(alone)
    (side,) = np.unique(reference.sides)
    other = LEFT if side == RIGHT else RIGHT
    assert reference.statistics.probability_mass[other - RIGHT].sum() == 0
    for stored in islice(stored_48_ways(alone), 1, None, 9):
        same(ensembles[framing].run(stored), stored.grid, reference, alone.grid)


def test_a_left_thigh_alone_gives_the_mirror_image_of_a_right_one(
    case: Volume, ensembles: dict[str, EnsembleOnCpu]
) -> None:
    """Whichever side the networks take a thigh for, its mirror image is the other."""
    right = half(case)
    left = Volume(np.ascontiguousarray(right.array[:, :, ::-1]), right.grid)
    of_right, of_left = (ensembles["thigh"].run(image) for image in (right, left))
    assert len(np.unique(of_right.labels)) > 3
    assert {int(maps.sides.max()) for maps in (of_right, of_left)} == {RIGHT, LEFT}
    mirrored = of_left.labels[:, :, ::-1]
    assert (mirrored == of_right.labels).mean() > 0.995
    np.testing.assert_allclose(of_left.total[:, :, ::-1], of_right.total, atol=1e-3)
    np.testing.assert_allclose(
        of_left.statistics.probability_mass.sum(axis=0),
        of_right.statistics.probability_mass.sum(axis=0),
        rtol=1e-3,
        atol=1,
    )


def test_the_observer_sees_slices_from_inferior_to_superior(
    case: Volume, ensembles: dict[str, EnsembleOnCpu], stored_48_ways: StoredWays
) -> None:
    ensemble = ensembles["thigh"]
    reference = ensemble.run(case)
    *_, stored = stored_48_ways(case)
    seen: list[npt.NDArray[np.int64]] = []
    run_case(
        stored.array[None],
        stored.grid,
        ensemble.bundle,
        ensemble.predictor,
        lambda _: lambda k, mean, _: seen.append(mean.argmax(dim=0).numpy()),
    )
    assert (np.stack(seen) == reference.labels).mean() > 0.999


def test_an_image_without_a_body_gives_finite_maps(
    ensembles: dict[str, EnsembleOnCpu],
) -> None:
    grid = Grid((2, 20, 30), (4.0, 4.0, 10.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    noise = np.random.default_rng(0).normal(100, 1, grid.shape).astype(np.float32)
    for image in (noise, np.zeros(grid.shape, np.float32)):
        maps = ensembles["thigh"].run(Volume(image, grid))
        assert all(np.isfinite(getattr(maps, name)).all() for name in MAPS)
        assert set(np.unique(maps.sides)) <= {RIGHT, LEFT}


def test_slices_as_stored_come_back_on_the_inputs_own_grid(case: Volume, tmp_path: Path) -> None:
    """What a published network saw as rows stays so: it depends on how the case is stored."""
    stored = ModelInput(intensity=PublishedIntensity(), framing=WholeSlice(orientation="stored"))
    ensemble = EnsembleOnCpu(tiny_bundle(tmp_path / "stored", 2, stored))
    array = np.ascontiguousarray(case.array[::-1, :, ::-1])
    matrix = case.grid.ijk_to_lps @ np.array(
        [[-1, 0, 0, 95], [0, 1, 0, 0], [0, 0, -1, 5], [0, 0, 0, 1]]
    )
    flipped = replace(
        case.grid,
        origin=tuple(matrix[:3, 3].tolist()),
        direction=tuple((matrix[:3, :3] / case.grid.spacing).ravel().tolist()),
    )
    first, second = ensemble.run(case), ensemble.run(Volume(array, flipped))
    np.testing.assert_array_equal(second.sides[::-1, :, ::-1], first.sides)
    assert first.labels.shape == case.array.shape
    # The network is no mirror of itself, so other labels are right here.
    assert (second.labels[::-1, :, ::-1] != first.labels).any()
    first_slice = replace(flipped, shape=(1, 48, 96))
    alone = ensemble.run(Volume(array[:1], first_slice))
    # Alone it is a batch of another size.
    assert (alone.labels[0] == second.labels[0]).mean() > 0.999


def test_thigh_tiles_with_another_intensity_rule_are_refused(case: Volume, tmp_path: Path) -> None:
    rule = ModelInput(intensity=PublishedIntensity())
    ensemble = EnsembleOnCpu(tiny_bundle(tmp_path / "odd", 1, rule))
    with pytest.raises(MuscleFMError, match="percentiles"):
        ensemble.run(case)
