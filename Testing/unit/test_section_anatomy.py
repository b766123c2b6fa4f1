"""Around the labelled muscles of a rendered section lies what anatomy has there."""

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from musclefm.demo.phantom.contrast import Contrast
from musclefm.demo.phantom.fields import StreakTexture
from musclefm.demo.phantom.parametric import ParametricThigh, Person
from musclefm.demo.phantom.section.anatomy import ThighAnatomy
from musclefm.demo.phantom.section.appearance import Appearance, draw_scanner
from musclefm.demo.phantom.section.outline import convex_hull
from musclefm.demo.phantom.slices import Fractions
from musclefm.labels.scheme import load_scheme

SCHEME = load_scheme("thigh-11")
IDS = {label.abbreviation: label.id for label in SCHEME.labels}
PIXEL_MM = 1.8
CANVAS = 120
WATER, FAT, FLUID = (Contrast("water", *row) for row in ((1, 0, 0), (0, 1, 0), (0, 0, 1)))
Mask = npt.NDArray[np.bool_]


@cache
def labelled(height: float) -> npt.NDArray[np.uint8]:
    person = Person(1.0, 4, dict.fromkeys(range(1, 12), 1.0))
    return ParametricThigh(SCHEME).draw(person, height, PIXEL_MM, CANVAS)


@cache
def anatomy(seed: int) -> ThighAnatomy:
    rng = np.random.default_rng(seed)
    streaks = StreakTexture(rng)
    return ThighAnatomy.draw(SCHEME, "early", (CANVAS, CANVAS), PIXEL_MM, 0.5, streaks, rng)


@cache
def lean(seed: int, height: float) -> Mask:
    """Return where a section holds muscle rather than fat, bone or air."""
    filled, _ = anatomy(seed).section(labelled(height), height, 1.0)
    return ndimage.binary_opening(filled.signal(WATER) > 0.5)


def unlabelled_muscle(seed: int, height: float) -> Mask:
    """Return the muscle beside the labels; the skin is too thin to be left over."""
    beside = lean(seed, height) & ~ndimage.binary_dilation(labelled(height) > 0)
    return ndimage.binary_opening(beside, np.ones((3, 3)))


def shows(labels: npt.NDArray[np.uint8], name: str) -> bool:
    return bool((labels == IDS[name]).any())


def centre(labels: npt.NDArray[np.uint8], name: str) -> npt.NDArray[np.float64]:
    return np.array(ndimage.center_of_mass(labels == IDS[name]))


def test_adductors_fill_the_proximal_half_between_sartorius_gracilis_and_adductor_magnus() -> None:
    high, low = 0.75, 0.25
    shares: dict[float, list[float]] = {high: [], low: []}
    for seed in range(8):
        for height, seen in shares.items():
            labels = labelled(height)
            corners = [centre(labels, name) for name in ("SA", "GR", "AM") if shows(labels, name)]
            middle = np.rint(np.mean(corners, axis=0)).astype(int)
            place = unlabelled_muscle(seed, height)
            window = place[middle[0] - 6 : middle[0] + 7, middle[1] - 6 : middle[1] + 7]
            free = labels[middle[0] - 6 : middle[0] + 7, middle[1] - 6 : middle[1] + 7] == 0
            seen.append(window.sum() / max(free.sum(), 1))
    assert np.median(shares[high]) > 0.3 and np.median(shares[low]) < 0.1


def test_the_buttock_lies_behind_at_the_hip_alone() -> None:
    for height, there in ((0.95, True), (0.4, False)):
        labels = labelled(height)
        rows = np.nonzero(labels)[0]
        behind = np.arange(CANVAS)[:, None] > rows.mean() + 20 / PIXEL_MM
        areas = [(unlabelled_muscle(seed, height) & behind).sum() for seed in range(8)]
        assert (np.median(areas) * PIXEL_MM**2 > 400) == there


def test_labelled_muscles_are_muscle_whatever_lies_around_them() -> None:
    for seed in range(6):
        for height in (0.05, 0.5, 0.95):
            inside = ndimage.binary_erosion(labelled(height) > 0, iterations=2)
            assert lean(seed, height)[inside].mean() > 0.65


def test_a_thigh_goes_on_from_section_to_section() -> None:
    for seed in range(4):
        for height in (0.3, 0.6, 0.9):
            here, above = (lean(seed, at) for at in (height, height + 0.02))
            shared = (here & above).sum() / (here | above).sum()
            assert shared > 0.6


def test_vessels_run_beside_sartorius_and_behind_the_knee() -> None:
    for height, neighbour in ((0.55, "SA"), (0.02, None)):
        distances = []
        for seed in range(8):
            filled, _ = anatomy(seed).section(labelled(height), height, 1.0)
            blood = filled.signal(FLUID) > 0.1
            labels = labelled(height)
            assert not (blood & (labels > 0)).sum() > 0.5 * blood.sum()
            if neighbour and blood.any():
                away = ndimage.distance_transform_edt(labels != IDS[neighbour]) * PIXEL_MM
                distances.append(away[blood].min())
        if neighbour:
            assert len(distances) > 4 and np.median(distances) < 15


def test_bone_has_cortex_around_fatty_marrow() -> None:
    for seed in range(6):
        filled, body = anatomy(seed).section(labelled(0.5), 0.5, 1.0)
        total = filled.signal(WATER) + filled.signal(FAT) + filled.signal(FLUID)
        hull = convex_hull(labelled(0.5) > 0)
        dark = hull & (total < 0.4)
        marrow = ndimage.binary_fill_holes(dark) & ~dark
        assert 100 < dark.sum() * PIXEL_MM**2 < 900
        assert marrow.any() and filled.signal(FAT)[marrow].mean() > 0.6
        assert not total[~ndimage.binary_dilation(body, iterations=3)].any()


def test_a_hull_is_the_smallest_convex_region() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        mask = np.zeros((40, 50), bool)
        mask[rng.integers(5, 35, 9), rng.integers(5, 45, 9)] = True
        hull = convex_hull(mask)
        assert (hull >= mask).all()
        rows, columns = np.nonzero(mask)
        where = np.nonzero(hull)
        assert where[0].min() == rows.min() and where[0].max() == rows.max()
        assert where[1].min() == columns.min() and where[1].max() == columns.max()
    single = np.zeros((5, 5), bool)
    single[2, 3] = True
    np.testing.assert_array_equal(convex_hull(single), single)


@pytest.mark.parametrize("height", [0.0, 1.0])
def test_few_labels_at_either_end_still_make_a_whole_leg(height: float) -> None:
    few = labelled(height).copy()
    few[few != IDS["SA"]] = 0
    if not few.any():
        few[40:46, 60:66] = IDS["SA"]
    filled, body = anatomy(1).section(few, height, 1.0)
    assert body.sum() * PIXEL_MM**2 > 1000
    assert np.isfinite(filled.signal(WATER)).all()


def test_scans_look_as_different_as_real_ones() -> None:
    rng = np.random.default_rng(0)
    series = [Appearance.draw(1.4, rng) for _ in range(400)]
    ratios = np.array([one.contrast.fat / one.contrast.muscle for one in series])
    # Fat of a fat-suppressed scan that is not quite dark, and muscle late in an echo train.
    assert np.quantile(ratios, 0.05) < 0.24 and np.quantile(ratios, 0.95) > 3
    water = [one.contrast.fat / one.contrast.muscle for one in series
             if one.contrast.name == "water"]  # fmt: skip
    assert min(water) < 0.1 and max(water) > 0.35
    assert {one.fat_shift for one in series} >= {-1, 0, 1}
    scanners = [draw_scanner(rng) for _ in range(400)]
    assert 0.3 < np.mean([scanner.cleared > 0 for scanner in scanners]) < 0.7
    assert np.std([scanner.shading[1] for scanner in scanners]) > 0.2


def test_fat_is_shifted_against_water_and_grain_is_as_strong_as_drawn() -> None:
    shape = (40, 60)
    fat = np.zeros(shape, np.float32)
    fat[10:20, 10:20] = 1
    water = 1 - fat
    contrast = Contrast("t1", 0.5, 1.0, 0.0)
    rng = np.random.default_rng(0)
    shifted = Appearance(contrast, 0.0, 1.0, 2, 0)
    signal = shifted.signal(Fractions(water, fat, 0 * fat), rng)
    assert signal[15, 15] == pytest.approx(1) and signal[5, 5] == pytest.approx(0.5)
    # A dark edge where fat left, a bright one where it covers muscle.
    assert signal[10, 15] == pytest.approx(0) and signal[21, 15] == pytest.approx(1.5)
    grainy = Appearance(contrast, 0.05, 1.0, 0, 0)
    flat = grainy.signal(Fractions(np.ones(shape, np.float32), 0 * fat, 0 * fat), rng)
    assert flat.std() / flat.mean() == pytest.approx(0.05, rel=0.1)
