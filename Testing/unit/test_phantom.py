"""Renderings hold what was asked of them: fat, contrast, noise, in any orientation."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from musclefm.demo.phantom.artefacts import Scanner
from musclefm.demo.phantom.contrast import Contrast, draw_contrast
from musclefm.demo.phantom.parametric import parametric_labelmap
from musclefm.demo.phantom.severity import draw_fat_fractions
from musclefm.demo.phantom.volumes import Patient, render_volume
from musclefm.demo.sample import SAMPLE_SEED, render_case, sample_channels
from musclefm.evaluation.cohort.severity import SEVERITIES, Severity
from musclefm.labels.scheme import load_scheme
from musclefm.volumes.grid import Grid
from musclefm.volumes.orientation import canonical_view
from musclefm.volumes.reading import read_volume
from musclefm.volumes.volume import Volume

SCHEME = load_scheme("thigh-11")
IDS = {label.abbreviation: label.id for label in SCHEME.labels}
SPARED, HAMSTRINGS = ("SA", "GR"), ("BFL", "ST", "SM")
PERFECT = Scanner(bias=0, shading=(0, 0), ghost=0, ghost_shift=0, blur_mm=0, noise=0)
WATER, FAT = Contrast("water", 1, 0, 0), Contrast("fat", 0, 1, 0)
Floats = npt.NDArray[np.float32]


def grid(slices: int, rows: int, columns: int, pixel_mm: float) -> Grid:
    tilt, turn = np.radians(9.0), np.radians(-14.0)
    about_x = [[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]
    about_z = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    direction = np.asarray(about_z) @ np.asarray(about_x)
    return Grid(
        shape=(slices, rows, columns),
        spacing=(pixel_mm, pixel_mm, 400.0 / slices),
        origin=(-170.0, 60.0, -800.0),
        direction=tuple(direction.ravel().tolist()),
    )


@pytest.fixture(scope="module")
def fine() -> Volume:
    """Return both thighs, sharp enough to look inside each muscle."""
    return parametric_labelmap(SCHEME, np.random.default_rng(3), grid=grid(3, 120, 240, 1.7))


@pytest.fixture(scope="module")
def coarse() -> Volume:
    return parametric_labelmap(SCHEME, np.random.default_rng(3), grid=grid(4, 44, 90, 4.4))


def patient(severity: Severity, seed: int = 1) -> Patient:
    rng = np.random.default_rng(seed)
    return Patient.draw(draw_fat_fractions(SCHEME, severity, rng), rng)


def render(labelmap: Volume, who: Patient, *contrasts: Contrast, seed: int = 5) -> list[Floats]:
    images = render_volume(labelmap, SCHEME, who, contrasts, PERFECT, seed)
    return [image.array for image in images]


def fat_fraction(labelmap: Volume, who: Patient) -> Floats:
    water, fat = render(labelmap, who, WATER, FAT)
    return np.asarray(fat / np.maximum(water + fat, 1e-6))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_each_muscle_holds_the_fat_it_was_given(fine: Volume, severity: Severity) -> None:
    # Patches of centimetres would move the mean of a small muscle.
    who = replace(patient(severity), patchiness=0.0, streakiness=0.3)
    fraction = fat_fraction(fine, who)
    wanted, measured = [], []
    for label in SCHEME.labels:
        # Inside, the thin layers of fat between neighbours do not count.
        muscle = ndimage.binary_erosion(fine.array == label.id, np.ones((1, 5, 5)))
        if muscle.sum() > 40:
            wanted.append(who.fat_fractions[label.id])
            measured.append(float(fraction[muscle].mean()))
    assert len(wanted) >= 9
    np.testing.assert_allclose(measured, wanted, atol=0.06)
    assert np.corrcoef(measured, wanted)[0, 1] > 0.9


def test_fat_mounts_with_severity_in_the_rendering(coarse: Volume) -> None:
    muscle = coarse.array > 0
    means = [fat_fraction(coarse, patient(severity))[muscle].mean() for severity in SEVERITIES]
    assert means[0] + 0.1 < means[1] < means[2] - 0.1


def test_drawn_fat_follows_the_grades_and_spares_the_right_muscles() -> None:
    rng = np.random.default_rng(0)
    means = {}
    for severity in SEVERITIES:
        drawn = [draw_fat_fractions(SCHEME, severity, rng) for _ in range(200)]
        of = {name: np.array([fat[i] for fat in drawn]) for name, i in IDS.items()}
        means[severity] = float(np.mean(list(of.values())))
        spared, first = ([of[name] for name in names] for names in (SPARED, HAMSTRINGS))
        assert np.mean(first) - np.mean(spared) > 0.1
        assert all(((fat > 0) & (fat < 1)).all() for fat in of.values())
    # Mercuri's grades: mild below 0.30, moderate to 0.60, severe above.
    assert means["early"] < 0.30 < means["moderate"] < 0.60 < means["severe"]


def test_the_same_seed_gives_the_same_voxels(coarse: Volume) -> None:
    scanner = Scanner.draw(np.random.default_rng(2))
    contrast = draw_contrast("t1", np.random.default_rng(2))
    who = patient("moderate")
    first, again, other = (
        render_volume(coarse, SCHEME, who, [contrast], scanner, seed)[0].array for seed in (5, 5, 6)
    )
    assert first.dtype == np.float32 and np.isfinite(first).all() and (first >= 0).all()
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.9


def test_a_rendering_does_not_depend_on_how_the_labels_are_stored(
    coarse: Volume, stored_48_ways: Callable[[Volume], Iterator[Volume]]
) -> None:
    scanner = Scanner.draw(np.random.default_rng(3))
    contrast = draw_contrast("in-phase", np.random.default_rng(3))
    who = patient("severe")
    (reference,) = render_volume(coarse, SCHEME, who, [contrast], scanner, 5)
    inverse = canonical_view(coarse.grid)
    for stored in islice(stored_48_ways(coarse), 1, None, 13):
        (rendered,) = render_volume(stored, SCHEME, who, [contrast], scanner, 5)
        assert rendered.grid == stored.grid
        back = canonical_view(stored.grid).apply(rendered.array)
        np.testing.assert_allclose(back, inverse.apply(reference.array), atol=1e-5)


def test_a_dixon_pair_and_its_phases_are_of_one_body(coarse: Volume) -> None:
    in_phase = Contrast("in-phase", 1, 1, 0)
    out_of_phase = Contrast("out-of-phase", 1, 1, 0, opposed=True)
    water, fat, together, opposed = render(
        coarse, patient("moderate"), WATER, FAT, in_phase, out_of_phase
    )
    np.testing.assert_allclose(together, water + fat, atol=1e-5)
    np.testing.assert_allclose(opposed, np.abs(water - fat), atol=1e-5)


def test_a_leg_has_fat_under_the_skin_bone_within_and_air_around(fine: Volume) -> None:
    drawn = patient("early")
    who = replace(drawn, body=replace(drawn.body, fat_mm=14.0, fat_uneven=0.0))
    water, fat = (image[1] for image in render(fine, who, WATER, FAT))
    muscle = fine.array[1] > 0
    assert water[muscle].mean() > 0.5 > fat[muscle].mean()
    signal = water + fat > 0.3
    leg = ndimage.binary_fill_holes(signal)
    depth_mm = ndimage.distance_transform_edt(leg) * 1.7
    beneath = (depth_mm > 4) & (depth_mm < 9)
    assert fat[beneath].mean() > 0.8
    assert depth_mm[muscle].min() > 9
    assert not leg[[0, -1]].any() and not leg[:, [0, -1]].any()
    # Cortical bone gives no signal, and holds fatty marrow: one ring in each thigh.
    parts, count = ndimage.label(leg & ~signal)
    sizes = np.bincount(parts.ravel())[1:] * 1.7**2
    rings = [part + 1 for part in range(count) if sizes[part] > 100]
    assert len(rings) == 2
    for ring in rings:
        marrow = ndimage.binary_fill_holes(parts == ring) & (parts != ring)
        assert marrow.any() and fat[marrow].mean() > 0.7


@pytest.mark.parametrize(
    ("name", "brighter"), [("t1", "fat"), ("t2", "fat"), ("fat", "fat"), ("water", "muscle")]
)
def test_contrasts_are_what_they_are_called(name: str, brighter: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        contrast = draw_contrast(name, rng)  # type: ignore[arg-type]
        fat_is_brighter = contrast.fat > contrast.muscle
        assert fat_is_brighter == (brighter == "fat")
        assert contrast.opposed is False


def test_random_contrasts_always_show_muscle_apart_from_fat() -> None:
    rng = np.random.default_rng(1)
    drawn = [draw_contrast("random", rng) for _ in range(200)]
    assert min(abs(contrast.fat - contrast.muscle) for contrast in drawn) >= 0.15
    assert 0.2 < np.mean([contrast.fat > contrast.muscle for contrast in drawn]) < 0.8


def test_noise_is_rician() -> None:
    """In air its mean is sigma sqrt(pi / 2), in bright tissue about the signal's own."""
    sigma = 0.05
    noisy = replace(PERFECT, noise=sigma)
    rng = np.random.default_rng(0)
    flat = np.ones((150, 150), np.float32)
    air = noisy.image(0 * flat, flat, 1.0, rng)
    tissue = noisy.image(flat, flat, 1.0, rng)
    assert air.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.02)
    assert tissue.mean() == pytest.approx(np.sqrt(1 + sigma**2), rel=0.01)
    assert tissue.std() == pytest.approx(sigma, rel=0.05)


def test_noise_of_neighbours_may_be_alike_and_faint_pixels_cleared() -> None:
    rng = np.random.default_rng(0)
    flat = np.ones((150, 150), np.float32)
    image = replace(PERFECT, noise=0.05, noise_px=0.8).image(flat, flat, 1.0, rng)
    assert image.std() == pytest.approx(0.05, rel=0.05)
    assert np.corrcoef(image[:, 1:].ravel(), image[:, :-1].ravel())[0, 1] > 0.4
    half = flat.copy()
    half[:, 75:] = 0
    cleared = replace(PERFECT, noise=0.01, cleared=0.08).image(half, flat, 1.0, rng)
    assert not cleared[:, 75:].any() and cleared[:, :75].min() > 0.9


def test_coils_shade_blur_softens_and_motion_ghosts() -> None:
    rng = np.random.default_rng(0)
    block = np.zeros((100, 60), np.float32)
    block[40:60, 20:40] = 1
    flat = np.ones_like(block)
    shaded = replace(PERFECT, shading=(0.5, 0)).gain((100, 60), 2.0, rng)
    # 100 mm apart along the rows.
    assert shaded[75, 5] / shaded[25, 5] == pytest.approx(np.exp(0.5), rel=1e-4)
    uneven = replace(PERFECT, bias=0.3).gain((100, 60), 2.0, rng)
    assert uneven.std() > 0.05 and np.abs(np.diff(uneven, axis=0)).max() < 0.05
    blurred = replace(PERFECT, blur_mm=2.0).image(block, flat, 1.0, rng)
    assert blurred.sum() == pytest.approx(block.sum(), rel=1e-3)
    assert np.abs(np.diff(blurred, axis=0)).max() < 0.3
    ghosted = replace(PERFECT, ghost=0.2, ghost_shift=0.3).image(block, flat, 1.0, rng)
    assert ghosted[50, 30] == pytest.approx(1) and ghosted[80, 30] == pytest.approx(0.1)
    assert ghosted[20, 30] == pytest.approx(0.1) and ghosted[50, 5] == 0


def test_one_thigh_alone_and_no_thigh_at_all_can_be_rendered(coarse: Volume) -> None:
    half = coarse.array.copy()
    half[:, :, half.shape[2] // 2 :] = 0
    alone = Volume(half, coarse.grid)
    fraction = fat_fraction(alone, patient("severe"))
    assert fraction[half > 0].mean() > 0.5
    assert fraction[:, :, -10:].max() == 0
    (air,) = render(Volume(np.zeros_like(half), coarse.grid), patient("severe"), FAT)
    assert air.shape == half.shape and air.max() == 0


def test_the_shipped_sample_is_a_severe_case_with_both_thighs() -> None:
    files = sample_channels()
    water, fat = (read_volume(files[name]).volume for name in ("water", "fat"))
    labels = read_volume(files["water"].with_name("labels.nii.gz")).volume
    assert water.grid.matches(fat.grid) and water.grid.matches(labels.grid)
    halves = np.array_split(canonical_view(labels.grid).apply(labels.array), 2, axis=2)
    for half in halves:
        assert set(np.unique(half)) == {0, *IDS.values()}
    muscle = labels.array > 0
    fraction = fat.array[muscle].sum() / (water.array[muscle] + fat.array[muscle]).sum()
    assert fraction > 0.55


def test_the_shipped_sample_can_be_made_again(tmp_path: Path) -> None:
    render_case("severe", SAMPLE_SEED, tmp_path / "case")
    shipped = sample_channels()["water"].parent
    for name in ("water", "fat", "labels"):
        made, sample = (
            read_volume(folder / f"{name}.nii.gz").volume for folder in (tmp_path / "case", shipped)
        )
        assert made.grid.matches(sample.grid)
        # Another processor may round another way.
        assert (np.abs(made.array - sample.array) <= (1 if name != "labels" else 0)).mean() > 0.98
